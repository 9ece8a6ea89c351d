//! What one agent in one arm works with.

use std::path::PathBuf;
use std::sync::Arc;

use clock::Clock;
use domain::Nanos;
use domain::backend::{ChatBackend, Progress};
use domain::plan::{AgentSpec, Arm, SweepPlan};
use domain::record::{NonceRoot, RunKey};
use tokio_util::sync::CancellationToken;

use crate::Recorder;
use crate::analyse::Findings;
use crate::ingest::Table;
use crate::work::WorkPool;

/// Everything one agent needs for its part in one arm.
#[derive(Debug, Clone)]
pub struct AgentJob {
    pub plan: Arc<SweepPlan>,
    pub nonce: NonceRoot,
    pub run: RunKey,
    pub arm: Arm,
    /// From 1.
    pub attempt: u32,
    /// Place in the configuration, from 0.
    pub agent: u32,
    pub spec: AgentSpec,
    /// Index of its server among the manifest's endpoints.
    pub endpoint: u32,
    pub backend: Arc<dyn ChatBackend>,
    pub clock: Clock,
    pub recorder: Arc<dyn Recorder>,
    /// Once cancelled, no further step begins.
    pub stop: CancellationToken,
    /// Once cancelled, the running step is dropped.
    pub cancel: CancellationToken,
    /// Counts this agent's chunks as they arrive.
    pub progress: Progress,
    /// Threads for CPU and file work, shared by all agents.
    pub pool: WorkPool,
    /// Folder of CSV files that a `full` workflow reads.
    pub benchmarks: PathBuf,
    pub artefacts: PathBuf,
}

/// What the steps of an agent leave for later ones.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) tables: Vec<Table>,
    pub(crate) findings: Option<Findings>,
    pub(crate) answer: String,
    /// How each call ended.
    pub(crate) ends: Vec<String>,
    /// Time that the last step waited for a thread of the pool.
    pub(crate) queued: Option<Nanos>,
}
