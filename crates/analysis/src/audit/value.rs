//! What a query gives, and how certain it is.

use metrics::stats::{CONFIDENCE, Interval, Location};
use serde::{Deserialize, Serialize, Serializer};

/// Where the values of a sample lie, none of fewer than three runs, and their plain mean.
pub(super) type Located = (Option<Location>, f64);

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text: a name or a version.
    Text(String),
}

/// A recomputed value.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// The number or text.
    pub value: Value,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a recomputed value rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// The data give it exactly; it says nothing of runs that were not recorded.
    Exact,
    /// Repeated runs estimate it, with this 95 % interval.
    Interval(Interval),
    /// It would be an estimate, but there are fewer than three runs or pairs.
    TooFew,
}

impl Computed {
    /// The centre and its interval, each mapped by a rising function; without a location the mean.
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

    /// The interval of an estimate.
    pub fn interval(&self) -> Option<Interval> {
        match self.evidence {
            Evidence::Interval(interval) => Some(interval),
            Evidence::Exact | Evidence::TooFew => None,
        }
    }
}

/// As its value alone.
impl Serialize for Computed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
