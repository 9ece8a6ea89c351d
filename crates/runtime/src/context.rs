use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use agents::WorkPool;
use clock::Clock;
use domain::Nanos;
use domain::backend::ChatBackend;
use domain::event::{Event, Observer};
use domain::plan::{ConfigId, SweepPlan, Topology};
use domain::record::{EndpointFacts, NonceRoot};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;

pub(crate) struct SweepContext {
    pub(crate) plan: Arc<SweepPlan>,
    pub(crate) nonce: NonceRoot,
    pub(crate) backends: Vec<Arc<dyn ChatBackend>>,
    /// Permits of requests in flight; `None` for no limit.
    pub(crate) permits: Option<Arc<Semaphore>>,
    pub(crate) endpoints: Vec<EndpointFacts>,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<Journal>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Cancelled when nothing new may start.
    pub(crate) stop: CancellationToken,
    /// Cancelled when requests in flight are to be dropped.
    pub(crate) abort: CancellationToken,
    pub(crate) pool: WorkPool,
    pub(crate) benchmarks: PathBuf,
    pub(crate) artefacts: PathBuf,
    pub(crate) arm_deadline: Option<Nanos>,
    /// Agents whose warm load a probe has measured.
    pub(crate) probed: BTreeSet<(ConfigId, Topology, u32)>,
}

impl SweepContext {
    pub(crate) fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.observer.on_event(&Event::Warning(text));
    }

    pub(crate) fn warn_each(&self, texts: impl IntoIterator<Item = String>) {
        texts.into_iter().for_each(|text| self.warn(text));
    }
}
