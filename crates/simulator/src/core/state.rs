//! State of requests, runners and servers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use domain::backend::KeepAlive;
use domain::{Nanos, Stamp};

use super::host_cache::HostCache;
use super::placement::Placement;
use super::reload::Launch;
use super::slots::Slot;
use super::types::{RequestId, StopReason, Timings, Work, WorkKind};
use crate::profile::ServerSpec;

/// The first release whose answers say how much of the prompt was cached.
const REPORTS_CACHED: (u32, u32, u32) = (0, 33, 3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RunnerId(pub(super) u64);

/// How far a request is; as text the words of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(super) enum RequestState {
    /// On its way to the scheduler.
    #[default]
    Arriving,
    /// In the queue, or waiting for the lock of a runner that is being unloaded.
    Queued,
    /// At the head of the queue.
    #[strum(serialize = "waiting for an eviction")]
    Head,
    /// At the head, its model is loading.
    Loading,
    /// It has a runner; its prompt is being templated, or all slots are taken.
    #[strum(serialize = "waiting for a slot")]
    Waiting(RunnerId),
    Prefill(RunnerId, usize),
    #[strum(serialize = "decoding")]
    Decode(RunnerId, usize),
}

#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) server: usize,
    pub(super) model: usize,
    pub(super) state: RequestState,
    pub(super) arrived: Stamp,
    pub(super) attached: Stamp,
    pub(super) served: Stamp,
    /// The first batch that held part of its prompt began.
    pub(super) prefill_began: Option<Stamp>,
    pub(super) first_token: Stamp,
    pub(super) load: Nanos,
    pub(super) prompt_len: usize,
    /// Prompt tokens still to evaluate.
    pub(super) prompt_left: usize,
    pub(super) cached: usize,
    pub(super) emitted: u32,
    pub(super) limit: u32,
    pub(super) reason: StopReason,
    /// Its final notice was sent; only its entry in a queue or slot is left.
    pub(super) gone: bool,
}

impl Request {
    pub(super) fn prompt(&self) -> Option<&Arc<[u32]>> {
        match &self.work.kind {
            WorkKind::Generate(generation) => Some(&generation.prompt),
            WorkKind::Embed { prompt } => Some(prompt),
            WorkKind::Preload | WorkKind::Unload => None,
        }
    }

    pub(super) fn runner(&self) -> Option<RunnerId> {
        match self.state {
            RequestState::Waiting(uid)
            | RequestState::Prefill(uid, _)
            | RequestState::Decode(uid, _) => Some(uid),
            _ => None,
        }
    }

    /// The counters at the moment of its last token, as this release counts.
    pub(super) fn timings(&self, now: Stamp, release: (u32, u32, u32)) -> Timings {
        // Before 0.4.0, and in 0.30.0 alone, only evaluated tokens were counted.
        let counts_cached = release >= (0, 4, 0) && release != (0, 30, 0);
        let counted = if counts_cached {
            self.prompt_len
        } else {
            self.prompt_len - self.cached
        };
        Timings {
            total: now.since(self.arrived),
            load: self.load,
            prompt_eval_count: counted as u32,
            cached: self.cached as u32,
            prompt_eval_cached_count: (release >= REPORTS_CACHED).then_some(self.cached as u32),
            prompt_eval: self
                .first_token
                .since(self.prefill_began.unwrap_or(self.served)),
            eval_count: self.emitted,
            eval: now.since(self.first_token),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunnerState {
    /// Starting; not visible to requests.
    Loading,
    Ready,
    /// Its process died, which the scheduler has not noticed.
    Crashed,
    /// Being killed and waited for.
    Unloading,
}

#[derive(Debug)]
pub(super) struct Batch {
    /// Work left at `since`, time alone at full speed; negative if the last batch did more.
    pub(super) left_ns: f64,
    pub(super) since: Stamp,
    /// Nanoseconds per nanosecond of work.
    pub(super) slowdown_factor: f64,
    /// Share of the work that is done on devices; the rest on the CPU.
    pub(super) gpu_share: f64,
    /// The version of its scheduled end; events of older versions are ignored.
    pub(super) version: u64,
    /// Prompt tokens in it, by request.
    pub(super) prompt: Vec<(RequestId, usize)>,
    /// Requests it decodes a token for.
    pub(super) decode: Vec<RequestId>,
}

/// A runner: a process with a model in memory.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) server: usize,
    pub(super) model: usize,
    /// The name it was loaded under.
    pub(super) name: String,
    pub(super) key: String,
    pub(super) launch: Launch,
    pub(super) state: RunnerState,
    pub(super) placement: Placement,
    pub(super) session: KeepAlive,
    pub(super) in_flight: usize,
    /// Set when it was last idle.
    pub(super) expires: Option<Stamp>,
    /// The version of its idle timer; older timers are ignored.
    pub(super) timer: u64,
    /// Since its load or its unload began.
    pub(super) since: Stamp,
    pub(super) slots: Vec<Slot>,
    /// Requests that have left a slot.
    pub(super) releases: u64,
    pub(super) host: HostCache,
    pub(super) waiting: VecDeque<RequestId>,
    /// Requests blocked on its lock while it unloads.
    pub(super) blocked: Vec<RequestId>,
    pub(super) batch: Option<Batch>,
    /// Its first batch is done.
    pub(super) warm: bool,
    /// It will fail to load, with this message.
    pub(super) doomed: Option<String>,
}

impl Runner {
    pub(super) fn idle(&self) -> bool {
        self.in_flight == 0
    }
}

/// The state of the pending loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// Waiting for an entry.
    None,
    /// Waiting for an unload, for this request.
    Evicting(RequestId),
    /// Loading, for this request.
    Loading(RequestId, RunnerId),
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) spec: ServerSpec,
    /// Runners by weights blob, those that are unloading included.
    pub(super) loaded: BTreeMap<String, RunnerId>,
    pub(super) pending: VecDeque<RequestId>,
    pub(super) head: Head,
    /// Requests that have retried after running out of memory, which each does only once.
    pub(super) retried: BTreeSet<RequestId>,
    /// Injected: the next load fails with this.
    pub(super) fail_next: Option<String>,
}

impl Server {
    /// The request at the head is done with the pending loop.
    pub(super) fn leave_head(&mut self, id: RequestId) {
        self.head = Head::None;
        self.retried.remove(&id);
    }
}
