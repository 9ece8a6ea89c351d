//! 95 % intervals of repeated runs.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, sample_sd};

/// The level of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Interval {
    /// True when `value` lies in the interval, ends included.
    pub fn contains(&self, value: f64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }
}

/// Student's interval of a mean; none below three values or when one is not finite.
pub fn student_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < 3 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let centre = mean(values)?;
    let half = t_quantile(f64::midpoint(1.0, CONFIDENCE), n - 1.0) * sample_sd(values)? / n.sqrt();
    Some(Interval {
        lo: centre - half,
        hi: centre + half,
    })
}

/// Welch's interval of the difference of two independent means, `b - a`; none below three values
/// in either.
pub fn welch_interval(a: &[f64], b: &[f64]) -> Option<Interval> {
    if a.len() < 3 || b.len() < 3 || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    let (error, freedom) = welch(a, b)?;
    let centre = mean(b)? - mean(a)?;
    let half = if error > 0.0 {
        t_quantile(f64::midpoint(1.0, CONFIDENCE), freedom) * error
    } else {
        0.0
    };
    Some(Interval {
        lo: centre - half,
        hi: centre + half,
    })
}

/// Standard error of the difference of two means, and its degrees of freedom (Welch 1947).
pub(super) fn welch(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let (va, vb) = (sample_sd(a)?.powi(2) / na, sample_sd(b)?.powi(2) / nb);
    let freedom = (va + vb).powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    Some(((va + vb).sqrt(), freedom))
}

/// The quantile of Student's t at `p`, with one degree of freedom at least.
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}
