//! A recomputed value and its uncertainty.

use metrics::stats::{CONFIDENCE, Interval, Location};
use serde::{Deserialize, Serialize, Serializer};

/// The location of a sample, `None` for fewer than three runs, and its plain mean.
pub(super) type Located = (Option<Location>, f64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    /// A name or a version.
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    pub value: Value,
    pub evidence: Evidence,
}

/// How certain a recomputed value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// Computed exactly from the data; it does not extend to runs that were not recorded.
    Exact,
    /// Estimated from repeated runs, with this 95 % interval.
    Interval(Interval),
    /// There are fewer than three runs or pairs, too few for an estimate.
    TooFew,
}

impl Computed {
    /// The centre and its interval, each mapped by an increasing function; the mean where there is no location.
    pub(super) fn estimate((location, mean): Located, rising: impl Fn(f64) -> f64) -> Self {
        let Some(location) = location else {
            return Self {
                value: Value::Number(mean),
                evidence: Evidence::TooFew,
            };
        };
        let Interval { lo, hi } = location.interval(CONFIDENCE);
        Self {
            value: Value::Number(rising(location.centre)),
            evidence: Evidence::Interval(Interval {
                lo: rising(lo),
                hi: rising(hi),
            }),
        }
    }

    pub fn interval(&self) -> Option<Interval> {
        match self.evidence {
            Evidence::Interval(interval) => Some(interval),
            Evidence::Exact | Evidence::TooFew => None,
        }
    }
}

/// Only the value is serialized.
impl Serialize for Computed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
