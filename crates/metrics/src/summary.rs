//! What a report says: per configuration, per scenario, over all.

mod best;
mod collect;
mod quantity;
mod topology;
mod verdict;

use domain::OutcomeCounts;
use domain::plan::{ConfigId, Topology};
use domain::record::Provenance;
use serde::Serialize;

use crate::cause::{LostSeconds, WhySerial};
use crate::energy::ConfigEnergy;
use crate::notes::{Note, Warning};
use crate::run::{Contention, RunMetrics};
use crate::stats::Estimate;

pub use best::Best;
pub use quantity::{Better, QUANTITIES, Quantity};
pub use topology::{BothWays, Choice, ChoiceOver, Faster, Kind, TopologyComparison};
pub use verdict::{Decoding, Gain, Verdict, Verdicts};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub name: String,
    pub provenance: Provenance,
    /// One entry per configuration and topology, in the data set's order.
    pub configs: Vec<ConfigSummary>,
    /// One entry per scenario (and topology, where there are several), in order of appearance.
    pub scenarios: Vec<Group>,
    /// Over all configurations; one entry per topology.
    pub overall: Vec<Group>,
    /// One server against one per agent, per configuration measured on both.
    pub topologies: Vec<TopologyComparison>,
    /// The same over all configurations; none where there is nothing to choose.
    pub choice: Option<Choice>,
    /// Best configurations together with those that are not distinguishable from them.
    pub best: Vec<Best>,
    /// The runs behind all of it, in the data set's order.
    #[serde(skip)]
    pub runs: Vec<RunMetrics>,
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

/// The statistics that configurations, scenarios and the whole share, of the figures of a [run](RunMetrics):
/// throughputs and `tp_delta` in tok/s, efficiencies in percent. None is unknown, never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Statistics {
    pub wall_s: Option<Estimate>,
    /// TR113's sum of times, s.
    pub sequential_estimated_s: Option<Estimate>,
    pub speedup_est: Option<Estimate>,
    pub efficiency_est: Option<Estimate>,
    pub ttft_delta_ms: Option<Estimate>,
    pub tp_delta: Option<Estimate>,
    pub wall_sequential_s: Option<Estimate>,
    pub wall_sequential_raw_s: Option<Estimate>,
    pub speedup: Option<Estimate>,
    pub speedup_raw: Option<Estimate>,
    pub efficiency: Option<Estimate>,
    pub stp: Option<Estimate>,
    pub antt: Option<Estimate>,
    pub fairness: Option<Estimate>,
    pub jain: Option<Estimate>,
    /// Share of decoding time with two or more agents decoding, 0..1.
    pub decode_overlap: Option<Estimate>,
    pub throughput_together: Option<Estimate>,
    pub throughput_sequential: Option<Estimate>,
    /// Bound on the measured speedup where it is unknown.
    pub speedup_upper_bound: Option<Estimate>,
    /// Mean seconds lost per run, by cause.
    pub lost_s: Option<LostSeconds>,
    pub contention_runs: ContentionRuns,
    /// Main requests of the together arm, by outcome.
    pub outcomes: OutcomeCounts,
    /// Main requests of the sequential arm, by outcome.
    pub outcomes_sequential: Option<OutcomeCounts>,
    pub overlap: OverlapEvidence,
}

/// Runs with contention by each rule; none if it is unknown for every run.
pub type ContentionRuns = Contention<u32>;

/// "Overlap 0 in k of n runs."
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OverlapEvidence {
    /// Runs whose overlap is known.
    pub known: u32,
    /// Of these, runs in which no two agents ever decoded at the same time.
    pub zero: u32,
    /// Of these, runs with an overlap below 5 %.
    pub below_5_percent: u32,
}

/// One configuration on one topology.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigSummary {
    pub id: ConfigId,
    pub scenario: String,
    pub topology: Option<Topology>,
    pub agents: u32,
    pub runs: u32,
    /// Runs left out of the aggregates.
    pub runs_excluded: u32,
    /// Over the runs that take part.
    pub stats: Statistics,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Where it is undecided: how many repetitions like these would decide; none where no practical number would.
    pub repetitions_to_decide: Option<u32>,
    pub per_agent: Vec<AgentSummary>,
    /// TTFT over all main requests of the together arm, s.
    pub ttft: Tail,
    /// Why the agents ran in turn: the evidence of the first serial run that has it.
    pub why_serial: Option<WhySerial>,
    /// Peak device memory during the together arms, bytes; none without telemetry.
    pub memory_peak_bytes: Option<Estimate>,
    /// Device energy; none without telemetry of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<ConfigEnergy>,
    #[serde(skip)]
    pub notes: Vec<Note>,
}

/// An agent of a configuration, with the figures of [`AgentMetrics`](crate::run::AgentMetrics); rates in tok/s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentSummary {
    pub agent: u32,
    pub name: String,
    pub time_s: Option<Estimate>,
    pub solo_s: Option<Estimate>,
    pub np: Option<Estimate>,
    pub ttft_ms: Option<Estimate>,
    pub ttft_solo_ms: Option<Estimate>,
    pub rate: Option<Estimate>,
    pub rate_sequential: Option<Estimate>,
    pub tokens: Option<Estimate>,
    /// Mean seconds lost, by cause.
    pub lost_s: Option<LostSeconds>,
}

/// Percentiles of a pooled sample. A tail is given only where the sample can carry it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tail {
    /// Observations.
    pub n: u32,
    pub p50: Option<f64>,
    /// 90th percentile; none below 64 observations.
    pub p90: Option<f64>,
    /// 95th percentile; none below 130 observations.
    pub p95: Option<f64>,
    /// 99th percentile; none below 662 observations.
    pub p99: Option<f64>,
}

/// All configurations on one topology, or those of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The scenario; none for all configurations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    pub topology: Option<Topology>,
    pub configs: u32,
    pub runs: u32,
    /// The statistics; each estimate's `n` counts configurations.
    pub stats: Statistics,
    pub verdicts: Verdicts,
}

impl Group {
    pub fn holds(&self, config: &ConfigSummary) -> bool {
        let scenario = self.scenario.as_ref();
        config.topology == self.topology && scenario.is_none_or(|s| *s == config.scenario)
    }
}

#[cfg(test)]
pub(crate) mod tests;
