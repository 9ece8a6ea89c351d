//! A validated plan, and its expansion into arms.

mod error;
mod expand;
mod file;
pub mod limits;
#[cfg(test)]
mod reference;

use std::fmt;
use std::num::NonZeroU32;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

pub use error::{PlanError, PlanErrorKind, Refused};
pub use expand::ArmSpec;
#[cfg(test)]
pub(crate) use file::PlanFile;
pub use file::{STARTER, parse, time_limit};

use crate::options::ModelOptions;
use crate::units::Nanos;
use crate::work::Work;

/// A configuration's id, as in TR113's tables: `bvc_g60_c512_t0.6`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String")]
pub struct ConfigId(String);

impl TryFrom<String> for ConfigId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Self::new(&text) {
            Some(id) if id.0 == text => Ok(id),
            _ => Err(format!(
                "{text:?} is no configuration's id: letters, digits, `_`, `.` and `-`"
            )),
        }
    }
}

impl ConfigId {
    /// An id from a name, with TR113's slash as an underscore; `None` if it cannot be a file name.
    pub fn new(name: &str) -> Option<Self> {
        let id = name.trim().replace('/', "_");
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let is_name = !id.is_empty() && !id.starts_with('.');
        (is_name && id.chars().all(fits)).then_some(Self(id))
    }

    /// The id of a recorded folder: `bvc_gpu60_ctx512_temp0p6` is `bvc_g60_c512_t0.6`, and
    /// `hetero_het_g60c512t06__g120c1024t08` is `het_g60_g120`. Anything else keeps its name.
    pub fn from_folder(folder: &str) -> Option<Self> {
        if let Some(rest) = folder.strip_prefix("hetero_het_") {
            let gpus: Vec<_> = rest
                .split("__")
                .filter_map(|part| part.split('c').next().filter(|gpu| gpu.starts_with('g')))
                .collect();
            if gpus.len() > 1 {
                return Self::new(&format!("het_{}", gpus.join("_")));
            }
        }
        let parts: Vec<_> = folder.split('_').collect();
        let renamed = parts.iter().map(|part| {
            for (long, short) in [("gpu", "g"), ("ctx", "c"), ("temp", "t")] {
                if let Some(rest) = part.strip_prefix(long)
                    && rest.starts_with(|c: char| c.is_ascii_digit())
                {
                    let value = if long == "temp" {
                        rest.replace('p', ".")
                    } else {
                        rest.to_owned()
                    };
                    return format!("{short}{value}");
                }
            }
            (*part).to_owned()
        });
        Self::new(&renamed.collect::<Vec<_>>().join("_"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A validated plan with every default written in.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepPlan {
    pub name: String,
    /// What the plan is for, in a sentence.
    pub description: String,
    /// The model every agent uses.
    pub model: String,
    /// Root of everything random.
    pub seed: u64,
    /// The published report beside whose tables the results are set; none for a plan of its own.
    pub report: Option<ReportStyle>,
    /// How often, which arms, from which state.
    pub protocol: Protocol,
    /// One server for all agents, one each, or both as an experiment.
    pub topologies: Vec<Topology>,
    /// Servers that `per_agent` deals the agents to, in turn; none: one for each agent.
    pub per_agent_servers: Option<NonZeroU32>,
    /// Our own limits on a request.
    pub timeouts: Timeouts,
    /// How often devices and host are sampled, per second.
    pub telemetry_hz: f64,
    /// Whether artefacts hold the text of prompts and answers, or only how long it was. Written where it
    /// is false.
    #[serde(default = "keeps_text", skip_serializing_if = "Clone::clone")]
    pub keep_text: bool,
    /// The configurations, in the plan's order.
    pub configs: Vec<Config>,
}

const fn keeps_text() -> bool {
    true
}

/// How a configuration is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Protocol {
    pub kind: ProtocolKind,
    /// Repetitions on a real server.
    pub repetitions: NonZeroU32,
    /// Repetitions on the simulator.
    pub repetitions_simulated: NonZeroU32,
    pub arms: Vec<Arm>,
    /// The server's state before each arm.
    pub state: StatePolicy,
    /// Whether prompts may hit a prompt cache.
    pub cache: CachePolicy,
    /// Whether a short request after a preload measures the warm `load` of an agent none of whose
    /// requests found its model ready.
    pub probe: bool,
    /// Whether arms are put in seeded random order inside each repetition.
    pub interleave: bool,
    /// Whether every server loads and unloads the model once before the first arm. Its first load
    /// reads the weights from disk, later ones from the system's file cache; without a warm-up the
    /// first arm starts from another state than all others.
    #[serde(default)]
    pub warm_up: bool,
}

/// A published report whose tables the results fill as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStyle {
    /// The tables of the technical report TR113, with those of TR110 for comparison.
    Tr113,
}

/// A protocol: how a configuration is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolKind {
    /// As TR113 measured: one repetition, agents together only, no unloading, identical prompts.
    Tr113,
    /// Repeated, both arms, a defined server state before each arm, no help from prompt caches.
    #[default]
    Rigorous,
}

impl Protocol {
    pub fn tr113() -> Self {
        Self {
            kind: ProtocolKind::Tr113,
            repetitions: NonZeroU32::MIN,
            repetitions_simulated: NonZeroU32::MIN,
            arms: vec![Arm::Together],
            state: StatePolicy::AsLeft,
            cache: CachePolicy::Warm,
            probe: false,
            interleave: false,
            warm_up: false,
        }
    }

    pub fn rigorous() -> Self {
        const FIVE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
        const THREE: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
        Self {
            kind: ProtocolKind::Rigorous,
            repetitions: FIVE,
            repetitions_simulated: THREE,
            arms: vec![Arm::Sequential, Arm::Together],
            state: StatePolicy::Unloaded,
            cache: CachePolicy::Nonce,
            probe: true,
            interleave: true,
            warm_up: true,
        }
    }
}

/// How the agents of a repetition run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// One agent after another, in the order of the plan.
    Sequential,
    /// All agents at the same time.
    Together,
}

/// The server's state before an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatePolicy {
    /// No model is loaded.
    Unloaded,
    /// As the previous arm left it.
    #[strum(to_string = "as left")]
    AsLeft,
    /// The model is loaded with the options of the first agent.
    #[strum(to_string = "warm for agent 0")]
    WarmForFirst,
}

/// Whether prompts may hit a prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CachePolicy {
    /// Every prompt starts with a nonce: text that is different for every run, attempt, repetition and arm,
    /// so that the cache holds no prefix of it.
    Nonce,
    /// Prompts are identical every time, and the cache may hold them.
    Warm,
}

/// How agents are assigned to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// All agents use the first endpoint.
    Shared,
    /// Agent `i` uses endpoint `i` modulo the number of servers.
    PerAgent,
}

impl Topology {
    /// The index of the endpoint that an agent uses if there are `servers` of them.
    pub const fn endpoint_of(self, agent: usize, servers: usize) -> usize {
        match self {
            Self::Shared => 0,
            Self::PerAgent => agent % servers,
        }
    }
}

/// Our own limits on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// Making the connection.
    #[serde(rename = "connect_ns")]
    pub connect: Nanos,
    /// From the send to the first byte. Generous: it covers queueing, loading and prefill.
    #[serde(rename = "first_byte_ns")]
    pub first_byte: Nanos,
    /// Between two chunks.
    #[serde(rename = "between_chunks_ns")]
    pub between_chunks: Nanos,
    /// The whole request.
    #[serde(rename = "total_ns")]
    pub total: Nanos,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Nanos::from_secs(10),
            first_byte: Nanos::from_secs(600),
            between_chunks: Nanos::from_secs(120),
            total: Nanos::from_secs(1800),
        }
    }
}

/// One configuration: a scenario and its agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    pub id: ConfigId,
    /// The scenario it belongs to: `baseline_vs_chimera`, `chimera_hetero`, `chimera_homo`, …
    pub scenario: String,
    /// The group that the plan puts it into: groups that differ in which option is best are reported one
    /// by one. Where no configuration has one, agents with equal options are held against those
    /// with different ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub agents: Vec<AgentSpec>,
}

/// One agent of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSpec {
    /// Its name, which also names its built-in prompts: `collector`, `insight`.
    pub name: String,
    /// The options it sends; empty sends none.
    pub options: ModelOptions,
    pub workflow: WorkflowKind,
    /// Generations one after another; more than one lets differing options reload the model at
    /// every alternation.
    pub calls: NonZeroU32,
    /// CPU and file work before each call, a step of its own.
    #[serde(default, skip_serializing_if = "Work::is_empty")]
    pub work: Work,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowKind {
    /// Sends a prompt and reads the answer, as the agents of TR113 did.
    #[default]
    SingleCall,
    /// Reads benchmark tables, asks for an analysis of them, and writes a report.
    Full,
}

impl SweepPlan {
    pub fn agents(&self) -> impl Iterator<Item = &AgentSpec> {
        self.configs.iter().flat_map(|config| &config.agents)
    }

    /// The most agents that run at one time.
    pub fn most_agents(&self) -> usize {
        let agents = self.configs.iter().map(|config| config.agents.len());
        agents.max().unwrap_or(0)
    }

    /// The servers that the plan needs: one, or one for each agent unless the plan says how many servers they share.
    pub fn servers(&self) -> usize {
        if !self.topologies.contains(&Topology::PerAgent) {
            return 1;
        }
        let agents = self.most_agents();
        let shared = self.per_agent_servers;
        shared.map_or(agents, |n| agents.min(n.get() as usize))
    }

    /// Refuses fewer endpoints than the plan needs.
    pub fn check_endpoints(&self, given: usize) -> Result<(), PlanError> {
        let needed = self.servers();
        if given >= needed {
            return Ok(());
        }
        let kind = PlanErrorKind::TooFewEndpoints {
            given,
            needed,
            agents: self.most_agents(),
        };
        Err(PlanError::whole("--endpoint", kind))
    }

    /// Refuses more arms than a sweep can hold. `origin` is the file or the flag that says how many.
    pub fn check_arms(&self, origin: &str) -> Result<(), PlanError> {
        let protocol = &self.protocol;
        let repetitions = protocol.repetitions.max(protocol.repetitions_simulated);
        let each = self.topologies.len() * protocol.arms.len();
        let arms = self.configs.len() as u64 * each as u64 * u64::from(repetitions.get());
        let Err(expected) = limits::ARMS.check(arms) else {
            return Ok(());
        };
        let value = arms.to_string();
        let kind = PlanErrorKind::OutOfRange { value, expected };
        Err(PlanError::key(origin, "protocol.repetitions", kind))
    }

    /// True when an agent reads the benchmark tables.
    pub fn reads_tables(&self) -> bool {
        self.agents()
            .any(|agent| agent.workflow == WorkflowKind::Full)
    }

    pub fn repetitions(&self, simulated: bool) -> NonZeroU32 {
        if simulated {
            self.protocol.repetitions_simulated
        } else {
            self.protocol.repetitions
        }
    }

    /// SHA-256 of the plan's JSON: two sweeps with the same hash ran the same plan.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a plan has no maps with non-string keys");
        crate::hash::sha256_hex(&json)
    }

    /// Keeps the configurations whose id matches one of the globs. Fails when a glob is invalid, or none matches.
    pub fn keep_only(&mut self, globs: &[String]) -> Result<(), PlanError> {
        if globs.is_empty() {
            return Ok(());
        }
        let refused = |kind| PlanError::whole("--only", kind);
        let bad_glob = |e: globset::Error| refused(PlanErrorKind::BadGlob(e.to_string()));
        let mut set = globset::GlobSetBuilder::new();
        for glob in globs {
            set.add(globset::Glob::new(glob).map_err(bad_glob)?);
        }
        let set = set.build().map_err(bad_glob)?;
        let known: Vec<_> = self.configs.iter().map(|c| c.id.to_string()).collect();
        self.configs
            .retain(|config| set.is_match(config.id.as_str()));
        if self.configs.is_empty() {
            let globs = globs.to_vec();
            return Err(refused(PlanErrorKind::NothingMatches { globs, known }));
        }
        Ok(())
    }

    /// The scenarios, in order of first appearance, with the number of configurations of each.
    pub fn scenarios(&self) -> Vec<(&str, usize)> {
        let mut found = IndexMap::new();
        for config in &self.configs {
            *found.entry(config.scenario.as_str()).or_insert(0) += 1;
        }
        found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
