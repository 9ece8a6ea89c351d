//! Values far from the rest: flagged, never dropped.

use super::{mean, median};

/// A value that lies far from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Its place in the sample.
    pub index: usize,
    /// Its value.
    pub value: f64,
    /// Its modified z-score.
    pub score: f64,
}

/// Values whose modified z-score exceeds 3.5 in size (Iglewicz & Hoaglin 1993): `0.6745 (x - median)
/// / MAD`, and with the mean absolute deviation where more than half the values are equal.
pub fn outliers(values: &[f64]) -> Vec<Outlier> {
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
        .map(|(index, &value)| Outlier {
            index,
            value,
            score: (value - middle) / scale,
        })
        .filter(|o| o.score.abs() > 3.5)
        .collect()
}
