//! The scheduler's log, with true times.

use domain::{Nanos, Stamp};
use serde::Serialize;
use serde_with::skip_serializing_none;

use super::types::RequestId;

/// As JSON one flat object.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchedulerEvent {
    /// A whole number of microseconds.
    pub at: Stamp,
    /// Counted from 0.
    pub server: usize,
    #[serde(flatten)]
    pub happened: Happened,
    /// The request that it happened to; absent where it happened to a runner.
    pub id: Option<RequestId>,
    /// The request's tag, which does not depend on the order of submission.
    pub tag: Option<u64>,
    pub model: Option<String>,
}

/// What happened to a request or to a runner.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    Arrived,
    Queued {
        /// Entries in the queue, this one included.
        depth: usize,
    },
    /// The pending queue was full.
    Refused,
    /// It was given a runner.
    Attached {
        /// Since its arrival.
        load: Nanos,
        /// It bypassed the queue because the runner matched.
        fast_path: bool,
    },
    /// It was given a slot; the order of these is the order served.
    Served {
        slot: usize,
        /// Since it was attached.
        waited: Nanos,
        /// Prompt tokens taken from the slot's cache.
        cached: u32,
    },
    /// The context of the slot that a request takes went to host memory.
    ContextSaved {
        slot: usize,
        tokens: usize,
    },
    /// Contexts left host memory to make room; their tokens in all.
    ContextsDropped {
        tokens: usize,
    },
    /// A context came back from host memory into the slot that a request takes.
    ContextRestored {
        slot: usize,
        tokens: usize,
    },
    Finished {
        tokens: u32,
        /// Since it was served.
        took: Nanos,
    },
    Cancelled {
        state: &'static str,
    },
    /// A cancelled entry reached the head of the queue and was skipped.
    Skipped,
    /// A runner must be unloaded before a request can be handled.
    Evicting {
        victim: String,
        reason: EvictReason,
        in_flight: usize,
    },
    LoadStarted {
        /// Context per slot.
        num_ctx: u32,
        gpu_layers: u32,
        /// Memory in all, bytes.
        size: u64,
        /// Device memory, bytes.
        size_vram: u64,
    },
    LoadFinished {
        /// Since it began.
        took: Nanos,
    },
    LoadFailed {
        message: String,
    },
    /// The only client waiting for a load closed its connection.
    LoadAborted,
    /// A runner's keep-alive ran out.
    Expired,
    /// A runner began to unload.
    UnloadStarted,
    /// A runner is gone and its memory is back.
    Unloaded {
        /// Since it began.
        took: Nanos,
    },
    Crashed {
        /// Requests that failed with it.
        lost: usize,
    },
}

impl Happened {
    /// Whether the log states the request's tag.
    pub(super) fn has_tag(&self) -> bool {
        use Happened::{Arrived, Cancelled, Finished, Served};
        matches!(
            self,
            Arrived | Served { .. } | Finished { .. } | Cancelled { .. }
        )
    }

    /// Whether the log states the request's model: at its arrival, and about its runner.
    pub(super) fn names_model(&self) -> bool {
        use Happened::{Arrived, Attached, LoadAborted, LoadFailed, LoadFinished, LoadStarted};
        matches!(
            self,
            Arrived
                | Attached { .. }
                | LoadStarted { .. }
                | LoadFinished { .. }
                | LoadFailed { .. }
                | LoadAborted
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "because", content = "option", rename_all = "snake_case")]
pub enum EvictReason {
    /// The same model is requested with other runner options.
    Reload(ReloadReason),
    MaxLoaded,
    /// Another model needs the memory.
    Memory,
    /// It is already being unloaded.
    Draining,
}

/// The first difference found between a loaded runner and a request's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadReason {
    /// The child process does not answer.
    Unhealthy,
    Shift,
    NumCtx,
    NumGpu,
    NumBatch,
    NumThread,
    MainGpu,
    UseMmap,
    DraftNumPredict,
}
