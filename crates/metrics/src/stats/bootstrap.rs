//! The bootstrap, seeded: the same values give the same interval.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::describe::percentile_sorted;
use super::interval::{CONFIDENCE, Interval, sampled};

/// Seed of everything that is drawn.
pub(super) const SEED: u64 = 113;
const RESAMPLES: u32 = 10_000;

/// Studentised interval (bootstrap-t) of a mean; none below three values. Resamples without spread
/// say nothing about the t value and are left out.
pub(super) fn bootstrap_interval(values: &[f64]) -> Option<Interval> {
    let (centre, sd, n) = sampled(values)?;
    let error = sd / n.sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let resampled = |_| {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..values.len() {
            // About the centre, so that the sum of squares loses no digits.
            let d = values[index(&mut rng, values.len())] - centre;
            sum += d;
            squares += d * d;
        }
        let shift = sum / n;
        let variance = (squares - n * shift * shift) / (n - 1.0);
        (variance > squares * 1e-12).then(|| shift / (variance / n).sqrt())
    };
    let mut ts: Vec<f64> = (0..RESAMPLES).filter_map(resampled).collect();
    if ts.is_empty() {
        return Some(Interval::around(centre, 0.0));
    }
    ts.sort_by(f64::total_cmp);
    let t = |p: f64| percentile_sorted(&ts, p);
    Some(Interval {
        lo: centre - t(50.0 + 50.0 * CONFIDENCE)? * error,
        hi: centre - t(50.0 - 50.0 * CONFIDENCE)? * error,
    })
}

/// A uniform index below `n`, by multiplication (Lemire 2019); the bias is below `n / 2^32`.
fn index(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}
