//! A load's folder: what its `load.json` says. The file is written when the load begins, without a
//! result, and replaced in one step when it has ended; a load that was killed has none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ResponseNote, RunHeader};
use crate::cache::CacheCheck;
use crate::outcome::OutcomeCounts;
use crate::plan::{CachePolicy, Timeouts};

/// Version of `load.json`; raised when a key changes its meaning or goes. Readers refuse a higher
/// one.
pub const LOAD_SCHEMA: u32 = 3;

/// What was asked for, of whom, and the figures once there are any.
pub const LOAD_FILE: &str = "load.json";

/// One [`RequestRecord`](super::RequestRecord) a line, in the order in which they ended.
pub const REQUESTS_FILE: &str = "requests.jsonl";

/// `load.json`, and what `tandem load --json` prints. `docs/load.md` describes each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asked {
    /// The model.
    pub model: String,
    /// When requests were to start.
    pub shape: Shape,
    /// How many requests in all.
    pub requests: u32,
    /// Most tokens of each answer, where the requests do not bring their own.
    pub num_predict: i64,
    /// Root of arrivals and sampling seeds; nonces have the header's.
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
    /// The client's limits on each request; absent where they are those of a plan that sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Limits that a request must keep to count as good, as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<String>,
}

impl Asked {
    /// Whether prompts begin with a nonce each.
    pub fn cache(&self) -> CachePolicy {
        if self.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        }
    }

    /// That a prompt cache helped a load that it was not to help. What the prompts of a trace share is
    /// the trace's: there a cache may help.
    pub fn cache_warning(&self, figures: &Figures) -> Option<String> {
        let is_trace = matches!(self.shape, Shape::Replay { .. });
        let check = figures.cache.filter(|_| !self.same_prompt && !is_trace)?;
        check.warning()
    }
}

/// When requests were to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        /// Column and unit of the starts: `timestamp in milliseconds`; absent in files of versions that
        /// did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts: Option<String>,
        /// Requests of the trace that had no response when they were recorded, and were not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<u32>,
        /// Columns of the trace that were not used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unused: Vec<String>,
    },
}

/// A rate that changes linearly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RampAsked {
    /// Starts per second at its beginning.
    pub from: f64,
    /// How long it takes, seconds.
    pub over_s: f64,
}

/// What an agent does before each of its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadResult {
    /// Stopped before its end.
    pub interrupted: bool,
    /// Requests never sent because it was stopped.
    pub not_begun: u32,
    /// The most requests in flight at one time, waiting for their connection included.
    pub peak_in_flight: u32,
    /// Every server had the model loaded before the first request; absent where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmed: Option<bool>,
    /// The figures.
    pub figures: Figures,
    /// What measuring cost.
    pub client: ClientCost,
}

/// What measuring cost this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// A load's figures. `docs/load.md` says what each is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Figures {
    /// Requests by how they ended.
    pub outcomes: OutcomeCounts,
    /// Requests by the server's or the transport's words.
    pub failures: BTreeMap<String, u32>,
    /// From the first send to the last completed answer, seconds.
    pub wall_s: Option<f64>,
    /// Of completed requests.
    pub tokens: u64,
    /// Those of them that are counted chunks, where the server gave no count.
    pub tokens_estimated: u64,
    /// Of the other requests.
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
    /// Waiting for a connection of its own when none was free: name lookup, TCP and TLS; of every
    /// such request, however it ended. It lies before the send, so `client_queue_ms` holds it and
    /// `ttft_ms` does not. None when there was always a free one, and in virtual time.
    #[serde(default)]
    pub connect_ms: Option<Spread>,
    /// Connections that took one second or more: the server's accept queue was full and the
    /// system had to knock again.
    #[serde(default)]
    pub slow_connects: u32,
    /// From the first token to the last, over the tokens after the first.
    pub tpot_ms: Option<Spread>,
    /// Gaps between consecutive chunks with output, of all requests together.
    pub itl_ms: Option<Spread>,
    /// From the send to the final object.
    pub e2e_ms: Option<Spread>,
    /// How many requests kept the limits, when there are any.
    pub slo: Option<Goodput>,
    /// Responses by what there is to know of them beyond their outcome; absent where there are none. What
    /// incomplete ones lack is among the failures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<ResponseNote, u32>,
    /// Figures that contradict each other or the server's own counters.
    pub clock_warnings: u32,
    /// Of sessions of several turns, turn by turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnFigures>,
    /// What agents did between requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkFigures>,
    /// Whether a prompt cache helped; absent in files of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheCheck>,
}

/// Requests that kept every limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Goodput {
    /// As they were given.
    pub limits: String,
    /// Requests that kept all of them.
    pub good: u32,
    /// Good ones among all requests.
    pub share: Option<f64>,
    /// The goodput: good requests over the wall time.
    pub per_s: Option<f64>,
}

/// How a quantity is spread. A percentile that the sample cannot carry is none, and `needs` says
/// how many observations it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spread {
    /// Observations.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The most.
    pub max: f64,
    /// Observations that each missing percentile takes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, usize>,
    /// Most that a percentile may differ from the exact one, as a share of it; absent for exact
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_error: Option<f64>,
}

/// The completed requests that were the same turn of their sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TurnFigures {
    /// Which turn, from 1.
    pub turn: u32,
    /// From the send to the first chunk with output, ms.
    pub ttft_ms: Option<Spread>,
    /// Mean tokens of the prompt with all that was said before, by the server's count; none where
    /// it gave none.
    pub prompt_tokens_mean: Option<f64>,
    /// Mean tokens of them that the server had in a cache, of the requests of which it said so.
    pub cached_tokens_mean: Option<f64>,
}

/// What agents did before their requests, besides waiting for the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkFigures {
    /// Waiting for a thread that was free for it, ms.
    pub queue_ms: Option<Spread>,
    /// CPU work, ms.
    pub cpu_ms: Option<Spread>,
    /// File work, ms.
    pub file_ms: Option<Spread>,
}
