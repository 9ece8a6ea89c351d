//! Percentiles that a sample can carry, by the rule of MLPerf Inference's early stopping.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::percentile;

/// Confidence at which a tail percentile is certified.
const CERTIFIED_AT: f64 = 0.99;

/// The chance that at most `over` of `n` values lie above the true percentile `p`.
fn chance_of_at_most(over: u64, n: u64, p: f64) -> f64 {
    Binomial::new(1.0 - p / 100.0, n).map_or(1.0, |above| above.cdf(over))
}

/// The fewest observations with which percentile `p` (above 50, below 100) can be stated at 99 % confidence with one
/// value to spare above it: 64 for p90, 130 for p95, 662 for p99. None for a `p` out of that range.
pub fn samples_needed(p: f64) -> Option<usize> {
    if !(50.0..=99.999).contains(&p) {
        return None;
    }
    let enough = |n: u64| chance_of_at_most(1, n, p) <= 1.0 - CERTIFIED_AT;
    let mut high = 2;
    while !enough(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high as usize)
}

/// Percentile `p` where it may be printed: the median always, a tail only when the sample can carry it.
pub fn printable_percentile(values: &[f64], p: f64) -> Option<f64> {
    let fits = p <= 50.0 || values.len() >= samples_needed(p)?;
    fits.then(|| percentile(values, p)).flatten()
}
