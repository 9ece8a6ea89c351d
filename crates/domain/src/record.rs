//! What a sweep writes to disk. Raw facts only: everything else is derived from these and can be
//! derived again.
//!
//! A results folder holds `manifest.json` ([`Manifest`]), `journal.jsonl` (one [`JournalLine`] a
//! line, appended and flushed as things end) and `telemetry.jsonl` (one [`Sample`] a
//! line).

mod budget;
mod calibration;
pub mod capacity;
mod counters;
mod header;
pub mod load;
mod nonce;
mod runtime;
pub mod schema1;
mod times;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backend::{LoadedModel, ServerIdentity};
use crate::options::ModelOptions;
use crate::plan::{Arm, ConfigId, SweepPlan, Topology};
use crate::telemetry::Sample;
use crate::units::{Nanos, Stamp};
use crate::work::WorkRecord;

pub use budget::{Bias, BudgetDepth, BudgetEnd, BudgetStep, ClientBudget};
pub use calibration::{CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration};
pub use counters::ServerCounters;
pub use header::{EndpointFacts, Environment, Provenance, RunHeader, SimulatorSettings, TimeScale};
pub use nonce::{NonceRoot, NonceRootError};
pub use runtime::{HttpClient, RuntimeFacts, RuntimeFlavour};
pub use times::{RequestTimes, ResponseNote, StampSource, TokenSource};

/// Version of the results folder's format. A folder with a higher number is refused.
pub const RESULTS_SCHEMA: u32 = 2;

/// What was going to be run.
pub const MANIFEST_FILE: &str = "manifest.json";

/// One [`JournalLine`] a line, in the order in which things ended.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// One [`Sample`] a line.
pub const TELEMETRY_FILE: &str = "telemetry.jsonl";

/// The folder of what agents with the full workflow write.
pub const ARTEFACTS_FOLDER: &str = "artefacts";

/// What a sweep's folder holds, read.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRecords {
    /// What was going to be run.
    pub manifest: Manifest,
    /// What happened, in the order in which it ended.
    pub journal: Vec<JournalLine>,
    /// What devices and host said meanwhile.
    pub telemetry: Vec<Sample>,
    /// What a reader must know of them: lines that are cut off, arms that were never run.
    pub warnings: Vec<String>,
}

/// `manifest.json`: what was going to be run, by what, where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Manifest {
    /// [`RESULTS_SCHEMA`].
    pub schema: u32,
    /// What the sweep says of itself.
    pub header: RunHeader,
    /// Which client ran the agents: `rust-tokio`; the Python twin writes its own.
    pub runner: String,
    /// The resolved plan, defaults written in.
    pub plan: SweepPlan,
    /// SHA-256 of the resolved plan's JSON.
    pub plan_hash: String,
    /// Repetitions this sweep makes of each configuration.
    pub repetitions: u32,
    /// What agents with the full workflow read; absent where no agent has it, and where nobody
    /// recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmarks: Option<BenchmarkTables>,
}

/// The benchmark tables that agents with the full workflow read; their prompts hold figures of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BenchmarkTables {
    /// The folder, as it was typed.
    pub folder: PathBuf,
    /// SHA-256 of the tables, names included.
    pub sha256: String,
}

/// One line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "lines are written or read one at a time"
)]
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

/// Which run of the plan something belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunKey {
    /// Configuration.
    pub config: ConfigId,
    /// One server for all agents, or one each.
    pub topology: Topology,
    /// Repetition, from 1.
    pub repetition: u32,
}

impl RunKey {
    /// The one run of a load on one server, or on several.
    pub fn of_load(topology: Topology) -> Self {
        Self {
            config: ConfigId::new("load").expect("a plain word is an id"),
            topology,
            repetition: 1,
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestRecord {
    /// The run.
    pub run: RunKey,
    /// The arm.
    pub arm: Arm,
    /// Which attempt at this arm, from 1; a resumed sweep starts a new attempt.
    pub attempt: u32,
    /// What the request was for.
    pub role: RequestRole,
    /// The agent's place in the configuration, from 0.
    pub agent: u32,
    /// The agent's name.
    pub agent_name: String,
    /// The workflow step.
    pub step: String,
    /// The call's place among this agent's main requests, from 0.
    pub call: u32,
    /// Index into the manifest's endpoints.
    pub endpoint: u32,
    /// Model asked for.
    pub model: String,
    /// Options sent. Those that the server's protocol cannot carry are left out.
    pub options: ModelOptions,
    /// SHA-256 of the prompt as sent.
    pub prompt_sha256: String,
    /// When everything happened, how it ended, and what the server counted.
    pub times: RequestTimes,
    /// Why the server stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_reason: Option<String>,
    /// Characters of content.
    pub output_chars: u64,
    /// Its place in a session of several turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The session that started this one, where an agent started another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The part of a run that was dealt to several clients, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// The machine that the client ran on, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What the agent did just before it, besides waiting. That time lies before `scheduled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkRecord>,
}

/// A request's place in a session of several turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Turn {
    /// The session, from 0.
    pub session: u32,
    /// The turn, from 1. Its prompt holds all the turns before it that were answered.
    pub turn: u32,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestRole {
    /// The work that is measured.
    Main,
    /// A short request after a preload, to learn the warm `load`. Kept out of every other figure.
    Probe,
}

/// One step of an agent's workflow, so that time spent outside requests is known too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRecord {
    /// The run.
    pub run: RunKey,
    /// The arm.
    pub arm: Arm,
    /// Which attempt at this arm.
    pub attempt: u32,
    /// The agent's place in the configuration.
    pub agent: u32,
    /// The step's name.
    pub step: String,
    /// What the step does: `ingest`, `generate`, `think`, `write`.
    pub kind: String,
    /// It began.
    pub started: Stamp,
    /// It ended.
    pub ended: Stamp,
    /// Of it, waiting for a thread that was free for CPU or file work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ns: Option<Nanos>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl StepRecord {
    /// The error of a step that was cancelled.
    pub const CANCELLED: &str = "cancelled";

    /// Why the step failed. None for one that was cancelled, and for one whose request failed: that
    /// has a row of its own.
    pub fn failure(&self) -> Option<&str> {
        let error = self.error.as_deref()?;
        (self.kind != "generate" && error != Self::CANCELLED).then_some(error)
    }
}

/// One arm of one run. Its presence with `complete` says that the arm need not be run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ArmRecord {
    /// The run.
    pub run: RunKey,
    /// The arm.
    pub arm: Arm,
    /// Which attempt at this arm.
    pub attempt: u32,
    /// It began (after the server's state was set).
    pub started: Stamp,
    /// It ended.
    pub ended: Stamp,
    /// Every agent ran to its end, with whatever outcome.
    pub complete: bool,
    /// The server's state as it was set before the arm: `unloaded`, `as left`, `warm for agent 0`.
    pub state_rule: String,
    /// Loaded models per endpoint before the arm; `None` where the server would not say.
    pub loaded_before: Vec<Option<Vec<LoadedModel>>>,
    /// Loaded models per endpoint after the arm.
    pub loaded_after: Vec<Option<Vec<LoadedModel>>>,
    /// When each agent began and ended, in agent order.
    pub agents: Vec<AgentSpan>,
    /// What could not be done as planned (state not reached, telemetry lost, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Servers that after the arm say that they are something else than the manifest has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_servers: Vec<ChangedServer>,
}

/// A server that is no longer what it was when the sweep began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangedServer {
    /// Index into the manifest's endpoints.
    pub endpoint: u32,
    /// What it says it is now.
    pub server: ServerIdentity,
}

/// One agent's stay in an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AgentSpan {
    /// Its workflow began.
    pub started: Stamp,
    /// Its workflow ended.
    pub ended: Stamp,
}

/// A mark in the life of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mark {
    /// When.
    pub at: Stamp,
    /// What.
    pub what: MarkKind,
    /// Details.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Root of the nonces of the prompts from here on, where a sweep began or went on; absent where
    /// prompts begin with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<NonceRoot>,
}

/// The marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The sweep began.
    Started,
    /// A stopped sweep went on. Stamps go on from where they stopped.
    Resumed,
    /// Somebody stopped it.
    Interrupted,
    /// Every arm is complete.
    Finished,
}

impl RequestRecord {
    /// The first call of the run's first agent in its first attempt, at the first endpoint. What
    /// else is known of it is the caller's to set.
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

    /// Makes an absent `load` of a completed request zero where its server holds its model: such a
    /// server reports no load because there is none. Elsewhere, absent stays unknown.
    pub fn settle_load(&mut self, endpoints: &[EndpointFacts]) {
        let server = endpoints.get(self.endpoint as usize);
        if self.times.outcome.is_completed() && server.is_some_and(|e| e.server.holds_model()) {
            self.times.counters.load.get_or_insert(Nanos::ZERO);
        }
    }
}
