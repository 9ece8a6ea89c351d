//! Two sides compared, configuration by configuration and over all of them, and gates on the result.
//!
//! A run is one observation: a mean, a rate, or one certified percentile of its requests. Positive
//! figures are compared as ratios, on logarithms.

mod figure;
mod gate;
mod side;

use domain::plan::{ConfigId, Topology};
use itertools::Itertools as _;
use serde::Serialize;

pub use crate::limit::Limit;
pub use gate::{
    Gate, GateCase, GateOutcome, GateReason, GateReport, GatedValue, MOST_REPETITIONS, check,
};
pub use side::{ConfigRuns, Run, Side};

use crate::notes::{Note, far_from_others};
use crate::stats::{Estimate, Interval, Location, mean};
use crate::summary::Better;
use figure::{Figure, PRIMARY};

/// The chance of a false alarm among all tests of a family.
const LEVEL: f64 = 0.05;
/// Fewest runs of each side that a change can be tested with.
pub const FEWEST_RUNS: u32 = 3;
/// Shares of prompt tokens from a cache that differ by more are another kind of run.
const CACHE_MARGIN: f64 = 0.05;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Names of the two sides.
    pub base: String,
    pub new: String,
    /// The primary figures over all configurations, then every figure of each shared configuration.
    pub rows: Vec<ComparisonRow>,
    pub configs: Vec<SharedConfig>,
    pub only_base: Vec<(ConfigId, Option<Topology>)>,
    pub only_new: Vec<(ConfigId, Option<Topology>)>,
    /// What was asked for and what of it was completed, on each side: requests of loads, runs of sweeps.
    pub completed: [(u64, u64); 2],
    /// Shares of the prompt tokens that came from the servers' caches, on each side, where they
    /// differ so much that a change is not the servers' own.
    pub cached_share: Option<[f64; 2]>,
}

/// A configuration that both sides have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedConfig {
    pub config: ConfigId,
    pub topology: Option<Topology>,
    /// Fewest and most completed requests of a run.
    pub requests: (u32, u32),
    /// Figures that one side alone has.
    #[serde(skip)]
    one_sided: Vec<&'static str>,
    /// Runs of each side that lie far from the others, the first one first of all.
    #[serde(skip)]
    pub far: [Vec<Note>; 2],
}

/// One figure on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonRow {
    /// Configuration; none for the mean over all of them.
    pub config: Option<ConfigId>,
    pub topology: Option<Topology>,
    pub figure: &'static str,
    pub unit: &'static str,
    /// On the first side; over all configurations their geometric mean, and `n` counts them.
    pub base: Estimate,
    pub new: Estimate,
    /// Pairs of runs, when the comparison is paired.
    pub pairs: Option<u32>,
    /// `new - base`; with an interval only where there is no relative change.
    pub difference: Change,
    /// `new / base - 1`, geometric; none where a value is not positive.
    pub relative: Option<Change>,
    /// p value of no change, corrected as the interval is; primary figures only, from three runs of each side on.
    pub p: Option<f64>,
    pub reading: Reading,
    #[serde(skip)]
    effect: Effect,
}

/// A change with its interval, in the unit of the values; none below three runs. A primary figure's interval holds together with
/// those of its family at 95 %, any other's alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    pub value: f64,
    pub lo: Option<f64>,
    pub hi: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// It is better: beyond doubt at 5 % after correction.
    Better,
    Worse,
    /// It differs; neither way is better.
    Different,
    /// It is not distinguishable from no change.
    Undistinguished,
    TooFew,
    /// Not tested: one of many figures, some of which differ by chance.
    Exploratory,
}

/// How a figure changed, with its error; none below three runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Effect {
    /// Logarithm of `new / base`; none where a value is not positive.
    ratio: Option<Location>,
    /// `new - base`.
    difference: Option<Location>,
    /// The new side alone: its logarithm where every value of both sides is positive.
    new: Option<Location>,
    /// Every value of both sides is positive.
    is_positive: bool,
    /// Runs of the side that has fewer.
    runs: u32,
}

impl Effect {
    /// The mean over independent configurations.
    fn average(of: &[Self]) -> Self {
        let mean = |part: fn(&Self) -> Option<Location>| {
            let parts: Option<Vec<Location>> = of.iter().map(part).collect();
            Location::average(&parts?)
        };
        let is_positive = of.iter().all(|effect| effect.is_positive);
        Self {
            ratio: mean(|e| e.ratio),
            difference: mean(|e| e.difference),
            new: mean(|e| e.new).filter(|_| is_positive || of.iter().all(|e| !e.is_positive)),
            is_positive,
            runs: of.iter().map(|e| e.runs).min().unwrap_or(0),
        }
    }
}

/// Compares what both sides have. `primary` names figures to test beside those that always are. Fails when it names an
/// unknown one.
pub fn compare(base: &Side, new: &Side, primary: &[String]) -> Result<Comparison, String> {
    for name in primary {
        Figure::named(name)?;
    }
    let is_primary = |name: &str| PRIMARY.contains(&name) || primary.iter().any(|p| p == name);
    let missing = |from: &Side, other: &Side| {
        let has_runs = |c: &&ConfigRuns| !c.runs.is_empty();
        let known = from.configs.iter().filter(has_runs);
        let missing = known.filter(|c| !other.find(c).as_ref().is_some_and(has_runs));
        missing.map(|c| (c.config.clone(), c.topology)).collect()
    };
    let (mut rows, mut configs) = (Vec::new(), Vec::new());
    for a in &base.configs {
        let Some(b) = new.find(a) else {
            continue;
        };
        let pairs = side::pairs(&a.runs, &b.runs);
        rows.extend(Figure::all().filter_map(|figure| row(a, b, &figure, pairs.as_deref())));
        let requests = a.runs.iter().chain(&b.runs).map(|run| run.requests);
        let has = |side: &ConfigRuns, figure: &Figure| {
            let mut runs = side.runs.iter();
            runs.any(|run| run.values.contains_key(figure.name))
        };
        let one_sided = Figure::all().filter(|figure| has(a, figure) != has(b, figure));
        configs.push(SharedConfig {
            config: a.config.clone(),
            topology: a.topology,
            requests: requests.minmax().into_option().unwrap_or_default(),
            one_sided: one_sided.map(|figure| figure.name).collect(),
            far: [a, b].map(far),
        });
    }
    if configs.len() > 1 {
        let named = Figure::all().filter(|figure| is_primary(figure.name));
        let over_all = named
            .filter_map(|figure| over_all(&figure, &rows))
            .collect_vec();
        rows.splice(0..0, over_all);
    }
    test(&mut rows, |row| row.config.is_none());
    test(&mut rows, |row| {
        row.config.is_some() && is_primary(row.figure)
    });
    let shares = base.cache.cached_share().zip(new.cache.cached_share());
    let shares = shares.filter(|(a, b)| (a - b).abs() > CACHE_MARGIN);
    Ok(Comparison {
        base: base.name.clone(),
        new: new.name.clone(),
        rows,
        configs,
        only_base: missing(base, new),
        only_new: missing(new, base),
        completed: [base, new].map(|side| (side.requested, side.completed)),
        cached_share: shares.map(|(a, b)| [a, b]),
    })
}

/// The runs of a configuration whose wall time or TTFT lies far from those of the others.
fn far(of: &ConfigRuns) -> Vec<Note> {
    let notes = ["wall_s", "ttft_s"].into_iter().flat_map(|figure| {
        let numbered = (1..).zip(&of.runs);
        let known = numbered.filter_map(|(number, run)| Some((number, *run.values.get(figure)?)));
        far_from_others(figure, &known.collect_vec(), Some(1))
    });
    notes.collect()
}

/// A figure of a configuration; none where a side does not have it.
fn row(
    base: &ConfigRuns,
    new: &ConfigRuns,
    figure: &Figure,
    pairs: Option<&[(usize, usize)]>,
) -> Option<ComparisonRow> {
    let value = |run: &Run| run.values.get(figure.name).copied();
    let [a, b] = [base, new].map(|side| side.runs.iter().filter_map(value).collect_vec());
    let both = pairs.map(|pairs| {
        let runs = pairs.iter().map(|(a, b)| (&base.runs[*a], &new.runs[*b]));
        let values = runs.filter_map(|(a, b)| value(a).zip(value(b)));
        values.collect_vec()
    });
    let estimate = |values: &[f64]| Some(Estimate::of(values)?.within(figure.range()));
    let (estimate_a, estimate_b) = (estimate(&a)?, estimate(&b)?);
    let is_positive = a.iter().chain(&b).all(|v| *v > 0.0);
    let on_scale = if is_positive {
        Location::of_logs
    } else {
        Location::of
    };
    let changed = |of: fn(&[f64]) -> Option<Location>, change: fn(f64, f64) -> f64| match &both {
        Some(both) => of(&both.iter().map(|(a, b)| change(*a, *b)).collect_vec()),
        None => Some(of(&b)?.minus(of(&a)?)),
    };
    let ratio = || changed(Location::of_logs, |a, b| b / a);
    let runs = both.as_ref().map_or(a.len().min(b.len()), Vec::len) as u32;
    let effect = Effect {
        ratio: is_positive.then(ratio).flatten(),
        difference: changed(Location::of, |a, b| b - a),
        new: on_scale(&b),
        is_positive,
        runs,
    };
    Some(ComparisonRow {
        config: Some(base.config.clone()),
        topology: base.topology,
        pairs: both.as_ref().map(|_| runs),
        ..blank(figure, estimate_a, estimate_b, effect)
    })
}

/// A figure over all configurations that have it; none unless there are several.
fn over_all(figure: &Figure, rows: &[ComparisonRow]) -> Option<ComparisonRow> {
    let of = rows.iter().filter(|r| r.figure == figure.name);
    let of = of.collect_vec();
    if of.len() < 2 {
        return None;
    }
    let effect = Effect::average(&of.iter().map(|row| row.effect).collect_vec());
    let centre = |side: fn(&ComparisonRow) -> Estimate| {
        let values = of.iter().map(|row| side(row).mean);
        let mean = if effect.is_positive {
            mean(&values.map(f64::ln).collect_vec())?.exp()
        } else {
            mean(&values.collect_vec())?
        };
        let n = of.len() as u32;
        Some(Estimate {
            n,
            ..Estimate::of(&[mean])?
        })
    };
    let (base, new) = (centre(|r| r.base)?, centre(|r| r.new)?);
    Some(blank(figure, base, new, effect))
}

/// A row with the interval that an exploratory figure has.
fn blank(figure: &Figure, base: Estimate, new: Estimate, effect: Effect) -> ComparisonRow {
    let mut row = ComparisonRow {
        config: None,
        topology: None,
        figure: figure.name,
        unit: figure.unit,
        base,
        new,
        pairs: None,
        difference: change(new.mean - base.mean, None),
        relative: None,
        p: None,
        reading: Reading::Exploratory,
        effect,
    };
    row.show_intervals(1.0 - LEVEL);
    row
}

fn change(value: f64, interval: Option<Interval>) -> Change {
    Change {
        value,
        lo: interval.map(|i| i.lo),
        hi: interval.map(|i| i.hi),
    }
}

impl ComparisonRow {
    fn is_of(&self, config: &SharedConfig) -> bool {
        self.config.as_ref() == Some(&config.config) && self.topology == config.topology
    }

    /// Fills in the change with its intervals at this level.
    fn show_intervals(&mut self, level: f64) {
        let less_one = |log: f64| log.exp() - 1.0;
        let (ratio, difference) = (self.effect.ratio, self.effect.difference);
        self.relative = self.effect.is_positive.then(|| match ratio {
            Some(r) => change(less_one(r.centre), Some(r.interval(level).map(less_one))),
            None => change(self.new.mean / self.base.mean - 1.0, None),
        });
        // One change, one interval: the test is that of the ratio where there is one.
        let interval = difference.filter(|_| ratio.is_none());
        self.difference = change(
            difference.map_or(self.difference.value, |d| d.centre),
            interval.map(|d| d.interval(level)),
        );
    }
}

/// Tests the rows of a family. Their intervals hold together (Bonferroni), and an interval excludes no
/// change exactly when the corrected p is below 5 %.
fn test(rows: &mut [ComparisonRow], is_in: impl Fn(&ComparisonRow) -> bool) {
    let effect = |row: &ComparisonRow| row.effect.ratio.or(row.effect.difference);
    let family = rows.iter().filter(|row| is_in(row));
    let count = family.filter_map(effect).count().max(1) as f64;
    for row in rows.iter_mut().filter(|row| is_in(row)) {
        let Some(seen) = effect(row) else {
            row.reading = Reading::TooFew;
            continue;
        };
        row.show_intervals(1.0 - LEVEL / count);
        let p = (seen.p(0.0) * count).min(1.0);
        row.p = Some(p);
        let better = Figure::named(row.figure).map_or(Better::Neither, |f| f.better);
        row.reading = match (p < LEVEL, better, seen.centre > 0.0) {
            (false, ..) => Reading::Undistinguished,
            (true, Better::Neither, _) => Reading::Different,
            (true, Better::Higher, true) | (true, Better::Lower, false) => Reading::Better,
            (true, ..) => Reading::Worse,
        };
    }
}

#[cfg(test)]
mod tests;
