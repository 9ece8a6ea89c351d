//! Values far from the rest: flagged, never dropped.

use super::{mean, median};

/// The places of values whose modified z-score exceeds 3.5 in size, with their scores (Iglewicz &
/// Hoaglin 1993): `0.6745 (x - median) / MAD`, and with the mean absolute deviation where more than half the values are equal.
pub fn outliers(values: &[f64]) -> Vec<(usize, f64)> {
    let Some(middle) = median(values) else {
        return Vec::new();
    };
    let distances: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    let mad = median(&distances).unwrap_or(0.0);
    let scale = if mad > 0.0 {
        mad / 0.6745
    } else {
        1.253_314 * mean(&distances).unwrap_or(0.0)
    };
    if scale <= 0.0 {
        return Vec::new();
    }
    values
        .iter()
        .enumerate()
        .map(|(place, value)| (place, (value - middle) / scale))
        .filter(|(_, score)| score.abs() > 3.5)
        .collect()
}
