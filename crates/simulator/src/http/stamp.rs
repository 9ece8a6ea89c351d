//! Simulated time in responses.

use std::time::{Duration, SystemTime};

use domain::Stamp;

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
