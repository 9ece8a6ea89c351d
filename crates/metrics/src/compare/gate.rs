//! Gates: conditions under which a comparison fails.

use std::fmt;
use std::str::FromStr;

use domain::plan::{ConfigId, Topology};
use itertools::{Itertools as _, iproduct};
use serde::Serialize;

use super::figure::Figure;
use super::{Comparison, ComparisonRow, Effect, FEWEST_RUNS, LEVEL, SharedConfig};
use crate::limit::{Clause, Limit};
use crate::stats::{Location, samples_needed, t_quantile};

/// A condition under which a comparison fails: `wall_s > +5%`, `speedup < -3%`, `ttft_s > +0.2s`, `wall_s > 20s`.
///
/// A percentage is a relative change against the base. A number with a sign is a change in the
/// quantity's unit; a number without one is the new value itself.
#[derive(Debug, Clone)]
pub struct Gate {
    text: String,
    figure: Figure,
    above: bool,
    pub(super) limit: Limit,
}

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
    pub outcome: GateOutcome,
    /// The mean over all configurations, or each of them.
    pub cases: Vec<GateCase>,
}

/// A gate on one configuration, or on the geometric mean over all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateCase {
    /// Configuration; none for the mean over all.
    pub config: Option<ConfigId>,
    pub topology: Option<Topology>,
    pub outcome: GateOutcome,
    #[serde(skip)]
    pub reason: GateReason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GateReason {
    /// The interval decides it.
    Decided(GatedValue),
    /// The interval reaches across the limit; repetitions of each side that would probably decide it, none where
    /// [`MOST_REPETITIONS`] might not.
    Across(GatedValue, Option<u32>),
    /// The servers' caches held these shares of the prompts of the first and the second side.
    OtherCacheHelp([f64; 2]),
    /// Runs of the first and of the second side, fewer than [`FEWEST_RUNS`].
    FewRuns(u32, u32),
    /// Completed requests that a percentile needs in each run, and the fewest and the most that the runs have.
    FewRequests(&'static str, u32, (u32, u32)),
    /// A value is not positive, so there is no relative change.
    NotPositive,
    /// The figure is positive and the limit is not.
    LimitNotPositive,
    /// No configuration has the figure on both sides.
    NoFigure,
    /// A configuration has the figure on one side alone.
    OneSided,
}

/// A value and its one-sided intervals in the terms and the unit of a gate's limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatedValue {
    /// What it is held against.
    pub limit: Limit,
    pub value: f64,
    pub lo: f64,
    pub hi: f64,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let clauses = Clause::all(text)?;
        let [clause] = clauses.as_slice() else {
            return Err("it has several conditions; give each its own --fail-if".to_owned());
        };
        let figure = Figure::named(&clause.name)?;
        let (value, unit) = (&clause.value, figure.unit);
        // A share without a sign is the new share, as in limits of a load; with one it is a change of it.
        let percent = value
            .strip_suffix('%')
            .filter(|_| figure.name == "failed_share");
        let limit = match percent {
            Some(share) => Limit::read(share, unit).map(|limit| match limit {
                Limit::Value(share) => Limit::Value(share / 100.0),
                Limit::Change(change) | Limit::Relative(change) => Limit::Relative(change / 100.0),
            }),
            None => Limit::read(value, unit),
        };
        let limit = limit.ok_or_else(|| {
            format!("`{value}` is not a limit; write a number with `%`, `{unit}` or no unit")
        })?;
        Ok(Self {
            text: text.trim().to_owned(),
            figure,
            above: clause.is_above,
            limit,
        })
    }
}

/// A change, or a new value, and the limit, on the scale on which they are tested.
struct Tested {
    at: Location,
    limit: f64,
    /// Runs of the side that has fewer.
    runs: u32,
    /// From that scale to the limit's own terms.
    back: fn(f64) -> f64,
}

/// More repetitions than these are not worth naming as what would decide a gate.
pub const MOST_REPETITIONS: u32 = 1000;
/// How often that many repetitions would decide it.
const POWER: f64 = 0.8;

/// Checks gates: on the geometric mean over configurations, or on each of them.
///
/// A gate fails when the one-sided interval lies wholly beyond its limit, by Holm's correction over all
/// cases of all gates: in 5 % of comparisons some gate fails whose limit is kept. It passes when the
/// one-sided 95 % interval lies wholly within; because the command passes only when every case does,
/// that needs no correction. Anything else is undecided.
pub fn check(gates: &[Gate], comparison: &Comparison, each: bool) -> Vec<GateReport> {
    let configs: Vec<Option<&SharedConfig>> = if each {
        comparison.configs.iter().map(Some).collect()
    } else {
        vec![None]
    };
    let cases = iproduct!(gates, &configs)
        .map(|(gate, config)| (gate, *config, gate.tested(comparison, *config)))
        .collect_vec();
    let chances = cases.iter().map(|(gate, _, tested)| {
        let tested = tested.as_ref().ok()?;
        Some(gate.chance_within(tested))
    });
    let levels = holm_levels(&chances.collect_vec());
    let both = cases.into_iter().zip(levels);
    let mut judged = both.map(|((gate, config, tested), level)| {
        let (outcome, reason) = match tested {
            Ok(tested) => gate.judge(&tested, level),
            Err(reason) => (GateOutcome::Undecided, reason),
        };
        GateCase {
            config: config.map(|c| c.config.clone()),
            topology: config.and_then(|c| c.topology),
            outcome,
            reason,
        }
    });
    let reports = gates.iter().map(|gate| {
        let cases = judged.by_ref().take(configs.len()).collect_vec();
        let worst = cases.iter().map(|case| case.outcome).max();
        GateReport {
            gate: gate.text.clone(),
            outcome: worst.unwrap_or(GateOutcome::Undecided),
            cases,
        }
    });
    reports.collect()
}

/// The level at which each case with this p value is tested: Holm's, which ends at the first case that does not fail.
pub(super) fn holm_levels(chances: &[Option<f64>]) -> Vec<f64> {
    let mut levels = vec![LEVEL; chances.len()];
    let known = chances.iter().zip(0..);
    let known = known.filter_map(|(p, i)| Some(((*p)?, i)));
    let order = known.sorted_by(|a: &(f64, usize), b| a.0.total_cmp(&b.0));
    let (mut left, mut is_open, mut level) = (order.len(), true, LEVEL);
    for (p, place) in order {
        if is_open {
            level = LEVEL / left as f64;
        }
        levels[place] = level;
        is_open &= p < level;
        left -= 1;
    }
    levels
}

impl Gate {
    /// What the gate tests in a configuration, or over all; or why it cannot.
    fn tested(
        &self,
        comparison: &Comparison,
        config: Option<&SharedConfig>,
    ) -> Result<Tested, GateReason> {
        if let Some(shares) = comparison.cached_share {
            return Err(GateReason::OtherCacheHelp(shares));
        }
        let all = config.is_none().then_some(&comparison.configs);
        let mut effects = Vec::new();
        for config in config.into_iter().chain(all.into_iter().flatten()) {
            let mut rows = comparison.rows.iter();
            let row = rows.find(|row| row.figure == self.figure.name && row.is_of(config));
            match row {
                Some(row) => effects.push(self.effect(config, row)?),
                None if self.figure.percentile.is_some() && config.requests.1 > 0 => {
                    return Err(self.too_few_requests(config));
                }
                None if config.one_sided.contains(&self.figure.name) => {
                    return Err(GateReason::OneSided);
                }
                // A figure such as the difference of two agents is not there for three.
                None => {}
            }
        }
        if effects.is_empty() {
            return Err(GateReason::NoFigure);
        }
        let effect = Effect::average(&effects);
        let (at, limit, back): (_, _, fn(f64) -> f64) = match self.limit {
            Limit::Relative(limit) => {
                let ratio = effect.ratio.filter(|_| limit > -1.0);
                (ratio, limit.ln_1p(), f64::exp_m1)
            }
            Limit::Change(limit) => (effect.difference, limit, |v| v),
            Limit::Value(limit) if effect.is_positive && limit > 0.0 => {
                (effect.new, limit.ln(), f64::exp)
            }
            Limit::Value(_) if effect.is_positive => return Err(GateReason::LimitNotPositive),
            Limit::Value(limit) => (effect.new, limit, |v| v),
        };
        Ok(Tested {
            at: at.ok_or(GateReason::NotPositive)?,
            limit,
            runs: effect.runs,
            back,
        })
    }

    /// How the figure changed in a configuration, or what a test would need.
    fn effect(&self, config: &SharedConfig, row: &ComparisonRow) -> Result<Effect, GateReason> {
        if row.effect.runs >= FEWEST_RUNS {
            return Ok(row.effect);
        }
        if self.figure.percentile.is_some() && config.requests.0 < self.requests_needed() {
            return Err(self.too_few_requests(config));
        }
        Err(GateReason::FewRuns(row.base.n, row.new.n))
    }

    /// Completed requests that a run needs for the figure; a mean and a median need none to speak of.
    fn requests_needed(&self) -> u32 {
        let tail = self.figure.percentile.filter(|p| *p > 50.0);
        tail.and_then(samples_needed).map_or(1, |n| n as u32)
    }

    fn too_few_requests(&self, config: &SharedConfig) -> GateReason {
        GateReason::FewRequests(self.figure.name, self.requests_needed(), config.requests)
    }

    /// The one-sided p value that the limit is kept.
    fn chance_within(&self, tested: &Tested) -> f64 {
        let half = tested.at.p(tested.limit) / 2.0;
        if (tested.at.centre > tested.limit) == self.above {
            half
        } else {
            1.0 - half
        }
    }

    fn judge(&self, tested: &Tested, level: f64) -> (GateOutcome, GateReason) {
        let (at, limit, back) = (tested.at, tested.limit, tested.back);
        let [beyond, within] = [level, LEVEL].map(|level| at.interval(1.0 - 2.0 * level));
        let (lo, hi, fails, passes) = if self.above {
            let (lo, hi) = (beyond.lo, within.hi);
            (lo, hi, lo > limit, hi <= limit)
        } else {
            let (lo, hi) = (within.lo, beyond.hi);
            (lo, hi, hi < limit, lo >= limit)
        };
        let shown = GatedValue {
            limit: self.limit,
            value: back(at.centre),
            lo: back(lo),
            hi: back(hi),
        };
        match (fails, passes) {
            (true, _) => (GateOutcome::Fail, GateReason::Decided(shown)),
            (false, true) => (GateOutcome::Pass, GateReason::Decided(shown)),
            (false, false) => {
                let more = self.what_would_decide(tested, level);
                (GateOutcome::Undecided, GateReason::Across(shown, more))
            }
        }
    }

    /// How many repetitions would decide an undecided gate, if it is not too many.
    fn what_would_decide(&self, tested: &Tested, level: f64) -> Option<u32> {
        let Tested {
            at, limit, runs, ..
        } = *tested;
        let distance = (at.centre - limit).abs();
        let level = if (at.centre > limit) == self.above {
            level
        } else {
            LEVEL
        };
        let decides = |n: &u32| {
            let more = f64::from(*n) / f64::from(runs);
            let freedom = at.freedom * f64::from(n - 1) / f64::from(runs - 1);
            let quantiles = t_quantile(1.0 - level, freedom) + t_quantile(POWER, freedom);
            quantiles * at.standard_error / more.sqrt() <= distance
        };
        (runs + 1..=MOST_REPETITIONS).find(decides)
    }
}
