//! Findings: what the data show, each with the numbers it rests on. No evidence, no finding. `document` puts them
//! in words.

use domain::Nanos;
use domain::plan::{ConfigId, Topology};
use serde::Serialize;

use crate::cause::WaitedFor;
use crate::observation::{ArmObservation, Dataset};
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

#[derive(Debug, Clone, PartialEq)]
pub enum FindingKind {
    /// Agents never decoded at the same time. Rests on the runs without overlap and their estimated speedup.
    NeverOverlapped,
    /// The verdict on a configuration. Rests on the speedup and, where known, the overlap.
    Verdict(Verdict),
    /// Agents took turns for their options. Rests on the runs below 5 % of overlap, the wait for the
    /// other's requests and the load after it, both in seconds.
    OtherOptions(Vec<Differing>),
    /// Agents took turns for the client's own limit. Rests on the runs below 5 % of overlap and the wait.
    Admission,
    /// Agents took turns for a slot. Rests on the runs below 5 % of overlap and the wait.
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
    /// In the unit of `report.json`.
    pub value: f64,
    /// 95 %.
    #[serde(skip)]
    pub interval: Option<(f64, f64)>,
    pub n: u32,
}

/// First over all, then by configuration, then one server against one per agent.
pub fn findings(data: &Dataset, summary: &Summary) -> Vec<Finding> {
    let overall = summary.overall.iter();
    let mut found: Vec<Finding> = overall
        .filter_map(|all| never_overlapped(summary, all))
        .collect();
    for config in &summary.configs {
        found.extend(of_config(data, summary, config));
    }
    let servers = summary.topologies.iter();
    found.extend(servers.filter_map(|compared| two_servers(summary, compared)));
    found
}

/// A finding on a configuration, under construction.
struct On<'c> {
    config: &'c ConfigSummary,
    runs: u32,
}

impl On<'_> {
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

    /// How many runs have hardly any overlap, of those with a known overlap.
    fn overlapped(&self) -> EvidenceRef {
        let overlap = self.config.stats.overlap;
        let below = f64::from(overlap.below_5_percent);
        self.evidence("overlap.below_5_percent", below, overlap.known)
    }

    fn found(&self, kind: FindingKind, evidence: Vec<EvidenceRef>) -> Finding {
        Finding {
            kind,
            config: Some(self.config.id.clone()),
            topology: self.config.topology,
            runs: self.runs,
            evidence,
        }
    }
}

/// The estimated speedup next to the evidence that nothing ran at once.
fn never_overlapped(summary: &Summary, all: &Group) -> Option<Finding> {
    let overlap = all.stats.overlap;
    // The average is over exactly the runs that the finding is about.
    let estimated: Vec<f64> = summary
        .runs
        .iter()
        .filter(|r| r.topology == all.topology && r.agents > 1 && r.excluded.is_none())
        .filter(|r| r.decode_overlap.is_some_and(|o| o <= 0.0))
        .filter_map(|r| Some(r.tr113?.speedup_est))
        .collect();
    let average = mean(&estimated)?;
    let at = |figure, value, n| EvidenceRef {
        config: None,
        topology: all.topology,
        figure,
        value,
        interval: None,
        n,
    };
    Some(Finding {
        kind: FindingKind::NeverOverlapped,
        config: None,
        topology: all.topology.filter(|_| summary.overall.len() > 1),
        runs: overlap.known,
        evidence: vec![
            at("overlap.zero", f64::from(overlap.zero), overlap.known),
            at("speedup_est", average, estimated.len() as u32),
        ],
    })
}

fn of_config(data: &Dataset, summary: &Summary, config: &ConfigSummary) -> Vec<Finding> {
    let runs: Vec<&RunMetrics> = summary
        .runs
        .iter()
        .filter(|r| r.config == config.id && r.topology == config.topology && r.excluded.is_none())
        .collect();
    let on = On {
        config,
        runs: runs.len() as u32,
    };
    [
        verdict(&on),
        serial(data, &on, &runs),
        spared(&on, &runs),
        costliest(&on),
        offload(&on, &runs),
        throttled(&on),
        left_out(&on),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn verdict(on: &On<'_>) -> Option<Finding> {
    let stats = &on.config.stats;
    if on.config.verdict.gain == Gain::Unknown {
        return None;
    }
    let mut evidence = vec![on.estimate("speedup", stats.speedup?)];
    evidence.extend(
        stats
            .decode_overlap
            .map(|o| on.estimate("decode_overlap", o)),
    );
    Some(on.found(FindingKind::Verdict(on.config.verdict), evidence))
}

/// Runner options in which two agents differ; none where they do not.
fn differing(arm: &ArmObservation, a: u32, b: u32) -> Option<Vec<Differing>> {
    let options = |who: u32| {
        let agent = arm.agents.iter().find(|x| x.agent == who);
        agent.map(|x| &x.options)
    };
    let (a, b) = (options(a)?, options(b)?);
    let differing: Vec<Differing> = a
        .runner_differences(b)
        .into_iter()
        .map(|option| Differing {
            option: option.name,
            values: [a, b].map(|options| option.get(options).map(|value| value.to_string())),
        })
        .collect();
    (!differing.is_empty()).then_some(differing)
}

/// Why the agents took turns: of all runs that show why, how many show what.
fn serial(data: &Dataset, on: &On<'_>, runs: &[&RunMetrics]) -> Option<Finding> {
    let why: Vec<_> = runs.iter().filter_map(|r| r.cause.why_serial).collect();
    let waits = |what: WaitedFor| -> Vec<f64> {
        let found = why.iter().filter(|w| w.waited_for == what);
        found.map(|w| w.waited.as_secs_f64()).collect()
    };
    let (other, slot) = (waits(WaitedFor::OtherConfig), waits(WaitedFor::SlotQueue));
    let permit = waits(WaitedFor::Admission);
    if let Some(first) = why.iter().find(|w| w.waited_for == WaitedFor::OtherConfig)
        && other.len() >= slot.len().max(permit.len())
    {
        let of_config = |r: &&crate::RunObservation| {
            r.config == on.config.id && r.topology == on.config.topology
        };
        let mut arms = data.runs.iter().filter(of_config);
        let arm = arms.find_map(|r| r.together.as_ref())?;
        let kind = FindingKind::OtherOptions(differing(arm, first.behind, first.waiting)?);
        let loads = why.iter().filter_map(|w| w.load_after_wait);
        let loads: Vec<f64> = loads.map(Nanos::as_secs_f64).collect();
        let n = other.len() as u32;
        let evidence = vec![
            on.overlapped(),
            on.evidence("cause.waits.wait_other_config", mean(&other)?, n),
            on.evidence("cause.waits.load_after_wait", mean(&loads)?, n),
        ];
        return Some(on.found(kind, evidence));
    }
    let (kind, figure, waits) = if permit.len() > slot.len() {
        (FindingKind::Admission, "cause.waits.admission", permit)
    } else {
        (FindingKind::SlotQueue, "cause.waits.slot_queue", slot)
    };
    let waited = on.evidence(figure, mean(&waits)?, waits.len() as u32);
    Some(on.found(kind, vec![on.overlapped(), waited]))
}

fn spared(on: &On<'_>, runs: &[&RunMetrics]) -> Option<Finding> {
    let reloads = runs.iter().map(|r| r.cause.avoidable_reloads);
    let with: Vec<_> = reloads.filter(|r| r.count > 0).collect();
    let n = with.len() as u32;
    let count = mean(&with.iter().map(|r| f64::from(r.count)).collect::<Vec<_>>())?;
    let seconds: Vec<f64> = with.iter().map(|r| r.time.as_secs_f64()).collect();
    let evidence = vec![
        on.evidence("cause.avoidable_reloads.count", count, n),
        on.evidence("cause.avoidable_reloads.time", mean(&seconds)?, n),
    ];
    Some(on.found(FindingKind::EqualOptions, evidence))
}

/// The cause that costs most, when it costs more than a twentieth of the wall.
fn costliest(on: &On<'_>) -> Option<Finding> {
    let stats = &on.config.stats;
    let (lost, wall) = (stats.lost_s?, stats.wall_s?);
    let (name, seconds) = lost.costliest()?;
    if seconds < wall.mean / 20.0 {
        return None;
    }
    let n = stats.speedup.map_or(wall.n, |s| s.n);
    let evidence = vec![
        on.evidence("lost_s", lost.total(), n),
        on.evidence(name, seconds, n),
    ];
    Some(on.found(FindingKind::Costliest, evidence))
}

fn offload(on: &On<'_>, runs: &[&RunMetrics]) -> Option<Finding> {
    let with: Vec<_> = runs.iter().filter_map(|r| r.cause.offload).collect();
    let together: Vec<f64> = with.iter().map(|o| o.on_cpu).collect();
    let in_turn: Vec<f64> = with.iter().filter_map(|o| o.on_cpu_in_turn).collect();
    let share = |figure, shares: &[f64]| {
        let n = shares.len() as u32;
        mean(shares).map(|mean| on.evidence(figure, mean, n))
    };
    let lost = on.config.stats.lost_s.map(|lost| lost.offload);
    let evidence = [
        Some(share("cause.offload.on_cpu", &together)?),
        share("cause.offload.on_cpu_in_turn", &in_turn),
        lost.map(|lost| on.evidence("lost_s.offload", lost, with.len() as u32)),
    ];
    Some(on.found(
        FindingKind::Offload,
        evidence.into_iter().flatten().collect(),
    ))
}

fn throttled(on: &On<'_>) -> Option<Finding> {
    let lost = on.config.stats.lost_s?.thermal_or_power;
    let n = on.config.stats.wall_s?.n;
    let evidence = || vec![on.evidence("lost_s.thermal_or_power", lost, n)];
    (lost > 0.0).then(|| on.found(FindingKind::Throttled, evidence()))
}

fn left_out(on: &On<'_>) -> Option<Finding> {
    let ConfigSummary {
        runs,
        runs_excluded,
        ..
    } = on.config;
    let evidence = || vec![on.evidence("runs_excluded", f64::from(*runs_excluded), *runs)];
    (*runs_excluded > 0).then(|| on.found(FindingKind::LeftOut, evidence()))
}

/// Decode rate together over the rate in turn, over all agents, and the least `n` behind it.
fn solo_share(config: &ConfigSummary) -> Option<(f64, u32)> {
    let share = |a: &crate::summary::AgentSummary| {
        let (rate, in_turn) = (a.rate?, a.rate_sequential?);
        Some((rate.mean / in_turn.mean, rate.n.min(in_turn.n)))
    };
    let agents = config.per_agent.iter();
    let shares = agents.map(share).collect::<Option<Vec<_>>>()?;
    let n = shares.iter().map(|s| s.1).min()?;
    let shares: Vec<f64> = shares.into_iter().map(|s| s.0).collect();
    Some((Estimate::of_ratios(&shares)?.mean, n))
}

fn two_servers(summary: &Summary, compared: &TopologyComparison) -> Option<Finding> {
    let own = summary
        .configs
        .iter()
        .find(|c| c.id == compared.id && c.topology == Some(Topology::PerAgent))?;
    let on = On {
        config: own,
        runs: compared.repetitions,
    };
    let (mut changes, mut evidence) = (Vec::new(), Vec::new());
    for (quantity, figure, both) in [
        (
            Quantity::Wall,
            "topologies.wall_s.ratio",
            Some(compared.wall_s),
        ),
        (
            Quantity::Throughput,
            "topologies.throughput.ratio",
            compared.throughput,
        ),
        (Quantity::Ttft, "topologies.ttft_s.ratio", compared.ttft_s),
    ] {
        if let Some(both) = both {
            changes.push((quantity, both.ratio));
            evidence.push(on.estimate(figure, both.ratio));
        }
    }
    if let Some((share, n)) = solo_share(own) {
        evidence.push(on.evidence("per_agent.rate / per_agent.rate_sequential", share, n));
    } else if let Some(ratio) = compared.rate.map(|rate| rate.ratio) {
        evidence.push(on.estimate("topologies.rate.ratio", ratio));
    }
    let overlap = own.stats.decode_overlap;
    evidence.extend(overlap.map(|overlap| on.estimate("decode_overlap", overlap)));
    Some(Finding {
        topology: None,
        ..on.found(FindingKind::TwoServers { changes }, evidence)
    })
}

#[cfg(test)]
mod tests;
