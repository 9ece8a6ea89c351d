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

    /// The interval of a rising function of the value.
    #[must_use]
    pub(crate) fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            lo: rising(self.lo),
            hi: rising(self.hi),
        }
    }

    pub(super) fn around(centre: f64, half: f64) -> Self {
        Self {
            lo: centre - half,
            hi: centre + half,
        }
    }
}

/// Student's interval of a mean; none below three values or when one is not finite.
pub fn student_interval(values: &[f64]) -> Option<Interval> {
    let (centre, sd, n) = sampled(values)?;
    let half = t_quantile(f64::midpoint(1.0, CONFIDENCE), n - 1.0) * sd / n.sqrt();
    Some(Interval::around(centre, half))
}

/// Welch's interval of the difference of two independent means, `b - a`; none below three values
/// in either.
pub fn welch_interval(a: &[f64], b: &[f64]) -> Option<Interval> {
    let (difference, error, freedom) = welch(a, b)?;
    let half = if error > 0.0 {
        t_quantile(f64::midpoint(1.0, CONFIDENCE), freedom) * error
    } else {
        0.0
    };
    Some(Interval::around(difference, half))
}

/// Mean, standard deviation and number of a sample; none below three values or when one is not
/// finite.
pub(super) fn sampled(values: &[f64]) -> Option<(f64, f64, f64)> {
    if values.len() < 3 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    Some((mean(values)?, sample_sd(values)?, values.len() as f64))
}

/// The difference of two means, `b - a`, its standard error, and its degrees of freedom (Welch 1947).
pub(super) fn welch(a: &[f64], b: &[f64]) -> Option<(f64, f64, f64)> {
    let ((ma, sa, na), (mb, sb, nb)) = (sampled(a)?, sampled(b)?);
    let (va, vb) = (sa.powi(2) / na, sb.powi(2) / nb);
    let freedom = (va + vb).powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    Some((mb - ma, (va + vb).sqrt(), freedom))
}

/// The quantile of Student's t at `p`, with one degree of freedom at least.
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}
