//! Which interval a mean of repeated runs gets.

use super::bootstrap::bootstrap_interval;
use super::{Interval, student_interval};

/// From so many observations on an interval of a mean is bootstrapped. Below, resampling so few
/// values cannot reach the stated level (a percentile of resamples never leaves the range of the
/// sample, and the range of three values holds the mean of a symmetric distribution 75 times in
/// 100), and Student's t is used.
pub const BOOTSTRAP_FROM: usize = 8;

/// The 95 % interval of a mean: none below three values, Student's t below [`BOOTSTRAP_FROM`],
/// the studentised bootstrap from there on.
pub fn mean_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < BOOTSTRAP_FROM {
        student_interval(values)
    } else {
        bootstrap_interval(values)
    }
}

/// The 95 % interval of the geometric mean of ratios, computed on their logarithms; none below
/// three values or when one is not positive.
pub fn log_ratio_interval(ratios: &[f64]) -> Option<Interval> {
    if ratios.iter().any(|r| !r.is_finite() || *r <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
    mean_interval(&logs).map(|i| i.map(f64::exp))
}
