//! One run: TR113's figures under their own names, and the measured truth beside them.

mod compute;
mod quantity;

use crate::notes::{RunWarning, Unusable};
use domain::OutcomeCounts;
use domain::plan::{ConfigId, Topology};
use serde::Serialize;

use crate::cause::RunCause;

pub use quantity::{
    Better, ContentionRuns, OverlapEvidence, QUANTITIES, Quantity, RunFigures, Statistics,
};

/// Everything computed from one run.
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
    pub figures: RunFigures,
    pub per_agent: Vec<AgentMetrics>,
    pub contention: Contention,
    pub cause: RunCause,
    /// Peak device memory during the together arm, bytes; none without telemetry.
    pub memory_peak_bytes: Option<f64>,
    pub warnings: Vec<RunWarning>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentMetrics {
    /// Its place, from 0.
    pub agent: u32,
    pub name: String,
    /// `T_i` together: first `sent` to last `done`.
    pub time_s: Option<f64>,
    /// Warm solo time at the together arm's output length.
    pub solo_s: Option<f64>,
    /// `solo_i / T_i`.
    pub np: Option<f64>,
    /// `load` of a ready model.
    pub warm_load_s: Option<f64>,
    /// TTFT of its first call together.
    pub ttft_s: Option<f64>,
    /// TTFT of its first call alone on a ready model.
    pub ttft_solo_s: Option<f64>,
    /// Its decode rate together: recorded, or the server's own.
    pub decode_tokens_per_s: Option<f64>,
    pub decode_sequential_tokens_per_s: Option<f64>,
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
