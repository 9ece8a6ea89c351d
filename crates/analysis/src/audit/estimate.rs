//! What a formula gives, and how surely.

use metrics::stats::{CONFIDENCE, Interval, Location};
use serde::{Serialize, Serializer};

use super::value::{Row, Value, number};

/// What a formula gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// The figure or text.
    pub value: Value,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a figure rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// The figures at hand give it exactly; it says nothing of runs that were not recorded.
    Exact,
    /// Repeated runs estimate it, with this 95 % interval.
    Interval(Interval),
    /// It would be an estimate, but there are fewer than three runs or pairs.
    TooFew,
}

impl Computed {
    pub(super) fn exact(value: Value) -> Self {
        Self {
            value,
            evidence: Evidence::Exact,
        }
    }

    /// The centre and its interval, shown by a rising function; of too few values their mean.
    pub(super) fn estimate(
        location: Option<Location>,
        mean: f64,
        rising: impl Fn(f64) -> f64,
    ) -> Self {
        Self {
            value: Value::Number(location.map_or(mean, |location| rising(location.centre))),
            evidence: location.map_or(Evidence::TooFew, |location| {
                let Interval { lo, hi } = location.interval(CONFIDENCE);
                Evidence::Interval(Interval {
                    lo: rising(lo),
                    hi: rising(hi),
                })
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

/// Where a column's values or their logarithms lie: those of single runs, or of rows with `COLUMN_sd`
/// and `runs` the means of so many, each counted once. None of fewer than three runs, and where a row
/// lacks one of these cells.
pub(super) fn locate(rows: &[&Row], column: &str, logs: bool) -> Option<Location> {
    let spread = format!("{column}_sd");
    if rows.iter().any(|row| row.contains_key(&spread)) {
        let mean = |row: &&Row| {
            let (mean, runs) = (number(row, column)?, number(row, "runs")?);
            let error = number(row, &spread)? / runs.sqrt();
            let (centre, error) = if logs {
                (mean.ln(), error / mean)
            } else {
                (mean, error)
            };
            let freedom = runs - 1.0;
            (runs >= 3.0).then_some(Location {
                centre,
                error,
                freedom,
            })
        };
        return Location::average(&rows.iter().map(mean).collect::<Option<Vec<_>>>()?);
    }
    let values: Vec<f64> = rows.iter().filter_map(|row| number(row, column)).collect();
    if logs {
        Location::of_logs(&values)
    } else {
        Location::of(&values)
    }
}
