//! What the handlers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Nanos;
use hyper::body::Bytes;
use tokio::sync::Semaphore;

use super::exchange::Exchange;
use super::stamp::Epoch;
use crate::driver::World;
use crate::faults::{Engine, FaultRule};
use crate::profile::Profile;

/// Distinct prompts whose repetitions are counted.
const MAX_COUNTED: usize = 1 << 16;

/// Everything the handlers share.
pub(crate) struct App {
    pub(crate) world: Arc<World>,
    pub(crate) profile: Profile,
    pub(crate) faults: Engine,
    pub(crate) epoch: Epoch,
    pub(crate) seed: u64,
    pub(crate) chunk_tokens: usize,
    /// Refuse names that may belong to a web page somewhere else: only on loopback, where nothing
    /// else stands between such a page and the server.
    pub(crate) check_host: bool,
    /// Most time for a request's head and for its body; none for as long as they take.
    pub(crate) patience: Option<Nanos>,
    /// Bytes that the bodies of all requests may still take.
    pub(crate) room: Arc<Semaphore>,
    /// Requests so far.
    pub(crate) received: AtomicU64,
    /// How often each prompt has been met.
    pub(crate) repeats: Mutex<HashMap<u64, i64>>,
}

/// A request that has been read whole.
pub(super) struct Received {
    pub(super) exchange: Exchange,
    pub(super) fault: Option<FaultRule>,
    pub(super) body: Bytes,
}

impl App {
    /// The next request's place among all.
    pub(super) fn next_number(&self) -> u64 {
        self.received.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often this has been asked before: a sampler without a seed answers differently each
    /// time, and must not depend on anything but what it was asked.
    pub(super) fn repeat(&self, content: u64) -> i64 {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        if repeats.len() >= MAX_COUNTED && !repeats.contains_key(&content) {
            return 0;
        }
        let count = repeats.entry(content).or_insert(-1);
        *count += 1;
        *count
    }
}
