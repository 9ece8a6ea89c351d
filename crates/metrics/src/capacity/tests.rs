//! Levels whose truth is known.

mod answers;
mod figures;
mod rule;

use domain::record::RequestRecord;
use domain::{Nanos, Outcome, Stamp};
use serde_json::json;

pub(super) fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

/// A completed request of `agent`, begun and sent at `at`, whose tokens arrive at `chunks`, all in
/// milliseconds, and which ends with the last of them.
pub(super) fn request(agent: u32, at: u64, chunks: &[u64]) -> RequestRecord {
    let last = *chunks.last().expect("a completed request has a token");
    let mut record: RequestRecord = serde_json::from_value(json!({
        "config": "load", "topology": "shared", "repetition": 1, "arm": "together", "attempt": 1,
        "role": "main", "agent": agent, "agent_name": "", "step": "load", "call": 0, "endpoint": 0,
        "model": "m", "options": {}, "prompt_sha256": "", "scheduled": ms(at), "sent": ms(at),
        "headers": ms(chunks[0]), "first_token": ms(chunks[0]), "last_token": ms(last),
        "done": ms(last), "ended": ms(last), "outcome": { "kind": "completed" },
        "tokens": chunks.len(), "tokens_from": "server", "counters": {}, "output_chars": 0,
    }))
    .unwrap();
    let stamps: Vec<Stamp> = chunks.iter().map(|c| ms(*c)).collect();
    record.chunk_gaps_ns = RequestRecord::gaps(record.sent, &stamps);
    record
}

/// A request that failed when it ended.
pub(super) fn failed(agent: u32, at: u64, ended: u64) -> RequestRecord {
    let mut record = request(agent, at, &[ended]);
    record.outcome = serde_json::from_value(
        json!({ "kind": "failed", "failure": "busy", "message": "server busy" }),
    )
    .unwrap();
    record.tokens = 0;
    record.first_token = None;
    record.last_token = None;
    record.done = None;
    record.chunk_gaps_ns.clear();
    record
}

/// A request that we cancelled before its first token.
pub(super) fn cancelled(agent: u32, at: u64, ended: u64) -> RequestRecord {
    RequestRecord {
        outcome: Outcome::Cancelled,
        ..failed(agent, at, ended)
    }
}

#[test]
fn helpers_agree_with_the_record() {
    let r = request(0, 10, &[15, 20]);
    assert_eq!(r.chunk_stamps().collect::<Vec<_>>(), [ms(15), ms(20)]);
    assert_eq!(r.ended.since(r.scheduled), Nanos::from_millis(10));
}
