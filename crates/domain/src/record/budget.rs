//! The client's own error: how late its stamps are, and what it costs. `docs/calibration.md` says how it is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RuntimeFacts;
use crate::units::Nanos;

/// The client's error budget: its error at rising load, against a server that notes when it really
/// sent each token. Steps are in the order in which they were measured, the load rising.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientBudget {
    pub depth: BudgetDepth,
    /// The client's protocol: `ollama`, `openai`.
    pub api: String,
    pub runtime: RuntimeFacts,
    /// Cores the process may use.
    pub cores: u32,
    /// Whether the server's thread may run on the client's cores, so that each delays the other.
    pub shared_cores: bool,
    /// The system's one-minute load average before the first step, if the system reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<f64>,
    /// The measurements, from the lowest load to the highest.
    pub steps: Vec<BudgetStep>,
    pub ended: BudgetEnd,
}

/// How thoroughly a budget was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetDepth {
    /// In about a second, before a run.
    Quick,
    /// By `tandem calibrate`, in about half a minute.
    Full,
}

/// Why no higher load was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetEnd {
    /// The mean bias reached a millisecond.
    Bias,
    /// The machine had no CPU time left.
    Cpu,
    /// The time for measuring was over.
    Time,
    /// Every load that was to be tried was tried.
    Done,
    /// It was stopped.
    Interrupted,
}

/// The client's error at one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStep {
    /// Streams at once.
    pub streams: u32,
    /// From one token of a stream to its next, as it was due.
    pub gap_ns: Nanos,
    /// Streams that ended, one after another on each connection.
    pub requests: u64,
    /// Of those, the ones that did not complete or were not found in the server's log. They are in
    /// no other figure.
    pub left_out: u64,
    /// Tokens that were compared.
    pub tokens: u64,
    /// Those tokens over the time in which the server really sent them.
    pub tokens_per_s: f64,
    /// Reported TTFT less true TTFT. The true one is the server's: from the end of reading the request to the
    /// start of sending the token, so that the error includes the time to read the request.
    pub ttft_bias: Option<Bias>,
    /// A token's stamp less the moment at which the server began to send it, of all tokens.
    pub token_bias: Option<Bias>,
    /// A reported gap between tokens less the true one. Its mean is the bias of inter-token latencies.
    pub gap_error: Option<Bias>,
    /// The 99th percentile of the absolute value of that error; none if there are too few gaps.
    pub jitter_p99_ns: Option<Nanos>,
    /// CPU time of the client per token, without the server's; none if the system does not report it.
    pub cpu_per_token_ns: Option<Nanos>,
    /// CPU time of client and server together as a share of the machine's, 0 to 1.
    #[serde(rename = "cpu_used")]
    pub cpu_used_share: Option<f64>,
    /// Growth of the process's memory since before the first step, without the server's, per stream; none if the
    /// system does not report it.
    pub memory_per_agent_bytes: Option<u64>,
    /// How late the server itself was. The figures above do not include it.
    pub server_late: Option<Bias>,
}

/// How an error is spread, in nanoseconds; above zero is too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bias {
    /// Observations.
    pub n: u64,
    pub mean_ns: i64,
    pub p50_ns: i64,
    /// The 99th percentile; none when the sample cannot carry it.
    pub p99_ns: Option<i64>,
    pub max_ns: i64,
}
