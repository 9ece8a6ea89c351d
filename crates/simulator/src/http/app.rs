//! State of the handlers.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Nanos;
use tokio::sync::Semaphore;

use super::stamp::Epoch;
use crate::driver::World;
use crate::faults::Engine;
use crate::profile::Profile;

/// Distinct prompts whose repetitions are counted.
const MAX_COUNTED: usize = 1 << 16;

pub(crate) struct App {
    pub(crate) world: Arc<World>,
    pub(crate) profile: Profile,
    pub(crate) faults: Engine,
    pub(crate) epoch: Epoch,
    pub(crate) chunk_tokens: usize,
    /// Refuse `Host` names of web sites, as a server on loopback needs.
    pub(crate) check_host: bool,
    /// Longest time for a request's head and for its body; `None` for no limit.
    pub(crate) patience: Option<Nanos>,
    /// Bytes still free for the bodies of all requests.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) received: AtomicU64,
    /// How often each prompt has been received.
    pub(crate) repeats: Mutex<HashMap<u64, i64>>,
}

impl App {
    /// How often this prompt was received before. Stands for a seed, so that answers to equal
    /// prompts differ and still depend on the requests alone.
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
