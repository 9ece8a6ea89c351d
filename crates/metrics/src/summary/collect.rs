//! From runs to configurations, scenarios and the whole.

use domain::Nanos;
use domain::plan::{ConfigId, Topology};
use domain::record::{Provenance, TokenSource};
use itertools::Itertools as _;

use super::best::best;
use super::topology::comparisons;
use super::{
    AgentSummary, ConfigSummary, Gain, Group, QUANTITIES, Quantity, Statistics, Summary, Tail,
    Verdict, Verdicts,
};
use crate::arms::{ArmTimes, warm_loads};
use crate::cause::{LostSeconds, SERIAL_BELOW};
use crate::energy::{ArmEnergy, ConfigEnergy, Meter};
use crate::notes::{Note, Warning, far_from_others};
use crate::observation::{ArmObservation, Dataset, PublishedRow, RunObservation};
use crate::request::RequestMetrics;
use crate::run::{ContentionRuns, OverlapEvidence, RunMetrics};
use crate::stats::{self, Estimate, printable_percentile};

impl Summary {
    pub fn of(data: &Dataset) -> Self {
        let keys = data.runs.iter().map(|r| (r.config.clone(), r.topology));
        let keys = keys.unique().collect_vec();
        let place = |run: &RunObservation| {
            let own = |(id, topology): &(ConfigId, Option<Topology>)| {
                *id == run.config && *topology == run.topology
            };
            keys.iter().position(own).expect("every run has its key")
        };
        let warm = (0..keys.len())
            .map(|key| warm_loads(data.runs.iter().filter(|run| place(run) == key)))
            .collect_vec();
        let run_metrics = |run| RunMetrics {
            memory_peak_bytes: memory_peak(data, run),
            ..RunMetrics::with_warm_loads(run, &warm[place(run)])
        };
        let runs = data.runs.iter().map(run_metrics).collect_vec();
        let meter = Meter::of(&data.telemetry);
        let observed = keys.iter().enumerate().map(|(key, config)| {
            let both = data.runs.iter().zip(&runs);
            let own = both.filter(|(run, _)| place(run) == key).collect_vec();
            config_summary(config, &meter, &own)
        });
        let published = data.published.iter();
        let published = published.filter(|row| keys.iter().all(|(id, _)| *id != row.config));
        let configs = observed
            .chain(published.map(published_config))
            .collect_vec();
        // A published row is one unverifiable number: it never enters a mean of observed runs.
        let aggregated = match keys.len() {
            0 => &configs[..],
            observed => &configs[..observed],
        };
        let (topologies, choice) = comparisons(data, &runs);
        let mut warnings = data.warnings.clone();
        warnings.extend(runs.iter().flat_map(|run| {
            let own = run.warnings.iter().cloned();
            own.map(|what| Warning::Run(run.config.clone(), run.repetition, what))
        }));
        Self {
            name: data.name.clone(),
            provenance: data.provenance,
            scenarios: groups(aggregated, |c| (Some(c.scenario.clone()), c.topology)),
            overall: groups(aggregated, |c| (None, c.topology)),
            topologies,
            choice,
            best: best(&configs, &runs, data.provenance != Provenance::Imported),
            configs,
            runs,
            warnings,
        }
    }
}

type Run<'a> = (&'a RunObservation, &'a RunMetrics);

/// Of values that cannot be negative.
fn positive<T>(items: &[T], value: impl Fn(&T) -> Option<f64>) -> Option<Estimate> {
    Estimate::of_sizes(&items.iter().filter_map(value).collect_vec())
}

fn energy(meter: &Meter, used: &[Run<'_>]) -> Option<ConfigEnergy> {
    let of = |arm: Option<&ArmObservation>| {
        let arm = arm?;
        let times = ArmTimes::clocked(arm)?;
        let energy = meter.between(times.begin, times.begin + times.wall)?;
        let tokens = arm.tokens();
        Some(ArmEnergy {
            energy,
            joules_per_token: (tokens > 0).then(|| energy.joules / tokens as f64),
        })
    };
    let together = used.iter().filter_map(|(run, _)| of(run.together.as_ref()));
    let in_turn = used
        .iter()
        .filter_map(|(run, _)| of(run.sequential.as_ref()));
    ConfigEnergy::of(&together.collect_vec(), &in_turn.collect_vec())
}

/// Peak device memory during the together arm over all devices, bytes. The memory of a part of a device counts only if
/// that of the whole is unknown.
fn memory_peak(data: &Dataset, run: &RunObservation) -> Option<f64> {
    let times = ArmTimes::clocked(run.together.as_ref()?)?;
    let within = times.begin..=times.begin + times.wall;
    let samples = data.telemetry.iter().filter(|s| within.contains(&s.at));
    let used = samples.filter_map(|s| {
        let is_known = |index: u32| {
            let mut whole = s.gpus.iter().filter(|g| g.index == index);
            whole.any(|g| g.memory_used_bytes.is_some())
        };
        let devices = s.gpus.iter().filter(|g| !g.part_of.is_some_and(is_known));
        devices
            .filter_map(|g| g.memory_used_bytes)
            .reduce(|a, b| a + b)
    });
    used.max().map(|bytes| bytes as f64)
}

/// The statistics of items: of each quantity and of what was lost, without any counts.
fn averaged<T>(
    items: &[&T],
    value: impl Fn(&Quantity, &T) -> Option<f64>,
    estimate: impl Fn(&Quantity, &[f64]) -> Option<Estimate>,
    lost: impl Fn(&T) -> Option<LostSeconds>,
) -> Statistics {
    let mut statistics = Statistics::default();
    for quantity in QUANTITIES {
        let values = items.iter().filter_map(|item| value(quantity, item));
        quantity.set(&mut statistics, estimate(quantity, &values.collect_vec()));
    }
    let losses = items.iter().filter_map(|item| lost(item));
    statistics.lost_s = LostSeconds::mean_of(&losses.collect_vec());
    statistics
}

/// Over the runs that take part, `used`; outcomes are counted of all.
fn over_runs(all: &[Run<'_>], used: &[&RunMetrics]) -> Statistics {
    let lost = |run: &RunMetrics| run.cause.lost.map(LostSeconds::from);
    let mut statistics = averaged(used, Quantity::of_run, Quantity::over_runs, lost);
    for (_, run) in all {
        statistics.count_in(&counts(run));
    }
    statistics
}

fn counts(run: &RunMetrics) -> Statistics {
    let is_used = run.excluded.is_none();
    let (rule, overlap) = (run.contention, run.figures.decode_overlap);
    let count = |is_so: Option<bool>| is_so.filter(|_| is_used).map(u32::from);
    let overlap = overlap.filter(|_| is_used && run.agents > 1);
    let overlap_is = |is_so: fn(f64) -> bool| u32::from(overlap.is_some_and(is_so));
    Statistics {
        outcomes: run.outcomes,
        outcomes_sequential: run.outcomes_sequential,
        contention_runs: ContentionRuns {
            ttft_rule: count(rule.ttft_rule),
            speedup_rule: count(rule.speedup_rule),
            cause: count(rule.cause),
            published: count(rule.published),
        },
        overlap: OverlapEvidence {
            known: overlap_is(|_| true),
            zero: overlap_is(|overlap| overlap <= 0.0),
            below_5_percent: overlap_is(|overlap| overlap < SERIAL_BELOW),
        },
        ..Statistics::default()
    }
}

/// The same statistics over configurations: each configuration's mean counts once.
fn over_configs(configs: &[&ConfigSummary]) -> Statistics {
    let mean = |quantity: &Quantity, config: &ConfigSummary| Some(quantity.of(&config.stats)?.mean);
    let mut statistics = averaged(configs, mean, Quantity::over_configs, |config| {
        config.stats.lost_s
    });
    for config in configs {
        statistics.count_in(&config.stats);
    }
    statistics
}

impl Statistics {
    /// Adds what others have counted: contention, outcomes and overlap.
    fn count_in(&mut self, other: &Self) {
        fn add<T: std::ops::AddAssign + Default>(sum: &mut Option<T>, more: Option<T>) {
            if let Some(more) = more {
                *sum.get_or_insert_default() += more;
            }
        }
        let (runs, more) = (&mut self.contention_runs, other.contention_runs);
        add(&mut runs.ttft_rule, more.ttft_rule);
        add(&mut runs.speedup_rule, more.speedup_rule);
        add(&mut runs.cause, more.cause);
        add(&mut runs.published, more.published);
        self.outcomes += other.outcomes;
        add(&mut self.outcomes_sequential, other.outcomes_sequential);
        self.overlap.known += other.overlap.known;
        self.overlap.zero += other.overlap.zero;
        self.overlap.below_5_percent += other.overlap.below_5_percent;
    }
}

fn config_summary(
    (id, topology): &(ConfigId, Option<Topology>),
    meter: &Meter,
    runs: &[Run<'_>],
) -> ConfigSummary {
    let used = runs.iter().filter(|(_, run)| run.excluded.is_none());
    let used = used.copied().collect_vec();
    let figures = used.iter().map(|(_, run)| *run).collect_vec();
    let stats = over_runs(runs, &figures);
    let agents = runs.iter().map(|(_, run)| run.agents).max().unwrap_or(0);
    let verdict = if agents < 2 {
        Verdict::UNKNOWN
    } else {
        Verdict::of(stats.decode_overlap.map(|o| o.mean), stats.speedup)
    };
    let speedups = figures.iter().filter_map(|run| run.figures.speedup);
    let speedups = speedups.collect_vec();
    let repetitions_to_decide = match verdict.gain {
        Gain::Undecided => Gain::repetitions_to_decide(&speedups),
        _ => None,
    };
    let together = used.iter().filter_map(|(run, _)| run.together.as_ref());
    let requests = together.flat_map(ArmObservation::requests);
    let ttfts = requests.filter_map(|r| RequestMetrics::of(r).ttft);
    let ttfts = ttfts.map(Nanos::as_secs_f64).collect_vec();
    let scenario = runs.first().map(|(_, run)| run.scenario.clone());
    ConfigSummary {
        id: id.clone(),
        scenario: scenario.unwrap_or_default(),
        topology: *topology,
        agents,
        runs: runs.len() as u32,
        runs_excluded: (runs.len() - used.len()) as u32,
        verdict,
        repetitions_to_decide,
        per_agent: agent_summaries(&figures),
        ttft_s: Tail::of(&ttfts),
        why_serial: figures.iter().find_map(|r| r.cause.why_serial),
        memory_peak_bytes: positive(&figures, |run| run.memory_peak_bytes),
        energy: energy(meter, &used),
        notes: notes(runs, agents),
        stats,
    }
}

impl Tail {
    pub fn of(values: &[f64]) -> Self {
        Self {
            n: values.len() as u32,
            p50: stats::median(values),
            p90: printable_percentile(values, 90.0),
            p95: printable_percentile(values, 95.0),
            p99: printable_percentile(values, 99.0),
        }
    }
}

fn agent_summaries(runs: &[&RunMetrics]) -> Vec<AgentSummary> {
    let agents = runs.iter().map(|r| r.per_agent.len()).max().unwrap_or(0);
    let summary = |i: usize| {
        let all = runs.iter().filter_map(|r| r.per_agent.get(i)).collect_vec();
        let first = all.first()?;
        let losses = runs.iter().filter_map(|r| r.cause.agents.as_ref()?.get(i));
        let losses = losses.map(|lost| (*lost).into()).collect_vec();
        let progress = all.iter().filter_map(|a| a.np).collect_vec();
        Some(AgentSummary {
            agent: first.agent,
            name: first.name.clone(),
            time_s: positive(&all, |a| a.time_s),
            solo_s: positive(&all, |a| a.solo_s),
            np: Estimate::of_ratios(&progress),
            ttft_ms: positive(&all, |a| a.ttft_s.map(|s| 1e3 * s)),
            ttft_solo_ms: positive(&all, |a| a.ttft_solo_s.map(|s| 1e3 * s)),
            decode_tokens_per_s: positive(&all, |a| a.decode_tokens_per_s),
            decode_sequential_tokens_per_s: positive(&all, |a| a.decode_sequential_tokens_per_s),
            tokens: positive(&all, |a| Some(a.tokens as f64)),
            lost_s: LostSeconds::mean_of(&losses),
        })
    };
    (0..agents).filter_map(summary).collect()
}

fn notes(all: &[Run<'_>], agents: u32) -> Vec<Note> {
    let runs = || all.iter().map(|(_, run)| *run);
    let mut notes: Vec<Note> = runs()
        .filter_map(|r| Some(Note::LeftOut(r.repetition, r.excluded.clone()?)))
        .collect();
    let used = runs().filter(|r| r.excluded.is_none()).count();
    if used < 3 {
        notes.push(Note::FewRuns(used));
    }
    if agents == 1 {
        notes.push(Note::OneAgent);
    }
    let together = all.iter().filter_map(|(run, _)| run.together.as_ref());
    let mut requests = together.flat_map(ArmObservation::requests);
    if requests.any(|r| r.tokens_from == TokenSource::Estimated && r.tokens > 0) {
        notes.push(Note::EstimatedTokens);
    }
    let first = runs().map(|run| run.repetition).min();
    for name in ["wall_s", "speedup"] {
        let value = |run: &RunMetrics| Quantity::named(name)?.of_run(run);
        let known = runs().filter_map(|run| Some((run.repetition, value(run)?)));
        notes.extend(far_from_others(name, &known.collect_vec(), first));
    }
    notes
}

/// A configuration of which only a published row is known.
fn published_config(row: &PublishedRow) -> ConfigSummary {
    let single = |value: Option<f64>| value.and_then(|v| Estimate::of(&[v]));
    ConfigSummary {
        id: row.config.clone(),
        scenario: row.scenario.clone(),
        topology: None,
        agents: 2,
        runs: 1,
        runs_excluded: 0,
        stats: Statistics {
            speedup_est: single(Some(row.speedup)),
            efficiency_est_percent: single(Some(row.efficiency_percent)),
            ttft_delta_ms: single(row.ttft_delta_ms),
            tp_delta_tokens_per_s: single(row.tp_delta_tokens_per_s),
            contention_runs: ContentionRuns {
                speedup_rule: Some(u32::from(row.speedup < 1.5)),
                published: Some(u32::from(row.contention)),
                ..ContentionRuns::default()
            },
            ..Statistics::default()
        },
        verdict: Verdict::UNKNOWN,
        repetitions_to_decide: None,
        per_agent: Vec::new(),
        ttft_s: Tail::default(),
        why_serial: None,
        memory_peak_bytes: None,
        energy: None,
        notes: vec![Note::OnlyPublished],
    }
}

/// The configurations of each scenario and topology that `key` names, in order of appearance.
fn groups(
    configs: &[ConfigSummary],
    key: impl Fn(&ConfigSummary) -> (Option<String>, Option<Topology>),
) -> Vec<Group> {
    let group = |(scenario, topology): (Option<String>, Option<Topology>)| {
        let own = |c: &&ConfigSummary| key(c) == (scenario.clone(), topology);
        let members = configs.iter().filter(own).collect_vec();
        Group {
            configs: members.len() as u32,
            runs: members.iter().map(|c| c.runs).sum(),
            stats: over_configs(&members),
            verdicts: Verdicts::of(members.iter().copied()),
            scenario,
            topology,
        }
    };
    configs.iter().map(&key).unique().map(group).collect()
}
