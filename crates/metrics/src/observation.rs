//! What was observed, in the one shape that all computations start from.

use crate::notes::Warning;
use domain::cache::CacheCheck;
use domain::plan::{Arm, ConfigId, Topology};
use domain::record::{Environment, Manifest, Provenance};
use domain::telemetry::Sample;
use domain::{ModelOptions, Nanos, Stamp};
use serde::Serialize;

pub use domain::record::{RequestTimes, StampSource};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// Name of the sweep or of the imported set.
    pub name: String,
    pub provenance: Provenance,
    pub manifest: Option<Manifest>,
    pub environment: Option<Environment>,
    /// Where the data come from, in words fit for a report.
    pub source: String,
    /// The runs, in the plan's order of configurations, then topology, then repetition.
    pub runs: Vec<RunObservation>,
    pub published: Vec<PublishedRow>,
    /// In time order.
    pub telemetry: Vec<Sample>,
    /// Contexts per slot of the models that the servers listed as loaded, tokens, ascending.
    pub contexts: Vec<u64>,
    /// Whether a prompt cache helped, over all main requests.
    pub cache: CacheCheck,
    /// What could not be loaded or used.
    pub warnings: Vec<Warning>,
}

/// One repetition of one configuration on one topology.
#[derive(Debug, Clone, PartialEq)]
pub struct RunObservation {
    pub config: ConfigId,
    pub scenario: String,
    /// `None` if unknown.
    pub topology: Option<Topology>,
    /// From 1.
    pub repetition: u32,
    /// The arm in which all agents ran at once.
    pub together: Option<ArmObservation>,
    /// The arm in which they ran one after another.
    pub sequential: Option<ArmObservation>,
    /// `load` of requests that were measured after a preload, by agent.
    pub probes: Vec<WarmLoad>,
    /// The contention flag recorded with the run by another program.
    pub contention_recorded: Option<bool>,
    /// The speedup recorded with the run by another program.
    pub speedup_recorded: Option<f64>,
    /// The wall time recorded by another program, seconds; its last digits may differ from what the stamps give.
    pub wall_recorded_s: Option<f64>,
}

impl RunObservation {
    /// The arms that were observed, the together arm first.
    pub fn arms(&self) -> impl Iterator<Item = &ArmObservation> {
        [&self.together, &self.sequential].into_iter().flatten()
    }

    pub fn arms_mut(&mut self) -> impl Iterator<Item = &mut ArmObservation> {
        let arms = [&mut self.together, &mut self.sequential];
        arms.into_iter().flatten()
    }
}

/// The warm `load` of an agent, from a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmLoad {
    pub agent: u32,
    /// The `load` a ready model cost.
    pub load: Nanos,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ArmObservation {
    pub arm: Arm,
    /// The server's state before it, in words (`unloaded`, `as left`, …); `None` when unknown.
    pub state_rule: Option<String>,
    pub agents: Vec<AgentObservation>,
    /// Whether every agent ran to its end, successfully or not.
    pub complete: bool,
    /// Intervals in which the device held its clocks down for heat or power.
    pub throttled: Vec<(Stamp, Stamp)>,
    /// Calibrated mean lateness of the client's stamps at this arm's rate of tokens; `None` without a calibration.
    pub client_bias: Option<Nanos>,
}

impl ArmObservation {
    /// Its main requests, agent by agent.
    pub fn requests(&self) -> impl Iterator<Item = &RequestTimes> {
        self.agents.iter().flat_map(|agent| &agent.requests)
    }

    pub fn tokens(&self) -> u64 {
        let each = self.agents.iter().map(AgentObservation::tokens);
        each.fold(0, u64::saturating_add)
    }

    /// True when a request's stamps were rebuilt from durations.
    pub fn is_rebuilt(&self) -> bool {
        self.requests().any(|r| r.stamps == StampSource::Rebuilt)
    }

    /// The agents on the server of `agent`, itself included.
    pub fn peers(&self, agent: &AgentObservation) -> impl Iterator<Item = &AgentObservation> {
        let server = agent.server;
        self.agents.iter().filter(move |a| a.server == server)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentObservation {
    /// Its place, from 0.
    pub agent: u32,
    pub name: String,
    pub options: ModelOptions,
    /// Index of the server it talked to; agents with equal indices share a server.
    pub server: u32,
    /// Main requests, in order.
    pub requests: Vec<RequestTimes>,
    /// Its workflow's own span, where steps other than requests were recorded.
    pub span: Option<(Stamp, Stamp)>,
    /// Share of its server's model that was on the CPU, 0..1, as the server said after the arm; `None` when it
    /// did not say, or when the model was then loaded with other options.
    pub on_cpu_share: Option<f64>,
    /// The rate recorded for it by another program.
    pub rate_recorded_tokens_per_s: Option<f64>,
}

impl AgentObservation {
    pub fn tokens(&self) -> u64 {
        let each = self.requests.iter().map(|r| r.tokens);
        each.fold(0, u64::saturating_add)
    }

    /// True when a server keeps the model loaded from either agent's options to the other's.
    pub fn shares_runner(&self, other: &Self) -> bool {
        let (own, others) = (&self.options, &other.options);
        !own.reloads_for(others) && !others.reloads_for(own)
    }

    /// Its decode rate: as recorded, or the server's tokens over the server's time.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (mut count, mut time) = (0_u64, Nanos::ZERO);
        for counters in self.requests.iter().map(|r| &r.counters) {
            if let (Some(n), Some(t)) = (counters.eval_count, counters.eval) {
                count = n.saturating_add(count);
                time += t;
            }
        }
        let is_known = count > 0 && time > Nanos::ZERO;
        let own = is_known.then(|| count as f64 / time.as_secs_f64());
        self.rate_recorded_tokens_per_s.or(own)
    }
}

/// A row of TR113's published tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedRow {
    #[serde(rename = "id")]
    pub config: ConfigId,
    pub scenario: String,
    /// The options that the table names, of the agents that set any; empty where it names none.
    #[serde(skip)]
    pub options: ModelOptions,
    pub speedup: f64,
    pub efficiency_percent: f64,
    /// Published TTFT delta, ms; the heterogeneous table has none.
    pub ttft_delta_ms: Option<f64>,
    /// Published throughput delta; the heterogeneous table has none.
    pub tp_delta_tokens_per_s: Option<f64>,
    pub contention: bool,
}
