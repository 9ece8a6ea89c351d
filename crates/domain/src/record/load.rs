//! `load.json`. The file is written without a result when the load starts, and replaced atomically when it has ended;
//! the file of a load that was killed has no result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{ResponseNote, RunHeader};
use crate::cache::CacheCheck;
use crate::outcome::OutcomeCounts;
use crate::plan::{CachePolicy, Timeouts};

/// Version of `load.json`, raised when a key is removed or changes its meaning. Readers refuse a higher one.
pub const LOAD_SCHEMA: u32 = 3;

pub const LOAD_FILE: &str = "load.json";

/// One [`RequestRecord`](super::RequestRecord) a line, in the order in which they ended.
pub const REQUESTS_FILE: &str = "requests.jsonl";

/// `load.json`, and what `tandem load --json` prints. `docs/load.md` describes each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadFile {
    /// [`LOAD_SCHEMA`].
    pub schema: u32,
    pub header: RunHeader,
    pub asked: LoadSettings,
    /// The result; none until the load has ended.
    pub result: Option<LoadResult>,
}

/// The settings of a load.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Asked")]
pub struct LoadSettings {
    pub model: String,
    pub shape: Shape,
    pub requests: u32,
    /// Most tokens of each answer, unless the trace has its own.
    pub num_predict: i64,
    /// Root of arrivals and sampling seeds. The root of nonces is in the header.
    pub seed: u64,
    /// Whether every prompt starts with the same text.
    #[serde(default)]
    pub same_prompt: bool,
    /// Turns of each session; absent for independent requests.
    pub turns: Option<u32>,
    /// Work of agents between their requests.
    pub work: Option<WorkSettings>,
    /// The client's time limits on each request; absent for the defaults of a plan.
    pub timeouts: Option<Timeouts>,
    /// Limits that a request must keep to count as good, as given.
    pub slo: Option<String>,
}

impl LoadSettings {
    /// Whether prompts begin with nonces.
    pub fn cache(&self) -> CachePolicy {
        if self.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        }
    }

    /// A warning if a prompt cache helped although prompts have nonces. None for a trace, whose prompts may share text.
    pub fn cache_warning(&self, figures: &Figures) -> Option<String> {
        let is_trace = matches!(self.shape, Shape::Replay { .. });
        let check = figures.cache.filter(|_| !self.same_prompt && !is_trace)?;
        check.warning()
    }
}

/// The planned starts of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    /// Closed loop: each agent sends its next request when its last one has ended.
    Closed {
        agents: u32,
        /// Pause between an answer and the agent's next request, seconds.
        think_s: f64,
    },
    /// Open loop: requests, or sessions of several turns, start at planned times.
    Open {
        /// `constant`, `poisson` or `gamma`.
        arrivals: String,
        /// Coefficient of variation of gamma distributed gaps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cv: Option<f64>,
        /// Starts per second; after a ramp, its last rate.
        #[serde(rename = "rate")]
        rate_per_s: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<RampSettings>,
        /// Most requests in flight; none without a limit.
        agents: Option<u32>,
        /// Pause between an answer and the session's next turn, seconds.
        #[serde(default)]
        think_s: f64,
    },
    /// Requests start at the recorded times of a trace.
    Replay {
        /// The trace's file name.
        trace: String,
        /// SHA-256 of its content.
        sha256: String,
        /// Recorded seconds per second.
        #[serde(rename = "speed")]
        speed_factor: f64,
        /// Most requests in flight; none without a limit.
        agents: Option<u32>,
        /// Column and unit of the starts: `timestamp in milliseconds`; absent in files of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts: Option<String>,
        /// Requests of the trace without a recorded response, which were not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<u32>,
        /// Columns of the trace that were not used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unused: Vec<String>,
    },
}

/// A rate that changes linearly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RampAsked")]
pub struct RampSettings {
    /// Starts per second at its beginning.
    #[serde(rename = "from")]
    pub from_per_s: f64,
    /// How long it takes, seconds.
    pub over_s: f64,
}

/// Work of an agent before each of its requests.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WorkAsked")]
pub struct WorkSettings {
    /// CPU work, as given: `primes:200000`.
    pub cpu: Option<String>,
    /// Bytes written to a file, read back and deleted.
    pub file_bytes: Option<u64>,
    /// Threads that all agents share for it.
    pub threads: u32,
}

/// The result of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Requests that were never sent because it was stopped.
    pub not_begun: u32,
    /// The most requests in flight at one time, waiting for their connection included.
    pub peak_in_flight: u32,
    /// Whether every server had loaded the model before the first request; absent if it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmed: Option<bool>,
    pub figures: Figures,
    pub client: ClientCost,
}

/// Resources that the client process used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientCost {
    /// CPU time of all its threads from the first request to the end, seconds.
    pub cpu_s: Option<f64>,
    /// The same per received token, microseconds.
    pub cpu_us_per_token: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    /// Whether the simulator ran in this process, so that these figures include it.
    pub shared_with_simulator: bool,
    /// Requests that were held back until rows were on disk.
    #[serde(default)]
    pub disk_waits: u32,
    /// Total time they were held back, seconds.
    #[serde(default)]
    pub disk_wait_s: f64,
}

/// A load's figures. `docs/load.md` says what each is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    pub outcomes: OutcomeCounts,
    /// Failed requests by message.
    pub failures: BTreeMap<String, u32>,
    /// From the first send to the last completed answer, seconds.
    pub wall_s: Option<f64>,
    /// Tokens of completed requests.
    pub tokens: u64,
    /// The part of them that are counted chunks, because the server gave no count.
    pub tokens_estimated: u64,
    /// Tokens of the other requests.
    pub tokens_not_completed: u64,
    /// Completed requests over the wall time.
    pub requests_per_s: Option<f64>,
    /// Their tokens over the wall time.
    pub tokens_per_s: Option<f64>,
    /// Sends after the first over the time from the first send to the last.
    pub sent_per_s: Option<f64>,
    /// From the send to the first chunk with output.
    pub ttft_ms: Option<Spread>,
    /// From the planned start to the first chunk with output.
    pub ttft_scheduled_ms: Option<Spread>,
    /// From the planned start to the send.
    pub client_queue_ms: Option<Spread>,
    /// Time to open a connection when none was free (name lookup, TCP and TLS), of requests with any outcome. It
    /// lies before the send, so `client_queue_ms` includes it and `ttft_ms` does not. None if there was always a
    /// free connection, and in virtual time.
    #[serde(default)]
    pub connect_ms: Option<Spread>,
    /// Connections that took one second or more: the server's accept queue was full and the system had to retry.
    #[serde(default)]
    pub slow_connects: u32,
    /// From the first token to the last, over the tokens after the first.
    pub tpot_ms: Option<Spread>,
    /// Gaps between consecutive chunks with output, of all requests together.
    pub itl_ms: Option<Spread>,
    /// From the send to the final object.
    pub e2e_ms: Option<Spread>,
    /// Requests that kept the limits, if there are limits.
    pub slo: Option<Goodput>,
    /// Number of responses with each note; absent without any. What incomplete responses lack is among the failures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<ResponseNote, u32>,
    /// Figures that contradict each other or the server's own counters.
    pub clock_warnings: u32,
    /// Figures of each turn, for sessions of several turns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnFigures>,
    /// Work of agents between requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkFigures>,
    /// Whether a prompt cache helped; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheCheck>,
}

/// Requests that kept every limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Goodput {
    /// The limits, as given.
    pub limits: String,
    /// Requests that kept all of them.
    pub good: u32,
    /// Their share among all requests.
    pub share: Option<f64>,
    /// The goodput: good requests over the wall time.
    pub per_s: Option<f64>,
}

/// The distribution of a quantity, in the unit of the values. A percentile for which the sample is too small is none, and
/// `needs` has the number of observations it requires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Observations.
    pub n: usize,
    pub mean: f64,
    pub min: f64,
    pub p50: f64,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: f64,
    /// Observations that each missing percentile requires.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, usize>,
    /// Largest relative error of a percentile; absent for exact ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_error: Option<f64>,
}

/// Figures of the completed requests of one turn of all sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnFigures {
    /// The turn, from 1.
    pub turn: u32,
    /// From the send to the first chunk with output, ms.
    pub ttft_ms: Option<Spread>,
    /// Mean tokens of the prompt with the conversation, by the server's count; none if it gave none.
    pub prompt_tokens_mean: Option<f64>,
    /// Mean tokens of them that came from the server's cache, over the requests for which it counted them.
    pub cached_tokens_mean: Option<f64>,
}

/// Durations of the agents' work before their requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkFigures {
    /// Wait for a free thread, ms.
    pub queue_ms: Option<Spread>,
    pub cpu_ms: Option<Spread>,
    pub file_ms: Option<Spread>,
}
