//! Percentiles that a sample can carry, by the rule of MLPerf Inference's early stopping.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::{least, percentile};

/// Confidence at which a tail percentile is certified.
const CERTIFIED_AT: f64 = 0.99;

/// More observations than any percentile needs.
const MOST_OBSERVATIONS: u64 = 1 << 20;

/// The fewest observations with which percentile `p` (above 50, below 100) can be stated at 99 % confidence with one
/// value to spare above it: 64 for p90, 130 for p95, 662 for p99. None for a `p` out of that range.
pub fn samples_needed(p: f64) -> Option<usize> {
    // So many that seldom at most one value lies above the true percentile.
    let enough = |n: u64| {
        let above = Binomial::new(1.0 - p / 100.0, n);
        above.is_ok_and(|above| above.cdf(1) <= 1.0 - CERTIFIED_AT)
    };
    let in_range = (50.0..=99.999).contains(&p);
    in_range.then(|| least(2, MOST_OBSERVATIONS, enough) as usize)
}

/// Percentile `p` where it may be printed: the median always, a tail only when the sample can carry it.
pub fn printable_percentile(values: &[f64], p: f64) -> Option<f64> {
    let fits = p <= 50.0 || values.len() >= samples_needed(p)?;
    fits.then(|| percentile(values, p)).flatten()
}
