//! Levels whose truth is known.

mod figures;
mod rule;

use domain::plan::{Arm, Topology};
use domain::record::{RequestRecord, RequestTimes, RunKey};
use domain::{FailureKind, Nanos, Outcome, Stamp};

pub(super) fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

/// A completed request of `agent`, begun and sent at `at`, whose tokens arrive at `chunks`, all in
/// milliseconds, and which ends with the last of them.
pub(super) fn request(agent: u32, at: u64, chunks: &[u64]) -> RequestRecord {
    let at = ms(at);
    let chunks: Vec<Stamp> = chunks.iter().map(|c| ms(*c)).collect();
    let last = *chunks.last().expect("a completed request has a token");
    let times = RequestTimes {
        scheduled: at,
        sent: Some(at),
        first_token: chunks.first().copied(),
        last_token: Some(last),
        done: Some(last),
        ended: last,
        outcome: Outcome::Completed,
        tokens: chunks.len() as u64,
        chunks,
        ..RequestTimes::default()
    };
    RequestRecord {
        agent,
        ..RequestRecord::new(RunKey::of_load(Topology::Shared), Arm::Together, times)
    }
}

/// A request that failed when it ended.
pub(super) fn failed(agent: u32, at: u64, ended: u64) -> RequestRecord {
    let mut record = cancelled(agent, at, ended);
    record.times.outcome = Outcome::Failed {
        failure: FailureKind::Busy,
        message: "server busy".to_owned(),
    };
    record
}

/// A request that we cancelled before its first token.
pub(super) fn cancelled(agent: u32, at: u64, ended: u64) -> RequestRecord {
    let mut record = request(agent, at, &[ended]);
    record.times = RequestTimes {
        scheduled: ms(at),
        sent: Some(ms(at)),
        ended: ms(ended),
        ..RequestTimes::default()
    };
    record
}

#[test]
fn helpers_agree_with_the_record() {
    let r = request(0, 10, &[15, 20]);
    assert_eq!(r.times.chunks, [ms(15), ms(20)]);
    assert_eq!(
        r.times.ended.since(r.times.scheduled),
        Nanos::from_millis(10)
    );
}
