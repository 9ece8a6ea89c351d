//! What the arms of a sweep share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use agents::WorkPool;
use clock::Clock;
use domain::Nanos;
use domain::backend::ChatBackend;
use domain::event::Observer;
use domain::plan::{ConfigId, SweepPlan, Topology};
use domain::record::{EndpointFacts, NonceRoot};
use tokio_util::sync::CancellationToken;

use crate::book::Book;

/// What the arms of a sweep share.
pub(crate) struct SweepContext {
    pub(crate) plan: Arc<SweepPlan>,
    /// Root of the prompts' nonces.
    pub(crate) nonce: NonceRoot,
    pub(crate) backends: Vec<Arc<dyn ChatBackend>>,
    /// What the manifest says that they are.
    pub(crate) endpoints: Vec<EndpointFacts>,
    pub(crate) clock: Clock,
    pub(crate) book: Arc<Book>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Begin nothing new once this is cancelled.
    pub(crate) stop: CancellationToken,
    /// Drop what runs once this is cancelled.
    pub(crate) abort: CancellationToken,
    pub(crate) pool: WorkPool,
    pub(crate) benchmarks: PathBuf,
    pub(crate) artefacts: PathBuf,
    pub(crate) arm_deadline: Option<Nanos>,
    /// Agents whose warm load a probe has told.
    pub(crate) probed: BTreeSet<(ConfigId, Topology, u32)>,
}
