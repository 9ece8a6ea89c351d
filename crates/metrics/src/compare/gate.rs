//! Gates: conditions under which a comparison fails.

use std::fmt;
use std::str::FromStr;

use domain::plan::{ConfigId, Topology};
use serde::Serialize;

use super::{Change, Comparison, Figure, LEVEL, TAILS, change};
use crate::stats::samples_needed;

/// A condition under which a comparison fails: `wall_s > +5%`, `speedup < -3%`, `ttft_s > +0.2s`,
/// `wall_s > 20s`.
///
/// A percentage is a relative change against the base. A number with a sign is a change in the
/// quantity's unit; a number without one is the new value itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    text: String,
    figure: &'static str,
    above: bool,
    limit: Limit,
}

/// What a gate holds a figure against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Relative change, as a fraction.
    Relative(f64),
    /// Change in the figure's unit.
    Change(f64),
    /// The new value in the figure's unit.
    Value(f64),
}

/// What became of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// The condition is not met.
    Pass,
    /// The data do not decide it.
    Undecided,
    /// The condition is met.
    Fail,
}

/// A gate's outcome: the worst of its cases, or undecided when there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateReport {
    /// The gate as written.
    pub gate: String,
    /// The outcome.
    pub outcome: GateOutcome,
    /// What it holds its figure against.
    #[serde(skip)]
    pub limit: Limit,
    /// Each configuration.
    pub cases: Vec<GateCase>,
}

/// A gate on one configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateCase {
    /// Configuration.
    pub config: ConfigId,
    /// Its topology.
    pub topology: Option<Topology>,
    /// The outcome.
    pub outcome: GateOutcome,
    /// Why.
    #[serde(skip)]
    pub reason: GateReason,
}

/// Why a gate has its outcome; values are in the terms of its [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GateReason {
    /// A value is not positive, so there is no relative change.
    NotPositive,
    /// There is no interval: so many runs in the first and in the second.
    FewRuns(Change, (u32, u32)),
    /// The interval decides it.
    Decided(Change),
    /// The interval is beyond the limit, but not after correction for many tests.
    NotAfterCorrection(Change),
    /// The interval lies on both sides of the limit.
    BothSides(Change),
    /// A percentile decides it, which has no interval.
    Percentile(f64),
    /// The percentile wants so many requests; there are so many in the first and in the second.
    FewRequests(usize, (u32, u32)),
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Gate {
    /// Why the gate cannot be read.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let gate = text.trim();
        let at = text.find('>').or_else(|| text.find('<')).ok_or_else(|| {
            format!("gate `{gate}` has neither `>` nor `<`; write for example `wall_s > +5%`")
        })?;
        let (name, limit) = (text[..at].trim(), text[at + 1..].trim());
        let known = Figure::named(name).map(|f| (f.parts().0, f.parts().1));
        let tail = TAILS.iter().find(|t| t.0 == name).map(|t| (t.0, "s"));
        let (figure, unit) = known.or(tail).ok_or_else(|| {
            let names = Figure::all().map(|figure| figure.parts().0);
            let known: Vec<_> = names.chain(TAILS.map(|t| t.0)).collect();
            let known = known.join(", ");
            format!("gate `{gate}`: unknown figure `{name}`; known are {known}")
        })?;
        let limit = limit_of(limit, unit).ok_or_else(|| {
            format!(
                "gate `{gate}`: `{limit}` is not a limit; write a number with `%`, `{unit}` or no unit"
            )
        })?;
        Ok(Self {
            text: gate.to_owned(),
            figure,
            above: text[at..].starts_with('>'),
            limit,
        })
    }
}

pub(super) fn limit_of(text: &str, unit: &str) -> Option<Limit> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    if let Some(percent) = text.strip_suffix('%') {
        return number(percent).map(|p| Limit::Relative(p / 100.0));
    }
    let (value, factor) = match unit {
        "s" | "ms" => {
            let to = if unit == "s" { 1.0 } else { 1e3 };
            if let Some(ms) = text.strip_suffix("ms") {
                (ms, to / 1e3)
            } else {
                text.strip_suffix('s').map_or((text, 1.0), |s| (s, to))
            }
        }
        "" => (text.strip_suffix('x').unwrap_or(text), 1.0),
        _ => (text.strip_suffix(unit).unwrap_or(text), 1.0),
    };
    let limit = number(value)? * factor;
    Some(if value.starts_with(['+', '-']) {
        Limit::Change(limit)
    } else {
        Limit::Value(limit)
    })
}

impl Gate {
    /// Checks the gate on every configuration of a comparison. With an interval the condition is
    /// met when the whole interval meets it and, for a change, the change is beyond doubt after
    /// correction; an interval on both sides of the limit decides nothing.
    pub fn check(&self, comparison: &Comparison) -> GateReport {
        let cases: Vec<GateCase> = match TAILS.iter().find(|t| t.0 == self.figure) {
            Some((_, p)) => self.tail_cases(comparison, *p),
            None => self.row_cases(comparison),
        };
        let outcome = cases
            .iter()
            .map(|c| c.outcome)
            .max()
            .unwrap_or(GateOutcome::Undecided);
        GateReport {
            gate: self.text.clone(),
            outcome,
            limit: self.limit,
            cases,
        }
    }

    fn row_cases(&self, comparison: &Comparison) -> Vec<GateCase> {
        let rows = comparison.rows.iter().filter(|r| r.figure == self.figure);
        rows.map(|row| {
            let (limit, value, corrected) = match self.limit {
                Limit::Relative(limit) => (limit, row.relative, true),
                Limit::Change(limit) => (limit, Some(row.difference), true),
                Limit::Value(limit) => {
                    let new = change(row.new.mean, row.new.interval());
                    (limit, Some(new), false)
                }
            };
            let sure = !corrected || row.p_holm.is_some_and(|p| p < LEVEL);
            let found = match value {
                None => (GateOutcome::Undecided, GateReason::NotPositive),
                Some(value) => self.judge(value, limit, sure, (row.base.n, row.new.n)),
            };
            case(&row.config, row.topology, found)
        })
        .collect()
    }

    fn judge(
        &self,
        value: Change,
        limit: f64,
        sure: bool,
        n: (u32, u32),
    ) -> (GateOutcome, GateReason) {
        let (Some(lo), Some(hi)) = (value.lo, value.hi) else {
            return (GateOutcome::Undecided, GateReason::FewRuns(value, n));
        };
        let met = if self.above { lo > limit } else { hi < limit };
        let missed = if self.above { hi <= limit } else { lo >= limit };
        match (missed, met) {
            (true, _) => (GateOutcome::Pass, GateReason::Decided(value)),
            (false, true) if sure => (GateOutcome::Fail, GateReason::Decided(value)),
            (false, true) => (
                GateOutcome::Undecided,
                GateReason::NotAfterCorrection(value),
            ),
            (false, false) => (GateOutcome::Undecided, GateReason::BothSides(value)),
        }
    }

    fn tail_cases(&self, comparison: &Comparison, p: f64) -> Vec<GateCase> {
        let rows = comparison.tails.iter().filter(|r| r.figure == self.figure);
        rows.map(|row| {
            let value = match (self.limit, row.base, row.new) {
                (Limit::Value(limit), _, Some(new)) => Some((new, limit)),
                (Limit::Change(limit), Some(base), Some(new)) => Some((new - base, limit)),
                (Limit::Relative(limit), Some(base), Some(new)) if base > 0.0 => {
                    Some((new / base - 1.0, limit))
                }
                _ => None,
            };
            let found = match value {
                None => {
                    let needed = samples_needed(p).unwrap_or(1);
                    let few = GateReason::FewRequests(needed, row.n);
                    (GateOutcome::Undecided, few)
                }
                Some((value, limit)) => {
                    let (low, high) = if self.above {
                        (limit, value)
                    } else {
                        (value, limit)
                    };
                    let outcome = if low < high {
                        GateOutcome::Fail
                    } else {
                        GateOutcome::Pass
                    };
                    (outcome, GateReason::Percentile(value))
                }
            };
            case(&row.config, row.topology, found)
        })
        .collect()
    }
}

fn case(
    config: &ConfigId,
    topology: Option<Topology>,
    (outcome, reason): (GateOutcome, GateReason),
) -> GateCase {
    GateCase {
        config: config.clone(),
        topology,
        outcome,
        reason,
    }
}
