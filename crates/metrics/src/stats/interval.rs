//! 95 % intervals of repeated runs.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The level of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// A closed interval, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub lo: f64,
    pub hi: f64,
}

impl Interval {
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
}

/// The quantile of Student's t at `p`, with one degree of freedom at least.
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}
