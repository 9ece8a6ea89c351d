//! A number that never travels without its `n`.

use serde::Serialize;

/// A mean of repeated observations with its 95 % interval.
///
/// Below three observations there is neither interval nor deviation: that is a single run, or two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Arithmetic mean.
    pub mean: f64,
    /// Lower end of the 95 % interval; none for `n < 3`.
    pub lo: Option<f64>,
    /// Upper end of the 95 % interval; none for `n < 3`.
    pub hi: Option<f64>,
    /// Sample standard deviation (`n - 1`); none for `n < 3`.
    pub sd: Option<f64>,
    /// Observations.
    pub n: u32,
}
