//! p values, all two-sided, for few repetitions.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::interval::{sampled, welch};

/// Holm's step-down correction: adjusted p values in the order given, each at most 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max(p_values[i] * (p_values.len() - rank) as f64);
        adjusted[i] = largest.min(1.0);
    }
    adjusted
}

/// Paired t test that differences have mean zero; none below three. Differences without any spread
/// are 0 (p = 1) or not (p = 0).
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    let (centre, sd, n) = sampled(differences)?;
    Some(p_of(centre, sd / n.sqrt(), n - 1.0))
}

/// Welch's t test that two independent samples have one mean; none below three values in either.
pub fn welch_t_test(a: &[f64], b: &[f64]) -> Option<f64> {
    let (difference, error, freedom) = welch(a, b)?;
    Some(p_of(difference, error, freedom))
}

fn p_of(difference: f64, error: f64, freedom: f64) -> f64 {
    if error <= 0.0 || !freedom.is_finite() {
        return if difference.abs() > 0.0 { 0.0 } else { 1.0 };
    }
    let t = StudentsT::new(0.0, 1.0, freedom).expect("spread means at least one degree of freedom");
    2.0 * t.sf((difference / error).abs())
}
