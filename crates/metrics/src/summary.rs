//! What a report says: per configuration, per scenario, over all.

mod best;
mod collect;
mod topology;
mod verdict;

use domain::plan::{ConfigId, Topology};
use domain::record::Provenance;
use serde::Serialize;

use crate::cause::{LostSeconds, WhySerial};
use crate::energy::ConfigEnergy;
use crate::notes::{Note, Warning};
use crate::run::RunMetrics;
use crate::stats::Estimate;

pub use crate::run::{Better, QUANTITIES, Quantity, Statistics};
pub use best::Best;
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
    /// TTFT over all main requests of the together arm.
    pub ttft_s: Tail,
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

/// An agent of a configuration, with the figures of [`AgentMetrics`](crate::run::AgentMetrics).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentSummary {
    pub agent: u32,
    pub name: String,
    pub time_s: Option<Estimate>,
    pub solo_s: Option<Estimate>,
    pub np: Option<Estimate>,
    pub ttft_ms: Option<Estimate>,
    pub ttft_solo_ms: Option<Estimate>,
    pub decode_tokens_per_s: Option<Estimate>,
    pub decode_sequential_tokens_per_s: Option<Estimate>,
    pub tokens: Option<Estimate>,
    /// Mean seconds lost, by cause.
    pub lost_s: Option<LostSeconds>,
}

/// Percentiles of a pooled sample, in the unit of the values. A tail is given only where the sample can carry it.
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
