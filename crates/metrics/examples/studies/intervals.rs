//! How often a 95 % interval holds the truth: the table in `docs/statistics.md`. The truth is the
//! distribution's mean below [`TRIMMED_FROM`] values and its trimmed mean from there on; with one
//! value in ten drawn ten times as wide, it is still that of the distribution.

use metrics::stats::{CONFIDENCE, Location, TRIMMED_FROM, mean};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TRIALS: u32 = 10_000;

type Draw = fn(&mut ChaCha8Rng) -> f64;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Draws from which the truth is taken.
const TRUTH_DRAWS: usize = 1_000_000;

/// The table.
pub(crate) fn print() {
    let shapes: [(&str, Draw); 5] = [
        ("normal", normal),
        ("normal, one in ten ten times as wide", |rng| {
            let wide = if rng.random::<f64>() < 0.1 { 10.0 } else { 1.0 };
            wide * normal(rng)
        }),
        ("uniform", |rng| rng.random()),
        ("lognormal 0.5", |rng| (0.5 * normal(rng)).exp()),
        ("exponential", |rng| -(1.0 - rng.random::<f64>()).ln()),
    ];
    println!("| shape | n | covered (%) |");
    println!("|---|---|---|");
    for (name, draw) in shapes {
        let mut rng = ChaCha8Rng::seed_from_u64(113);
        let mut all: Vec<f64> = (0..TRUTH_DRAWS).map(|_| draw(&mut rng)).collect();
        all.sort_by(f64::total_cmp);
        for n in [3, 4, 5, 6, 7, 8, 10, 15, 20, 30] {
            let cut = if n < TRIMMED_FROM {
                0
            } else {
                TRUTH_DRAWS * (n / 5) / n
            };
            let truth = mean(&all[cut..TRUTH_DRAWS - cut]).expect("some are left");
            let held = (0..TRIALS)
                .filter(|_| {
                    let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
                    let found = Location::of(&values).expect("three values or more");
                    found.interval(CONFIDENCE).contains(truth)
                })
                .count();
            println!(
                "| {name} | {n} | {:.1} |",
                100.0 * held as f64 / f64::from(TRIALS)
            );
        }
    }
}
