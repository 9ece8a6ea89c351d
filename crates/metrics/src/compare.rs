//! Two data sets compared, configuration by configuration, and gates on the result.

mod gate;

use std::collections::BTreeMap;

use domain::plan::{ConfigId, Topology};
use serde::Serialize;

pub use gate::{Gate, GateCase, GateOutcome, GateReason, GateReport, Limit};

use crate::run::RunMetrics;
use crate::stats::{CONFIDENCE, Estimate, Interval, Location, NOT_NEGATIVE, holm};
use crate::summary::{Better, ConfigSummary, QUANTITIES, Quantity, Summary};

/// Level of the corrected tests.
const LEVEL: f64 = 0.05;

/// The percentiles of TTFT that are compared.
const TAILS: [(&str, f64); 4] = [
    ("ttft_p50", 50.0),
    ("ttft_p90", 90.0),
    ("ttft_p95", 95.0),
    ("ttft_p99", 99.0),
];

/// Two data sets side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the first.
    pub base: String,
    /// Name of the second.
    pub new: String,
    /// One row per configuration and quantity that both have.
    pub rows: Vec<ComparisonRow>,
    /// Tail percentiles of TTFT that both samples can carry; no interval.
    pub tails: Vec<TailRow>,
    /// Configurations only the first has.
    pub only_base: Vec<(ConfigId, Option<Topology>)>,
    /// Configurations only the second has.
    pub only_new: Vec<(ConfigId, Option<Topology>)>,
}

/// One quantity of one configuration in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonRow {
    /// Configuration.
    pub config: ConfigId,
    /// Its topology.
    pub topology: Option<Topology>,
    /// The quantity's name in `report.json`, or `ttft_s`: mean TTFT of the agents' first calls.
    pub figure: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// In the first.
    pub base: Estimate,
    /// In the second.
    pub new: Estimate,
    /// Repetitions that both have, when the comparison is paired by them.
    pub pairs: Option<u32>,
    /// `new - base`.
    pub difference: Change,
    /// `new / base - 1`; none where a value is not positive.
    pub relative: Option<Change>,
    /// p value of no change, Holm-corrected over all rows; none below three runs in either.
    pub p_holm: Option<f64>,
    /// What can be said.
    pub told: Told,
}

/// A change with its 95 % interval; no interval below three runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
}

/// What can be said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It is better, beyond doubt at 5 % after correction.
    Better,
    /// It is worse.
    Worse,
    /// It differs; neither way is better.
    Different,
    /// It cannot be told apart from no change.
    NotToldApart,
    /// Too few runs to say anything.
    TooFew,
}

/// A tail percentile in both, seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TailRow {
    /// Configuration.
    pub config: ConfigId,
    /// Its topology.
    pub topology: Option<Topology>,
    /// `ttft_p50`, `ttft_p90`, `ttft_p95` or `ttft_p99`.
    pub figure: &'static str,
    /// In the first; none when its sample cannot carry it.
    pub base: Option<f64>,
    /// In the second; none when its sample cannot carry it.
    pub new: Option<f64>,
    /// Requests in the first and in the second.
    pub n: (u32, u32),
}

/// Compares what both data sets have. Runs are paired by repetition where both have the same ones.
pub fn compare(base: &Summary, new: &Summary) -> Comparison {
    let key = |c: &ConfigSummary| (c.id.clone(), c.topology);
    let missing = |from: &Summary, other: &Summary| {
        from.configs
            .iter()
            .map(key)
            .filter(|k| other.configs.iter().all(|c| key(c) != *k))
            .collect()
    };
    let mut rows = Vec::new();
    let mut tails = Vec::new();
    for a in &base.configs {
        let Some(b) = new.configs.iter().find(|c| key(c) == key(a)) else {
            continue;
        };
        let values = |summary: &Summary, figure: &Figure| -> BTreeMap<u32, f64> {
            summary
                .runs
                .iter()
                .filter(|r| r.config == a.id && r.topology == a.topology)
                .filter_map(|r| Some((r.repetition, figure.of_run(r)?)))
                .collect()
        };
        rows.extend(
            Figure::all().filter_map(|figure| {
                row(a, &figure, &values(base, &figure), &values(new, &figure))
            }),
        );
        let tail = |c: &ConfigSummary| [c.ttft.p50, c.ttft.p90, c.ttft.p95, c.ttft.p99];
        for (((figure, _), base), new) in TAILS.into_iter().zip(tail(a)).zip(tail(b)) {
            tails.push(TailRow {
                config: a.id.clone(),
                topology: a.topology,
                figure,
                base,
                new,
                n: (a.ttft.n, b.ttft.n),
            });
        }
    }
    correct(&mut rows);
    Comparison {
        base: base.name.clone(),
        new: new.name.clone(),
        rows,
        tails,
        only_base: missing(base, new),
        only_new: missing(new, base),
    }
}

/// A quantity that comparisons know.
enum Figure {
    Of(&'static Quantity),
    Ttft,
}

impl Figure {
    fn all() -> impl Iterator<Item = Self> {
        QUANTITIES.iter().map(Self::Of).chain([Self::Ttft])
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "ttft_s" => Some(Self::Ttft),
            _ => Quantity::named(name).map(Self::Of),
        }
    }

    const fn parts(&self) -> (&'static str, &'static str, Better) {
        match self {
            Self::Of(q) => (q.name, q.unit, q.better),
            Self::Ttft => ("ttft_s", "s", Better::Lower),
        }
    }

    fn range(&self) -> (f64, f64) {
        match self {
            Self::Of(q) => q.range(),
            Self::Ttft => NOT_NEGATIVE,
        }
    }

    fn of_run(&self, run: &RunMetrics) -> Option<f64> {
        match self {
            Self::Of(q) => q.of_run(run),
            Self::Ttft if run.excluded.is_some() => None,
            Self::Ttft => run.over_agents(|agent| agent.ttft),
        }
    }
}

fn change(value: f64, interval: Option<Interval>) -> Change {
    Change {
        value,
        lo: interval.map(|i| i.lo),
        hi: interval.map(|i| i.hi),
    }
}

fn row(
    config: &ConfigSummary,
    figure: &Figure,
    base: &BTreeMap<u32, f64>,
    new: &BTreeMap<u32, f64>,
) -> Option<ComparisonRow> {
    let a: Vec<f64> = base.values().copied().collect();
    let b: Vec<f64> = new.values().copied().collect();
    let estimate = |values: &[f64]| Some(Estimate::of(values)?.within(figure.range()));
    let (estimate_a, estimate_b) = (estimate(&a)?, estimate(&b)?);
    let paired = base.keys().eq(new.keys());
    let positive = a.iter().chain(&b).all(|v| *v > 0.0);
    // On logarithms where that can be, so that a change and its inverse weigh the same.
    let changed = |of: fn(&[f64]) -> Option<Location>, scale: fn(f64, f64) -> f64| {
        if paired {
            let both = a.iter().zip(&b).map(|(a, b)| scale(*a, *b));
            of(&both.collect::<Vec<_>>())
        } else {
            Some(of(&b)?.minus(of(&a)?))
        }
    };
    let difference = changed(Location::of, |a, b| b - a);
    let ratio = positive
        .then(|| changed(Location::of_logs, |a, b| b / a))
        .flatten();
    let less_one = |log: f64| log.exp() - 1.0;
    let relative = positive.then(|| match ratio {
        Some(r) => change(
            less_one(r.centre),
            Some(r.interval(CONFIDENCE).map(less_one)),
        ),
        None => change(estimate_b.mean / estimate_a.mean - 1.0, None),
    });
    let p = ratio.or(difference).map(|d| d.p(0.0));
    let difference = change(
        difference.map_or(estimate_b.mean - estimate_a.mean, |d| d.centre),
        difference.map(|d| d.interval(CONFIDENCE)),
    );
    let (name, unit, _) = figure.parts();
    Some(ComparisonRow {
        config: config.id.clone(),
        topology: config.topology,
        figure: name,
        unit,
        base: estimate_a,
        new: estimate_b,
        pairs: paired.then_some(a.len() as u32),
        difference,
        relative,
        p_holm: p,
        told: Told::TooFew,
    })
}

/// Corrects the p values over all rows and says what they allow.
fn correct(rows: &mut [ComparisonRow]) {
    let raw: Vec<f64> = rows.iter().filter_map(|r| r.p_holm).collect();
    let tested = rows.iter_mut().filter(|r| r.p_holm.is_some());
    for (row, p) in tested.zip(holm(&raw)) {
        row.p_holm = Some(p);
        let better = Figure::named(row.figure).map_or(Better::Neither, |f| f.parts().2);
        row.told = match (p < LEVEL, better, row.difference.value > 0.0) {
            (false, ..) => Told::NotToldApart,
            (true, Better::Neither, _) => Told::Different,
            (true, Better::Higher, true) | (true, Better::Lower, false) => Told::Better,
            (true, ..) => Told::Worse,
        };
    }
}

#[cfg(test)]
mod tests;
