//! How often each kind of 95 % interval holds the true mean: the table in `docs/statistics.md`.
//! `width` is the 90th percentile of the studentised interval's width over Student's.

use metrics::stats::{Bootstrap, Interval, mean, percentile, student_interval};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF as _, Normal};

const TRIALS: u32 = 4000;

type Draw = fn(&mut ChaCha8Rng) -> f64;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The middle 95 % of the resampled means.
fn percentile_interval(means: &[f64]) -> Option<Interval> {
    Some(Interval {
        lo: percentile(means, 2.5)?,
        hi: percentile(means, 97.5)?,
    })
}

/// The bias-corrected and accelerated interval of the mean (Efron 1987).
fn bca(values: &[f64], means: &[f64]) -> Option<Interval> {
    let centre = mean(values)?;
    let normal = Normal::standard();
    let count = |holds: &dyn Fn(f64) -> bool| means.iter().filter(|m| holds(**m)).count() as f64;
    let below = f64::midpoint(count(&|m| m < centre), count(&|m| m <= centre));
    let share = below / means.len() as f64;
    let bias = normal.inverse_cdf(share.clamp(1e-6, 1.0 - 1e-6));
    // Jackknife acceleration; for a mean the left-out means are linear in the values.
    let powers = |power| values.iter().map(|v| (v - centre).powi(power)).sum::<f64>();
    let acceleration = powers(3) / (6.0 * powers(2).powf(1.5));
    let at = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        100.0 * normal.cdf(bias + z / (1.0 - acceleration * z))
    };
    Some(Interval {
        lo: percentile(means, at(0.025))?,
        hi: percentile(means, at(0.975))?,
    })
}

/// The table.
pub(crate) fn print() {
    let shapes: [(&str, f64, Draw); 4] = [
        ("normal", 0.0, normal),
        ("uniform", 0.5, |rng| rng.random()),
        ("lognormal 0.5", 0.125_f64.exp(), |rng| {
            (0.5 * normal(rng)).exp()
        }),
        ("exponential", 1.0, |rng| -(1.0 - rng.random::<f64>()).ln()),
    ];
    println!("| shape | n | percentile | BCa | studentised | Student's t | width |");
    println!("|---|---|---|---|---|---|---|");
    for (name, truth, draw) in shapes {
        for n in [3, 4, 5, 6, 8, 10, 15, 20, 30] {
            let mut rng = ChaCha8Rng::seed_from_u64(n);
            let mut hits = [0_u32; 4];
            let mut widths = Vec::new();
            for trial in 0..TRIALS {
                let v: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
                let b = Bootstrap {
                    seed: u64::from(trial),
                    resamples: 2000,
                };
                let (means, _) = b.resampled(&v).expect("three values or more");
                let intervals: [Option<Interval>; 4] = [
                    percentile_interval(&means),
                    bca(&v, &means),
                    b.mean_studentised(&v),
                    student_interval(&v),
                ];
                if let [.., Some(s), Some(t)] = intervals {
                    widths.push((s.hi - s.lo) / (t.hi - t.lo));
                }
                for (hit, interval) in hits.iter_mut().zip(intervals) {
                    *hit += u32::from(interval.is_some_and(|i| i.contains(truth)));
                }
            }
            let share = hits.map(|h| 100.0 * f64::from(h) / f64::from(TRIALS));
            let [p, bca, s, t] = share;
            let width = percentile(&widths, 90.0).unwrap_or(f64::NAN);
            println!("| {name} | {n} | {p:.1} | {bca:.1} | {s:.1} | {t:.1} | {width:.2} |");
        }
    }
}
