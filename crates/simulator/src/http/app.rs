//! State of the handlers, and simulated time in responses.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use domain::{Nanos, Stamp};
use tokio::sync::Semaphore;

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

/// The date of stamp zero. A fixed one makes responses repeat byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) SystemTime);

impl Epoch {
    /// The expiry of a model that stays loaded, as Ollama writes it.
    pub(crate) const NEVER: &str = "2318-09-23T10:20:00.000000Z";

    pub(crate) fn rfc3339(self, at: Stamp) -> humantime::Rfc3339Timestamp {
        humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + self.since_1970(at))
    }

    pub(crate) fn unix_seconds(self, at: Stamp) -> u64 {
        self.since_1970(at).as_secs()
    }

    fn since_1970(self, at: Stamp) -> Duration {
        let epoch = self.0.duration_since(SystemTime::UNIX_EPOCH);
        epoch.unwrap_or_default() + Duration::from_nanos(at.0)
    }
}
