//! Values far from the rest: flagged, never dropped.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, sample_sd};

/// How often a sample of normal values may have one flagged.
const FALSE_ALARMS: f64 = 0.01;

/// The places of values that lie too far from the others to be of their kind, with their distance from
/// the others' mean in units of its predicted error. None below four values.
///
/// Each value is held against the prediction from all others (the externally studentized residual,
/// Student's t with `n - 2` degrees of freedom), corrected for looking at all `n` (Bonferroni).
pub fn outliers(values: &[f64]) -> Vec<(usize, f64)> {
    let n = values.len();
    if n < 4 || values.iter().any(|v| !v.is_finite()) {
        return Vec::new();
    }
    let t = StudentsT::new(0.0, 1.0, (n - 2) as f64).expect("four values leave two");
    let farthest = t.inverse_cdf(1.0 - FALSE_ALARMS / (2 * n) as f64);
    let score = |place: usize| -> Option<f64> {
        let mut others = values.to_vec();
        let value = others.remove(place);
        let centre = mean(&others)?;
        // Values that differ by rounding alone are equal.
        let least = 1e-12 * centre.abs().max(1.0);
        let error = sample_sd(&others)?.max(least) * (1.0 + 1.0 / (n - 1) as f64).sqrt();
        Some((value - centre) / error).filter(|_| (value - centre).abs() > 1e3 * least)
    };
    (0..n)
        .filter_map(|place| Some((place, score(place)?)))
        .filter(|(_, score)| score.abs() > farthest)
        .collect()
}
