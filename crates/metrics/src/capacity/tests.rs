//! Levels whose truth is known.

mod figures;
mod rule;

use domain::record::{RequestRecord, RequestTimes};
use domain::{FailureKind, Outcome};

use crate::timeline::{at, of_load, streamed};

/// A completed request of `agent`, begun and sent at `sent`, whose tokens arrive at `chunks`, all in
/// milliseconds, and which ends with the last of them.
pub(super) fn request(agent: u32, sent: u64, chunks: &[u64]) -> RequestRecord {
    of_load(agent, streamed(at(sent), chunks.iter().copied().map(at)))
}

pub(super) fn failed(agent: u32, sent: u64, ended: u64) -> RequestRecord {
    let mut record = cancelled(agent, sent, ended);
    record.times.outcome = Outcome::Failed {
        failure: FailureKind::Busy,
        message: "server busy".to_owned(),
    };
    record
}

/// A request that we cancelled before its first token.
pub(super) fn cancelled(agent: u32, sent: u64, ended: u64) -> RequestRecord {
    let times = RequestTimes {
        ended: at(ended),
        outcome: Outcome::Cancelled,
        ..streamed(at(sent), [])
    };
    of_load(agent, times)
}
