//! A row of `requests.jsonl` as far as a load's figures need it. Unlike
//! [`domain::record::RequestRecord`] it borrows, and takes no detour over a map for the flattened
//! keys, which makes reading several times as fast.

use std::borrow::Cow;

use domain::backend::ServerCounters;
use domain::outcome::{FailureKind, TimeoutPhase};
use domain::record::{RequestRole, TokenSource, Turn};
use domain::work::WorkRecord;
use domain::{Nanos, Outcome, Stamp};
use metrics::{RequestObservation, StampSource};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

#[derive(Debug, Deserialize)]
pub(super) struct Row<'a> {
    pub(super) role: RequestRole,
    pub(super) agent: u32,
    pub(super) call: u32,
    pub(super) endpoint: u32,
    scheduled: Stamp,
    sent: Option<Stamp>,
    first_token: Option<Stamp>,
    last_token: Option<Stamp>,
    done: Option<Stamp>,
    ended: Stamp,
    #[serde(default, rename = "connect_ns")]
    pub(super) connect: Option<Nanos>,
    pub(super) turn: Option<Turn>,
    pub(super) work: Option<WorkRecord>,
    #[serde(borrow)]
    outcome: OutcomeRow<'a>,
    tokens: u64,
    tokens_from: TokenSource,
    counters: ServerCounters,
    #[serde(default)]
    chunk_gaps_ns: Gaps,
}

/// [`Outcome`] without the detour that its tag takes.
#[derive(Debug, Deserialize)]
struct OutcomeRow<'a> {
    kind: OutcomeKind,
    failure: Option<FailureKind>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    phase: Option<TimeoutPhase>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeKind {
    Completed,
    Incomplete,
    Failed,
    Cancelled,
    TimedOut,
}

impl OutcomeRow<'_> {
    fn outcome(self) -> Result<Outcome, &'static str> {
        Ok(match self.kind {
            OutcomeKind::Completed => Outcome::Completed,
            OutcomeKind::Incomplete => Outcome::Incomplete,
            OutcomeKind::Cancelled => Outcome::Cancelled,
            OutcomeKind::Failed => Outcome::Failed {
                failure: self.failure.ok_or("a failed outcome has no `failure`")?,
                message: self
                    .message
                    .ok_or("a failed outcome has no `message`")?
                    .into_owned(),
            },
            OutcomeKind::TimedOut => Outcome::TimedOut {
                phase: self.phase.ok_or("a timed-out outcome has no `phase`")?,
            },
        })
    }
}

/// Gaps between chunks; room for a usual answer is taken at once.
#[derive(Debug, Default)]
struct Gaps(Vec<u64>);

impl<'de> Deserialize<'de> for Gaps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Gaps;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("whole nanoseconds between chunks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut gaps: A) -> Result<Gaps, A::Error> {
                let mut all = Vec::with_capacity(64);
                while let Some(gap) = gaps.next_element()? {
                    all.push(gap);
                }
                Ok(Gaps(all))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

impl<'a> Row<'a> {
    /// Reads a line.
    pub(super) fn read(line: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }

    /// What was observed, in the shape that all computations start from.
    pub(super) fn observation(self) -> serde_json::Result<RequestObservation> {
        let mut at = self.sent.unwrap_or_default();
        let mut chunks = Vec::with_capacity(self.chunk_gaps_ns.0.len());
        for gap in &self.chunk_gaps_ns.0 {
            let next = at.0.checked_add(*gap).map(Stamp);
            at = next.ok_or_else(|| de::Error::custom("`chunk_gaps_ns` add up to no moment"))?;
            chunks.push(at);
        }
        Ok(RequestObservation {
            scheduled: self.scheduled,
            admission_wait: None,
            sent: self.sent,
            first_token: self.first_token,
            last_token: self.last_token,
            done: self.done,
            ended: self.ended,
            chunks,
            tokens: self.tokens,
            tokens_from: self.tokens_from,
            counters: self.counters,
            outcome: self.outcome.outcome().map_err(de::Error::custom)?,
            stamps: StampSource::Taken,
        })
    }
}
