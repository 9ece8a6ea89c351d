//! A recomputed value and its uncertainty.

use metrics::stats::{CONFIDENCE, Interval, Location};
use serde::{Deserialize, Serialize, Serializer};

/// The location of a sample, `None` for fewer than three runs, and its plain mean.
pub(super) type LocationAndMean = (Option<Location>, f64);

/// A published or recomputed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// In the unit of its claim.
    Number(f64),
    /// A name or a version.
    Text(String),
}

/// A recomputed value and how certain it is.
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
    /// The location's centre and interval, both mapped by `rising`, an increasing function; the plain mean, unmapped,
    /// where there is no location.
    pub(super) fn estimate((location, mean): LocationAndMean, rising: impl Fn(f64) -> f64) -> Self {
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

    /// The 95 % interval; `None` where the value is exact or there are too few runs.
    pub fn interval(&self) -> Option<Interval> {
        match self.evidence {
            Evidence::Interval(interval) => Some(interval),
            Evidence::Exact | Evidence::TooFew => None,
        }
    }
}

/// Writes only the value.
impl Serialize for Computed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
