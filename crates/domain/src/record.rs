//! The records that a sweep writes to disk. They hold raw facts only; all figures are derived from them.
//!
//! A results folder holds `manifest.json` ([`Manifest`]), `journal.jsonl` (one [`JournalLine`] a line, appended as
//! requests, steps and arms end) and `telemetry.jsonl` (one [`Sample`] a line).

mod budget;
mod calibration;
pub mod capacity;
mod header;
pub mod load;
mod nonce;
mod runtime;
pub mod schema1;
mod times;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::backend::{LoadedModel, ServerIdentity};
use crate::options::ModelOptions;
use crate::plan::{Arm, ConfigId, SweepPlan, Topology};
use crate::telemetry::Sample;
use crate::units::{Nanos, Stamp};
use crate::work::WorkRecord;

pub use budget::{Bias, BudgetDepth, BudgetEnd, BudgetStep, ClientBudget};
pub use calibration::{CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration};
pub use header::{EndpointFacts, Environment, Provenance, RunHeader, SimulatorSettings, TimeScale};
pub use nonce::{NonceRoot, NonceRootError};
pub use runtime::{HttpClient, RuntimeFacts, RuntimeFlavour};
pub use times::{RequestTimes, ResponseNote, ServerCounters, StampSource, TokenSource};

/// Version of the results folder's format. A folder with a higher number is refused.
pub const RESULTS_SCHEMA: u32 = 2;

pub const MANIFEST_FILE: &str = "manifest.json";

/// One [`JournalLine`] a line, in the order in which their subjects ended.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// One [`Sample`] a line.
pub const TELEMETRY_FILE: &str = "telemetry.jsonl";

/// The folder of the reports that agents with the full workflow write.
pub const ARTEFACTS_FOLDER: &str = "artefacts";

#[derive(Debug, Clone, PartialEq)]
pub struct SweepRecords {
    pub manifest: Manifest,
    pub journal: Vec<JournalLine>,
    pub telemetry: Vec<Sample>,
    /// Warnings about the records, such as lines that are cut off and arms that were never run.
    pub warnings: Vec<String>,
}

/// `manifest.json`: the plan, the program, the servers and the machine of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// [`RESULTS_SCHEMA`].
    pub schema: u32,
    pub header: RunHeader,
    /// The client that ran the agents: `rust-tokio`; the Python client writes its own name.
    pub runner: String,
    /// The plan with all defaults.
    pub plan: SweepPlan,
    /// SHA-256 of the resolved plan's JSON.
    pub plan_hash: String,
    /// Repetitions of each configuration.
    pub repetitions: u32,
    /// The tables that agents with the full workflow read; absent without such agents, and in records of versions
    /// that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmarks: Option<BenchmarkTables>,
}

/// The benchmark tables that agents with the full workflow read. Their prompts contain figures from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenchmarkTables {
    /// The folder, as it was typed.
    pub folder: PathBuf,
    /// SHA-256 of the tables, names included.
    pub sha256: String,
}

/// One line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "few exist at one time")]
pub enum JournalLine {
    /// A request ended.
    Request(RequestRecord),
    /// A step of an agent's workflow ended.
    Step(StepRecord),
    /// An arm ended.
    Arm(ArmRecord),
    /// The sweep was interrupted, resumed or finished.
    Mark(Mark),
}

/// A run of the plan: a repetition of a configuration on a topology.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct RunKey {
    pub config: ConfigId,
    pub topology: Topology,
    /// Repetition, from 1.
    pub repetition: u32,
}

impl RunKey {
    /// The only run of a load, on one server or on several.
    pub fn of_load(topology: Topology) -> Self {
        Self {
            config: ConfigId::new("load").expect("a plain word is an id"),
            topology,
            repetition: 1,
        }
    }
}

/// One request.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestRecord {
    pub run: RunKey,
    pub arm: Arm,
    /// Which attempt at this arm, from 1; a resumed sweep starts a new attempt.
    pub attempt: u32,
    pub role: RequestRole,
    /// The agent's place in the configuration, from 0.
    pub agent: u32,
    pub agent_name: String,
    pub step: String,
    /// The call's place among this agent's main requests, from 0.
    pub call: u32,
    /// Index into the manifest's endpoints.
    pub endpoint: u32,
    pub model: String,
    /// Options sent, without those that the server's protocol does not support.
    pub options: ModelOptions,
    /// SHA-256 of the prompt as sent.
    pub prompt_sha256: String,
    /// Times, outcome and server counters.
    pub times: RequestTimes,
    /// Why the server stopped.
    pub done_reason: Option<String>,
    /// Characters of content.
    pub output_chars: u64,
    /// Its place in a session of several turns.
    pub turn: Option<Turn>,
    /// The session that started this one, if an agent started another.
    pub parent: Option<u32>,
    /// The shard of a run that several clients share, from 0.
    pub shard: Option<u32>,
    /// The client's machine, in runs with several.
    pub node: Option<String>,
    /// The agent's work just before the request. That time lies before `scheduled`.
    pub work: Option<WorkRecord>,
}

/// A request's place in a session of several turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// The session, from 0.
    pub session: u32,
    /// The turn, from 1. Its prompt contains all earlier turns that were answered.
    pub turn: u32,
}

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestRole {
    /// A request of the measured workload.
    Main,
    /// A short request after a preload that measures the warm `load`. Other figures do not count it.
    Probe,
}

/// One step of an agent's workflow. Steps account for the time outside requests.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    pub run: RunKey,
    pub arm: Arm,
    pub attempt: u32,
    pub agent: u32,
    pub step: String,
    /// What the step does: `ingest`, `generate`, `think`, `write`.
    pub kind: String,
    pub started: Stamp,
    pub ended: Stamp,
    /// Part of the step that was spent waiting for a thread for CPU or file work.
    pub queue_ns: Option<Nanos>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl StepRecord {
    /// The error of a step that was cancelled.
    pub const CANCELLED: &str = "cancelled";

    /// Why the step failed. `None` if it was cancelled, and if its request failed, which has a row of its own.
    pub fn failure(&self) -> Option<&str> {
        let error = self.error.as_deref()?;
        (self.kind != "generate" && error != Self::CANCELLED).then_some(error)
    }
}

/// One arm of one run. An arm with a complete record need not be run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmRecord {
    pub run: RunKey,
    pub arm: Arm,
    pub attempt: u32,
    /// Start, after the server's state was set.
    pub started: Stamp,
    pub ended: Stamp,
    /// Whether every agent ran to its end, successfully or not.
    pub complete: bool,
    /// The server's state as it was set before the arm: `unloaded`, `as left`, `warm for agent 0`.
    pub state_rule: String,
    /// Loaded models of each endpoint before the arm; `None` if the server did not answer.
    pub loaded_before: Vec<Option<Vec<LoadedModel>>>,
    /// Loaded models of each endpoint after the arm.
    pub loaded_after: Vec<Option<Vec<LoadedModel>>>,
    /// Start and end of each agent, in agent order.
    pub agents: Vec<AgentSpan>,
    /// Deviations from the plan (state not reached, telemetry lost, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Servers whose identity after the arm differs from the manifest's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_servers: Vec<ChangedServer>,
}

/// A server whose identity changed since the sweep began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedServer {
    /// Index into the manifest's endpoints.
    pub endpoint: u32,
    /// Its current identity.
    pub server: ServerIdentity,
}

/// The time of an agent in an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSpan {
    pub started: Stamp,
    pub ended: Stamp,
}

/// An event of a sweep as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    pub at: Stamp,
    pub what: MarkKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Root of the nonces of the following prompts, when a sweep starts or resumes; absent if prompts have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<NonceRoot>,
}

/// The marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The sweep started.
    Started,
    /// A stopped sweep was resumed. Its stamps continue after the last one.
    Resumed,
    /// The sweep was stopped.
    Interrupted,
    /// Every arm is complete.
    Finished,
}

impl RequestRecord {
    /// The first call of the run's first agent in its first attempt, at the first endpoint. The caller sets the
    /// other fields.
    pub fn new(run: RunKey, arm: Arm, times: RequestTimes) -> Self {
        Self {
            run,
            arm,
            attempt: 1,
            role: RequestRole::Main,
            agent: 0,
            agent_name: String::new(),
            step: String::new(),
            call: 0,
            endpoint: 0,
            model: String::new(),
            options: ModelOptions::default(),
            prompt_sha256: String::new(),
            times,
            done_reason: None,
            output_chars: 0,
            turn: None,
            parent: None,
            shard: None,
            node: None,
            work: None,
        }
    }

    /// Sets an absent `load` of a completed request to zero if its server holds its model: such a server never
    /// loads. Otherwise an absent `load` stays unknown.
    pub fn settle_load(&mut self, endpoints: &[EndpointFacts]) {
        let server = endpoints.get(self.endpoint as usize);
        if self.times.outcome.is_completed() && server.is_some_and(|e| e.server.holds_model()) {
            self.times.counters.load.get_or_insert(Nanos::ZERO);
        }
    }
}
