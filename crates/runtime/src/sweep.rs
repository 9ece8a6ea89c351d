//! A sweep: every arm of a plan, in order, each recorded as it ends.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use clock::Clock;
use domain::Nanos;
use domain::backend::ChatBackend;
use domain::event::Observer;
use domain::telemetry::GpuSampler;

use crate::error::RuntimeError;
use crate::results::ResultsDir;
use crate::shutdown::Shutdown;

/// Arms one after another in which no server could be reached, before a sweep gives up.
pub const DEFAULT_DEAD_ARMS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// What a sweep needs. Plan, repetitions and endpoints' facts are the manifest's, which is in
/// `results`.
pub struct SweepSetup {
    /// The results folder, created or resumed; holds the manifest with the plan.
    pub results: ResultsDir,
    /// The servers, in the order of the manifest's endpoints.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    /// The sweep's clock. For a resumed sweep it starts at the resume point's offset.
    pub clock: Clock,
    /// Reads the devices; `None` when there are none to read.
    pub gpu: Option<Box<dyn GpuSampler>>,
    /// Sample the host as well. Leave it off in virtual time, where the host's readings would
    /// stand at moments that have nothing to do with it.
    pub host: bool,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Most requests in flight at once, over all agents; `None` for no limit.
    pub admission: Option<NonZeroUsize>,
    /// Folder of CSV files that agents with the `full` workflow read.
    pub benchmarks: PathBuf,
    /// Most clock time one arm may take; its requests are then cancelled. `None` leaves it to the
    /// plan's limits on each request.
    pub arm_deadline: Option<Nanos>,
    /// Arms one after another in which no server could be reached, before the sweep stops.
    pub dead_arms: NonZeroU32,
}

impl fmt::Debug for SweepSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweepSetup")
            .field("results", &self.results)
            .field("backends", &self.backends)
            .field("clock", &self.clock)
            .field("gpu", &self.gpu.is_some())
            .field("host", &self.host)
            .field("admission", &self.admission)
            .field("benchmarks", &self.benchmarks)
            .field("arm_deadline", &self.arm_deadline)
            .field("dead_arms", &self.dead_arms)
            .finish_non_exhaustive()
    }
}

/// How a sweep went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepSummary {
    /// Arms of the plan.
    pub arms: usize,
    /// Arms that were complete before this process began.
    pub already_complete: usize,
    /// Arms this process completed.
    pub completed: usize,
    /// Arms this process began and could not complete.
    pub not_completed: usize,
    /// Main requests of this process, by outcome.
    pub requests: OutcomeCounts,
    /// Somebody stopped it.
    pub interrupted: bool,
    /// Clock time this process took.
    pub took: Nanos,
    /// What the user should know, in words; each was an event as well.
    pub warnings: Vec<String>,
}

impl SweepSummary {
    /// Every arm of the plan is complete.
    pub fn is_complete(&self) -> bool {
        self.already_complete + self.completed == self.arms
    }
}

/// Requests by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The final object arrived.
    pub completed: u32,
    /// The stream ended without it.
    pub incomplete: u32,
    /// It failed.
    pub failed: u32,
    /// We stopped it.
    pub cancelled: u32,
    /// A limit ran out.
    pub timed_out: u32,
}

/// Runs what is left of the plan, arm by arm, and returns when it is done, stopped or stuck.
pub async fn run_sweep(
    setup: SweepSetup,
    shutdown: Shutdown,
) -> Result<SweepSummary, RuntimeError> {
    let _ = (setup, shutdown);
    todo!("in the next commit")
}
