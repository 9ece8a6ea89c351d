//! Findings: what the data show, each with the numbers it rests on. No evidence, no finding. `document` puts them
//! in words.

use domain::Nanos;
use domain::plan::{ConfigId, Topology};
use itertools::Itertools as _;
use serde::Serialize;

use crate::cause::{WaitedFor, WhySerial};
use crate::observation::{ArmObservation, Dataset, RunObservation};
use crate::run::RunMetrics;
use crate::stats::{Estimate, mean};
use crate::summary::{ConfigSummary, Gain, Group, Summary, TopologyComparison, Verdict};

#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub kind: FindingKind,
    /// None for a finding over several configurations.
    pub config: Option<ConfigId>,
    pub topology: Option<Topology>,
    pub runs: u32,
    /// What it rests on; never empty, in the order that the kind states.
    pub evidence: Vec<EvidenceRef>,
}

/// Its name stands in ids.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case", const_into_str)]
pub enum FindingKind {
    /// Agents never decoded at the same time. Rests on the runs without overlap and their estimated speedup.
    NeverOverlapped,
    /// The verdict on a configuration. Rests on the speedup and, where known, the overlap.
    Verdict(Verdict),
    /// Agents took turns for their options. Rests on the runs below 5 % of overlap, the wait for the
    /// other's requests and the load after it, both in seconds.
    #[strum(serialize = "serial-other-options")]
    OtherOptions(Vec<Differing>),
    /// Agents took turns for the client's own limit. Rests on the runs below 5 % of overlap and the wait.
    #[strum(serialize = "serial-admission")]
    Admission,
    /// Agents took turns for a slot. Rests on the runs below 5 % of overlap and the wait.
    #[strum(serialize = "serial-slot-queue")]
    SlotQueue,
    /// Equal options would have spared reloads. Rests on their number per run and their time in seconds.
    EqualOptions,
    /// The cause that costs most. Rests on the seconds lost and on the cause's part of them.
    Costliest,
    /// Part of a model was on the CPU. Rests on its share together, on the share in turn where that is known,
    /// and on the seconds lost to it where a loss can be split.
    Offload,
    /// The device held its clocks down. Rests on the seconds lost to it.
    Throttled,
    /// Runs are left out. Rests on their number.
    LeftOut,
    /// A server per agent instead of one. Rests on the differences of the quantities in `changes`, then
    /// on the decode rate and the overlap, where known.
    TwoServers {
        /// What changes and by which ratio, a server per agent over one.
        changes: Vec<(Quantity, Estimate)>,
    },
}

/// A quantity that two ways of serving are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    Wall,
    /// Tokens per second over all agents.
    Throughput,
    Ttft,
}

/// A runner option in which two agents differ, with each one's value; none where it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    pub option: &'static str,
    pub values: [Option<String>; 2],
}

/// A number that a finding rests on, and where to find it again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceRef {
    /// None for a figure over several configurations.
    pub config: Option<ConfigId>,
    pub topology: Option<Topology>,
    /// The figure's name in `report.json`.
    pub figure: &'static str,
    /// In the unit that the figure has in `report.json`.
    pub value: f64,
    /// 95 %.
    #[serde(skip)]
    pub interval: Option<(f64, f64)>,
    pub n: u32,
}

/// First over all, then by configuration, then one server against one per agent.
pub fn findings(data: &Dataset, summary: &Summary) -> Vec<Finding> {
    let overall = summary.overall.iter();
    let overall = overall.filter_map(|all| never_overlapped(summary, all));
    let configs = summary.configs.iter();
    let configs = configs.flat_map(|config| of_config(data, summary, config));
    let servers = summary.topologies.iter();
    let servers = servers.filter_map(|compared| two_servers(summary, compared));
    overall.chain(configs).chain(servers).collect()
}

/// A finding on a configuration, under construction.
struct On<'c> {
    config: &'c ConfigSummary,
    /// Its runs that take part.
    runs: Vec<&'c RunMetrics>,
}

impl<'c> On<'c> {
    fn new(summary: &'c Summary, config: &'c ConfigSummary) -> Self {
        let own = |r: &&RunMetrics| r.config == config.id && r.topology == config.topology;
        let used = summary.runs.iter().filter(|r| r.excluded.is_none());
        let runs = used.filter(own).collect();
        Self { config, runs }
    }

    fn evidence(&self, figure: &'static str, value: f64, n: u32) -> EvidenceRef {
        EvidenceRef {
            config: Some(self.config.id.clone()),
            topology: self.config.topology,
            figure,
            value,
            interval: None,
            n,
        }
    }

    fn estimate(&self, figure: &'static str, e: Estimate) -> EvidenceRef {
        EvidenceRef {
            interval: e.lo.zip(e.hi),
            ..self.evidence(figure, e.mean, e.n)
        }
    }

    /// The mean of values of as many runs; none without any.
    fn mean(&self, figure: &'static str, values: &[f64]) -> Option<EvidenceRef> {
        Some(self.evidence(figure, mean(values)?, values.len() as u32))
    }

    /// How many runs have hardly any overlap, of those with a known overlap.
    fn overlapped(&self) -> EvidenceRef {
        let overlap = self.config.stats.overlap;
        let below = f64::from(overlap.below_5_percent);
        self.evidence("overlap.below_5_percent", below, overlap.known)
    }

    fn found(&self, kind: FindingKind, evidence: impl IntoIterator<Item = EvidenceRef>) -> Finding {
        Finding {
            kind,
            config: Some(self.config.id.clone()),
            topology: self.config.topology,
            runs: self.runs.len() as u32,
            evidence: evidence.into_iter().collect(),
        }
    }
}

/// The estimated speedup next to the evidence that nothing ran at once.
fn never_overlapped(summary: &Summary, all: &Group) -> Option<Finding> {
    let overlap = all.stats.overlap;
    // The average is over exactly the runs that the finding is about.
    let without = summary.runs.iter().filter(|r| {
        let is_used = r.agents > 1 && r.excluded.is_none();
        r.topology == all.topology && is_used && r.figures.decode_overlap.is_some_and(|o| o <= 0.0)
    });
    let estimated = without.filter_map(|r| r.figures.speedup_est).collect_vec();
    let evidence = [
        ("overlap.zero", f64::from(overlap.zero), overlap.known),
        ("speedup_est", mean(&estimated)?, estimated.len() as u32),
    ];
    let evidence = evidence.map(|(figure, value, n)| EvidenceRef {
        config: None,
        topology: all.topology,
        figure,
        value,
        interval: None,
        n,
    });
    Some(Finding {
        kind: FindingKind::NeverOverlapped,
        config: None,
        topology: all.topology.filter(|_| summary.overall.len() > 1),
        runs: overlap.known,
        evidence: evidence.to_vec(),
    })
}

fn of_config(data: &Dataset, summary: &Summary, config: &ConfigSummary) -> Vec<Finding> {
    let on = On::new(summary, config);
    let found = [
        verdict(&on),
        serial(data, &on),
        spared(&on),
        costliest(&on),
        offload(&on),
        throttled(&on),
        left_out(&on),
    ];
    found.into_iter().flatten().collect()
}

fn verdict(on: &On<'_>) -> Option<Finding> {
    let (verdict, stats) = (on.config.verdict, &on.config.stats);
    let speedup = stats.speedup.filter(|_| verdict.gain != Gain::Unknown)?;
    let overlap = stats.decode_overlap;
    let overlap = overlap.map(|overlap| on.estimate("decode_overlap", overlap));
    let evidence = [Some(on.estimate("speedup", speedup)), overlap];
    Some(on.found(
        FindingKind::Verdict(verdict),
        evidence.into_iter().flatten(),
    ))
}

/// Runner options in which two agents differ; none where they do not.
fn differing(arm: &ArmObservation, a: u32, b: u32) -> Option<Vec<Differing>> {
    let options = |place: u32| {
        let agent = arm.agents.iter().find(|agent| agent.agent == place);
        agent.map(|agent| &agent.options)
    };
    let (a, b) = (options(a)?, options(b)?);
    let differences = a.runner_differences(b).into_iter();
    let differing = differences.map(|option| Differing {
        option: option.name,
        values: [a, b].map(|options| option.get(options).map(|value| value.to_string())),
    });
    Some(differing.collect()).filter(|differing: &Vec<_>| !differing.is_empty())
}

/// Why the agents took turns: of all runs that show why, how many show what.
fn serial(data: &Dataset, on: &On<'_>) -> Option<Finding> {
    let why = on.runs.iter().filter_map(|r| r.cause.why_serial);
    let why = why.collect_vec();
    let [other, slot, permit] = [
        WaitedFor::OtherConfig,
        WaitedFor::SlotQueue,
        WaitedFor::Admission,
    ]
    .map(|what| why.iter().filter(|w| w.waited_for == what).collect_vec());
    let waits = |of: &[&WhySerial]| of.iter().map(|w| w.waited.as_secs_f64()).collect_vec();
    if let Some(first) = other.first()
        && other.len() >= slot.len().max(permit.len())
    {
        let own =
            |r: &&RunObservation| r.config == on.config.id && r.topology == on.config.topology;
        let mut arms = data.runs.iter().filter(own);
        let arm = arms.find_map(|r| r.together.as_ref())?;
        let kind = FindingKind::OtherOptions(differing(arm, first.behind, first.waiting)?);
        let loads = other.iter().filter_map(|w| w.load_after_wait);
        let loads = loads.map(Nanos::as_secs_f64).collect_vec();
        let evidence = [
            on.overlapped(),
            on.mean("cause.waits.wait_other_config", &waits(&other))?,
            on.mean("cause.waits.load_after_wait", &loads)?,
        ];
        return Some(on.found(kind, evidence));
    }
    let (kind, figure, found) = if permit.len() > slot.len() {
        (FindingKind::Admission, "cause.waits.admission", permit)
    } else {
        (FindingKind::SlotQueue, "cause.waits.slot_queue", slot)
    };
    let waited = on.mean(figure, &waits(&found))?;
    Some(on.found(kind, [on.overlapped(), waited]))
}

fn spared(on: &On<'_>) -> Option<Finding> {
    let reloads = on.runs.iter().map(|r| r.cause.avoidable_reloads);
    let (counts, seconds): (Vec<f64>, Vec<f64>) = reloads
        .filter(|r| r.count > 0)
        .map(|r| (f64::from(r.count), r.time.as_secs_f64()))
        .unzip();
    let evidence = [
        on.mean("cause.avoidable_reloads.count", &counts)?,
        on.mean("cause.avoidable_reloads.time", &seconds)?,
    ];
    Some(on.found(FindingKind::EqualOptions, evidence))
}

/// The cause that costs most, when it costs more than a twentieth of the wall.
fn costliest(on: &On<'_>) -> Option<Finding> {
    let stats = &on.config.stats;
    let (lost, wall) = (stats.lost_s?, stats.wall_s?);
    let (name, seconds) = lost.costliest()?;
    let n = stats.speedup.map_or(wall.n, |s| s.n);
    let evidence = [("lost_s", lost.total()), (name, seconds)];
    let evidence = evidence.map(|(figure, value)| on.evidence(figure, value, n));
    (seconds >= wall.mean / 20.0).then(|| on.found(FindingKind::Costliest, evidence))
}

fn offload(on: &On<'_>) -> Option<Finding> {
    let with = on.runs.iter().filter_map(|r| r.cause.offload).collect_vec();
    let together = with.iter().map(|o| o.on_cpu_share).collect_vec();
    let in_turn = with.iter().filter_map(|o| o.on_cpu_share_in_turn);
    let in_turn = in_turn.collect_vec();
    let lost = on.config.stats.lost_s;
    let evidence = [
        Some(on.mean("cause.offload.on_cpu_share", &together)?),
        on.mean("cause.offload.on_cpu_share_in_turn", &in_turn),
        lost.map(|lost| on.evidence("lost_s.offload", lost.offload, with.len() as u32)),
    ];
    Some(on.found(FindingKind::Offload, evidence.into_iter().flatten()))
}

fn throttled(on: &On<'_>) -> Option<Finding> {
    let lost = on.config.stats.lost_s?.thermal_or_power;
    let evidence = [on.evidence("lost_s.thermal_or_power", lost, on.config.stats.wall_s?.n)];
    (lost > 0.0).then(|| on.found(FindingKind::Throttled, evidence))
}

fn left_out(on: &On<'_>) -> Option<Finding> {
    let (runs, excluded) = (on.config.runs, on.config.runs_excluded);
    let evidence = [on.evidence("runs_excluded", f64::from(excluded), runs)];
    (excluded > 0).then(|| on.found(FindingKind::LeftOut, evidence))
}

/// Decode rate together over the rate in turn, over all agents, and the least `n` behind it.
fn solo_share(config: &ConfigSummary) -> Option<(f64, u32)> {
    let shares = config.per_agent.iter().map(|a| {
        let (rate, in_turn) = (a.decode_tokens_per_s?, a.decode_sequential_tokens_per_s?);
        Some((rate.mean / in_turn.mean, rate.n.min(in_turn.n)))
    });
    let (shares, n): (Vec<f64>, Vec<u32>) = shares.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    Some((Estimate::of_ratios(&shares)?.mean, n.into_iter().min()?))
}

fn two_servers(summary: &Summary, compared: &TopologyComparison) -> Option<Finding> {
    let mut configs = summary.configs.iter();
    let own = configs.find(|c| c.id == compared.id && c.topology == Some(Topology::PerAgent))?;
    let on = On::new(summary, own);
    let (wall, ttft) = (compared.wall_s, compared.ttft_s);
    let quantities = [
        (Quantity::Wall, "topologies.wall_s.ratio", Some(wall)),
        (
            Quantity::Throughput,
            "topologies.throughput_tokens_per_s.ratio",
            compared.throughput_tokens_per_s,
        ),
        (Quantity::Ttft, "topologies.ttft_s.ratio", ttft),
    ];
    let known = quantities
        .into_iter()
        .filter_map(|(quantity, figure, both)| {
            let ratio = both?.ratio;
            Some(((quantity, ratio), on.estimate(figure, ratio)))
        });
    let (changes, changed): (Vec<_>, Vec<_>) = known.unzip();
    let rate = match (solo_share(own), compared.decode_tokens_per_s) {
        (Some((share, n)), _) => Some(on.evidence(
            "per_agent.decode_tokens_per_s / per_agent.decode_sequential_tokens_per_s",
            share,
            n,
        )),
        (None, rate) => {
            rate.map(|rate| on.estimate("topologies.decode_tokens_per_s.ratio", rate.ratio))
        }
    };
    let overlap = own.stats.decode_overlap;
    let overlap = overlap.map(|overlap| on.estimate("decode_overlap", overlap));
    let kind = FindingKind::TwoServers { changes };
    Some(Finding {
        topology: None,
        runs: compared.repetitions,
        ..on.found(kind, changed.into_iter().chain(rate).chain(overlap))
    })
}

#[cfg(test)]
mod tests;
