//! A load's folder: what its `load.json` says. The file is written when the load begins, without a
//! result, and replaced in one step when it has ended; a load that was killed has none.

use domain::record::RunHeader;
use serde::{Deserialize, Serialize};

use super::Figures;

/// Version of `load.json`; raised when a key changes its meaning or goes. Readers refuse a higher
/// one.
pub const LOAD_SCHEMA: u32 = 3;

/// What was asked for, of whom, and the figures once there are any.
pub const LOAD_FILE: &str = "load.json";

/// One [`RequestRecord`](domain::record::RequestRecord) a line, in the order in which they ended.
pub const REQUESTS_FILE: &str = "requests.jsonl";

/// `load.json`, and what `tandem load --json` prints. `docs/load.md` describes each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadFile {
    /// [`LOAD_SCHEMA`].
    pub schema: u32,
    /// What the load says of itself.
    pub header: RunHeader,
    /// What was asked for.
    pub asked: Asked,
    /// How it was carried; none until the load has ended.
    pub result: Option<LoadResult>,
}

/// What a load was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// When requests were to start.
    pub shape: Shape,
    /// How many requests in all.
    pub requests: u32,
    /// Most tokens of each answer, where the requests do not bring their own.
    pub num_predict: i64,
    /// Root of arrivals, nonces and sampling seeds.
    pub seed: u64,
    /// Every request began with the same text.
    #[serde(default)]
    pub same_prompt: bool,
    /// Turns of each session; absent for requests that stand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// What agents do between their requests, besides waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkAsked>,
    /// Limits that a request must keep to count as good, as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<String>,
}

/// When requests were to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    /// Each agent sends its next request when its last one has ended.
    Closed {
        /// The agents.
        agents: u32,
        /// From an answer to the agent's next request, seconds.
        think_s: f64,
    },
    /// Requests, or sessions of several turns, start at their planned times.
    Open {
        /// `constant`, `poisson` or `gamma`.
        arrivals: String,
        /// Coefficient of variation of the gaps, where it is not in the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cv: Option<f64>,
        /// Starts per second; after a ramp, the rate that it ends at.
        rate: f64,
        /// The rate's way there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<RampAsked>,
        /// Most requests in flight; none without a limit.
        agents: Option<u32>,
        /// From an answer to the session's next turn, seconds.
        #[serde(default)]
        think_s: f64,
    },
    /// Requests start as they did when they were recorded.
    Replay {
        /// The trace's file name.
        trace: String,
        /// SHA-256 of its content.
        sha256: String,
        /// Recorded seconds per second.
        speed: f64,
        /// Most requests in flight; none without a limit.
        agents: Option<u32>,
    },
}

/// A rate that changes linearly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RampAsked {
    /// Starts per second at its beginning.
    pub from: f64,
    /// How long it takes, seconds.
    pub over_s: f64,
}

/// What an agent does before each of its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkAsked {
    /// CPU work, as it was given: `primes:200000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Bytes written to a file, read back and deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// Threads that all agents share for it.
    pub threads: u32,
}

/// How a load was carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// Stopped before its end.
    pub interrupted: bool,
    /// Requests never sent because it was stopped.
    pub not_begun: u32,
    /// The most requests in flight at one time, waiting for their connection included.
    pub peak_in_flight: u32,
    /// The figures.
    pub figures: Figures,
    /// What measuring cost.
    pub client: ClientCost,
}

/// What measuring cost this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientCost {
    /// CPU time of all its threads from the first request to the end, seconds.
    pub cpu_s: Option<f64>,
    /// The same over all tokens received, microseconds.
    pub cpu_us_per_token: Option<f64>,
    /// The most memory it held at one time.
    pub peak_memory_bytes: Option<u64>,
    /// The simulator ran in this process, so that its cost cannot be told from the client's.
    pub shared_with_simulator: bool,
    /// Requests that had to wait until rows were on disk before they could begin.
    #[serde(default)]
    pub disk_waits: u32,
    /// How long they waited, all together, seconds.
    #[serde(default)]
    pub disk_wait_s: f64,
}
