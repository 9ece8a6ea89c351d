//! One side of a comparison: the runs of each configuration, with one value of each figure a run.

use std::collections::BTreeMap;

use domain::Nanos;
use domain::cache::CacheCheck;
use domain::plan::{ConfigId, Topology};
use domain::record::load::{Figures, Spread};
use itertools::Itertools as _;

use super::figure::{LATENCIES, PERCENTILES};
use crate::observation::{ArmObservation, Dataset, RunObservation};
use crate::request::RequestMetrics;
use crate::stats::printable_percentile;
use crate::summary::{QUANTITIES, Summary};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    pub name: String,
    /// Its configurations, in the order of the data.
    pub configs: Vec<ConfigRuns>,
    /// The server's counts of cached tokens, over all requests.
    pub cache: CacheCheck,
    /// Number of requests of loads, or of runs of sweeps, that were to be made.
    pub requested: u64,
    /// Number of those that completed.
    pub completed: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConfigRuns {
    /// The configuration; a load's or a level's is named after its agents or its rate.
    pub config: ConfigId,
    pub topology: Option<Topology>,
    /// Its runs; none where each was left out.
    pub runs: Vec<Run>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// What texts, sampling and arrivals were drawn from: equal where runs were asked for the same. None if unknown.
    pub drawn_from: Option<String>,
    /// When it began, RFC 3339 in UTC; for the repetitions of a sweep when the sweep began.
    pub started_at: Option<String>,
    /// Completed requests.
    pub requests: u32,
    /// Figures that are not known are absent.
    pub values: BTreeMap<&'static str, f64>,
}

impl Side {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub fn add(&mut self, config: &ConfigId, topology: Option<Topology>, run: Run) {
        self.runs_of(config, topology).push(run);
    }

    /// The configuration of this side that is `other`'s.
    pub(super) fn find(&self, other: &ConfigRuns) -> Option<&ConfigRuns> {
        let mut configs = self.configs.iter();
        configs.find(|c| c.config == other.config && c.topology == other.topology)
    }

    fn runs_of(&mut self, config: &ConfigId, topology: Option<Topology>) -> &mut Vec<Run> {
        let same = |c: &ConfigRuns| c.config == *config && c.topology == topology;
        let place = self.configs.iter().position(same).unwrap_or_else(|| {
            self.configs.push(ConfigRuns {
                config: config.clone(),
                topology,
                runs: Vec::new(),
            });
            self.configs.len() - 1
        });
        &mut self.configs[place].runs
    }

    /// Adds every run of a sweep that its aggregates are made from, and the configurations that have none.
    pub fn add_sweep(&mut self, data: &Dataset) {
        let summary = Summary::of(data);
        let manifest = data.manifest.as_ref();
        for (observed, run) in data.runs.iter().zip(&summary.runs) {
            self.runs_of(&run.config, run.topology);
            self.requested += 1;
            if run.excluded.is_some() {
                continue;
            }
            let mut added = of_requests(observed, &mut self.cache);
            added.drawn_from = manifest.map(|m| format!("{} {}", m.plan.seed, run.repetition));
            added.started_at = manifest.map(|m| m.header.started_at.clone());
            for quantity in QUANTITIES {
                added.set(quantity.name, quantity.of_run(run));
            }
            added.set("ttft_s", run.over_agents(|agent| agent.ttft_s));
            self.completed += 1;
            self.add(&run.config, run.topology, added);
        }
    }

    /// The topology of every configuration, where they all have the same.
    pub fn only_topology(&self) -> Option<Topology> {
        let first = self.configs.first()?.topology?;
        let same = self.configs.iter().all(|c| c.topology == Some(first));
        same.then_some(first)
    }
}

/// What is known of a run from its requests alone.
fn of_requests(observed: &RunObservation, cache: &mut CacheCheck) -> Run {
    let mut ttft = Vec::new();
    for request in observed.together.iter().flat_map(ArmObservation::requests) {
        cache.count(&request.counters);
        if request.outcome.is_completed() {
            ttft.extend(RequestMetrics::of(request).ttft.map(Nanos::as_secs_f64));
        }
    }
    let mut run = Run {
        requests: u32::try_from(ttft.len()).unwrap_or(u32::MAX),
        ..Run::default()
    };
    let [_, names @ ..] = LATENCIES[0];
    for (name, p) in names.into_iter().zip(PERCENTILES) {
        run.set(name, printable_percentile(&ttft, p));
    }
    run
}

impl Run {
    /// A run of a load, or a level of a capacity run.
    pub fn of_load(figures: &Figures) -> Self {
        let ended = figures.outcomes;
        let mut run = Self {
            requests: ended.completed,
            ..Self::default()
        };
        let all = f64::from(ended.completed + ended.not_completed());
        let failed = (all > 0.0).then(|| f64::from(ended.not_completed()) / all);
        let good = figures.slo.as_ref().and_then(|slo| slo.per_s);
        for (name, value) in [
            ("wall_s", figures.wall_s),
            ("tokens_per_s", figures.tokens_per_s),
            ("requests_per_s", figures.requests_per_s),
            ("good_per_s", good),
            ("failed_share", failed),
        ] {
            run.set(name, value);
        }
        let spreads = [
            &figures.ttft_ms,
            &figures.ttft_scheduled_ms,
            &figures.tpot_ms,
            &figures.itl_ms,
            &figures.e2e_ms,
        ];
        for (names, spread) in LATENCIES.into_iter().zip(spreads) {
            let values = |s: &Spread| [Some(s.mean), Some(s.p50), s.p90, s.p95, s.p99];
            let known = spread.as_ref().map_or([None; 5], values);
            for (name, ms) in names.into_iter().zip(known) {
                run.set(name, ms.map(|ms| ms / 1e3));
            }
        }
        run
    }

    /// Without a value the figure is removed.
    pub fn set(&mut self, name: &'static str, value: Option<f64>) {
        match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(name),
        };
    }
}

/// Which runs belong together, as places in `base` and `new`: those that were asked for the same, when
/// both sides have the same ones, or the neighbours of runs that were interleaved. None where nothing
/// is shared: such runs are compared unpaired.
pub(super) fn pairs(base: &[Run], new: &[Run]) -> Option<Vec<(usize, usize)>> {
    same_draws(base, new).or_else(|| interleaved(base, new))
}

fn same_draws(base: &[Run], new: &[Run]) -> Option<Vec<(usize, usize)>> {
    fn places(runs: &[Run]) -> Option<BTreeMap<&str, usize>> {
        let keys = runs.iter().map(|run| run.drawn_from.as_deref());
        let places = keys.zip(0..).map(|(key, place)| Some((key?, place)));
        let places: BTreeMap<&str, usize> = places.collect::<Option<_>>()?;
        (places.len() == runs.len()).then_some(places)
    }
    let (base, new) = (places(base)?, places(new)?);
    let both = base.keys().eq(new.keys());
    both.then(|| base.into_values().zip(new.into_values()).collect())
}

fn interleaved(base: &[Run], new: &[Run]) -> Option<Vec<(usize, usize)>> {
    if base.len() != new.len() || base.is_empty() {
        return None;
    }
    let sides = [base, new].into_iter().enumerate();
    let starts = sides.flat_map(|(side, runs)| {
        runs.iter()
            .enumerate()
            .map(move |(place, run)| Some((run.started_at.as_deref()?, side, place)))
    });
    let mut all = starts.collect::<Option<Vec<_>>>()?;
    all.sort_unstable();
    if !all.iter().map(|(start, ..)| start).all_unique() {
        return None;
    }
    let both = all.chunks(2).map(|two| match two {
        [(_, 0, a), (_, 1, b)] | [(_, 1, b), (_, 0, a)] => Some((*a, *b)),
        _ => None,
    });
    both.collect()
}
