//! The scheduler's log, with true times.

use domain::{Nanos, Stamp};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::types::{RequestId, ServerId};

/// As JSON one flat object.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerEvent {
    /// A whole number of microseconds.
    pub at: Stamp,
    pub server: ServerId,
    pub happened: Happened,
}

impl Serialize for SchedulerEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Value::Object(mut members) =
            serde_json::to_value(&self.happened).map_err(S::Error::custom)?
        else {
            return Err(S::Error::custom("what happened is an object"));
        };
        let mut map = to.serialize_map(Some(2 + members.len()))?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("server", &self.server)?;
        map.serialize_entry("event", &members.remove("event"))?;
        for (name, value) in &members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The events. Requests have their tag too, which does not depend on the order of submission.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    Arrived {
        id: RequestId,
        tag: u64,
        model: String,
    },
    Queued {
        id: RequestId,
        /// Entries in the queue, this one included.
        depth: usize,
    },
    /// The pending queue was full.
    Refused { id: RequestId },
    /// It was given a runner.
    Attached {
        id: RequestId,
        model: String,
        /// Since its arrival.
        load: Nanos,
        /// It bypassed the queue because the runner matched.
        fast_path: bool,
    },
    /// It was given a slot; the order of these is the order served.
    Served {
        id: RequestId,
        tag: u64,
        slot: usize,
        /// Since it was attached.
        waited: Nanos,
        /// Prompt tokens taken from the slot's cache.
        cached: u32,
    },
    Finished {
        id: RequestId,
        tag: u64,
        tokens: u32,
        /// Since it was served.
        took: Nanos,
    },
    Cancelled {
        id: RequestId,
        tag: u64,
        state: &'static str,
    },
    /// A cancelled entry reached the head of the queue and was skipped.
    Skipped { id: RequestId },
    /// A runner must be unloaded before a request can be handled.
    Evicting {
        id: RequestId,
        victim: String,
        reason: EvictReason,
        in_flight: usize,
    },
    LoadStarted {
        id: RequestId,
        model: String,
        /// Context per slot.
        num_ctx: u32,
        gpu_layers: u32,
        /// Memory in all, bytes.
        size: u64,
        /// Device memory, bytes.
        size_vram: u64,
    },
    LoadFinished {
        id: RequestId,
        model: String,
        /// Since it began.
        took: Nanos,
    },
    LoadFailed {
        id: RequestId,
        model: String,
        message: String,
    },
    /// The only client waiting for a load closed its connection.
    LoadAborted { id: RequestId, model: String },
    /// A runner's keep-alive ran out.
    Expired { model: String },
    /// A runner began to unload.
    UnloadStarted { model: String },
    /// A runner is gone and its memory is back.
    Unloaded {
        model: String,
        /// Since it began.
        took: Nanos,
    },
    Crashed {
        model: String,
        /// Requests that failed with it.
        lost: usize,
    },
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
