//! One run: TR113's figures under their own names, and the measured truth beside them.

mod compute;

use crate::notes::{RunWarning, Unusable};
use domain::OutcomeCounts;
use domain::plan::{ConfigId, Topology};
use serde::Serialize;

use crate::cause::RunCause;

/// Everything computed from one run. Times are seconds, rates tokens per second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunMetrics {
    pub config: ConfigId,
    pub scenario: String,
    pub topology: Option<Topology>,
    /// From 1.
    pub repetition: u32,
    pub agents: u32,
    /// Why the run stays out of every aggregate; none when it takes part.
    pub excluded: Option<Unusable>,
    /// Of the together arm's main requests.
    pub outcomes: OutcomeCounts,
    /// Of the sequential arm's main requests; none without that arm.
    pub outcomes_sequential: Option<OutcomeCounts>,
    /// TR113's figures; none when the together arm has no usable wall time.
    pub tr113: Option<Tr113Metrics>,
    /// The measurement against running in turn; none without a usable sequential arm.
    pub baseline: Option<BaselineMetrics>,
    /// Time with two or more agents decoding over time with one or more; 0 is serial. None when no agent decoded.
    pub decode_overlap: Option<f64>,
    /// All tokens over `wall` in the together arm; none without tokens.
    pub throughput_together: Option<f64>,
    /// Upper bound of `speedup` from the waits alone, for runs without a sequential arm.
    pub speedup_upper_bound: Option<f64>,
    pub per_agent: Vec<AgentMetrics>,
    pub contention: Contention,
    pub cause: RunCause,
    /// Peak device memory during the together arm, bytes; none without telemetry.
    pub memory_peak_bytes: Option<f64>,
    pub warnings: Vec<RunWarning>,
}

/// TR113's figures (section 3a), names and signs as there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tr113Metrics {
    /// `wall`, seconds: last `done` less first `sent`, or as recorded.
    pub concurrent_wall_time: f64,
    /// Sum of the agents' times while they ran together, seconds.
    pub sequential_estimated_time: f64,
    /// Their ratio. It is the same for a serial and a parallel server.
    pub speedup_est: f64,
    /// `100 * speedup_est / n`.
    pub efficiency_est: f64,
    /// `TTFT_A - TTFT_B`, ms; positive: B is sooner. None unless there are two agents with tokens.
    pub ttft_delta_ms: Option<f64>,
    /// `rate_B - rate_A`, tok/s, of the recorded or the server's own decode rates.
    pub tp_delta: Option<f64>,
}

/// The measurement against running in turn (section 3b).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BaselineMetrics {
    /// The sequential arm's wall as it was, seconds.
    pub wall_sequential_raw: f64,
    /// The same at the output lengths of the together arm, seconds.
    pub wall_sequential: f64,
    /// `wall_sequential / wall`.
    pub speedup: f64,
    /// `wall_sequential_raw / wall`.
    pub speedup_raw: f64,
    /// `100 * speedup / n`.
    pub efficiency: f64,
    /// Sum of the agents' normalised progress; none when a solo time is unknown.
    pub stp: Option<f64>,
    /// Mean of `1 / np_i`.
    pub antt: Option<f64>,
    /// `min np / max np`.
    pub fairness: Option<f64>,
    /// Jain's index of the `np_i`.
    pub jain: Option<f64>,
    /// All tokens over wall in the sequential arm.
    pub throughput_sequential: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentMetrics {
    /// Its place, from 0.
    pub agent: u32,
    pub name: String,
    /// `T_i` together, seconds: first `sent` to last `done`.
    pub time: Option<f64>,
    /// Warm solo time at the together arm's output length, seconds.
    pub solo: Option<f64>,
    /// `solo_i / T_i`.
    pub np: Option<f64>,
    /// `load` of a ready model, seconds.
    pub warm_load: Option<f64>,
    /// TTFT of its first call together, seconds.
    pub ttft: Option<f64>,
    /// TTFT of its first call alone on a ready model, seconds.
    pub ttft_solo: Option<f64>,
    /// Its decode rate together: recorded, or the server's own.
    pub rate: Option<f64>,
    pub rate_sequential: Option<f64>,
    /// Tokens generated together.
    pub tokens: u64,
}

/// Contention by three rules side by side; none if unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Contention<T = bool> {
    /// An agent's TTFT exceeds its solo TTFT by more than 3 s.
    pub ttft_rule: Option<T>,
    /// `speedup_est < 1.5`.
    pub speedup_rule: Option<T>,
    /// More than 5 % of the wall was lost to waiting for other agents or sharing with them.
    pub cause: Option<T>,
    /// As recorded by another program.
    pub published: Option<T>,
}

#[cfg(test)]
mod tests;
