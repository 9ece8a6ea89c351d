//! When one request was sent, answered and ended: the one type that clients fill in, records keep
//! and every figure starts from.

use serde::{Deserialize, Serialize};

use super::counters::ServerCounters;
use crate::outcome::Outcome;
use crate::units::{Nanos, Stamp};

/// The stamps of one request, its counts, and how it ended. Stamps are on the run's clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestTimes {
    /// When the plan wanted it to start.
    pub scheduled: Stamp,
    /// How long it waited for a permit under `--admission`, before it looked for a connection. Zero
    /// when there was one at once; absent without a limit, and where it was not recorded.
    #[serde(rename = "admission_wait_ns", skip_serializing_if = "Option::is_none")]
    pub admission_wait: Option<Nanos>,
    /// How long it waited for a connection of its own (name lookup, TCP and TLS) when no kept one
    /// was free; one that another request frees meanwhile is not waited for. It lies before `sent`.
    /// Absent when a kept connection was free, when none could be made, and in virtual time, where
    /// making one takes no time.
    #[serde(rename = "connect_ns", skip_serializing_if = "Option::is_none")]
    pub connect: Option<Nanos>,
    /// Its bytes were handed to the connection; absent when none could be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Stamp>,
    /// The response head arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Stamp>,
    /// First chunk with non-empty text, content or thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Stamp>,
    /// First chunk with thinking text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_thinking: Option<Stamp>,
    /// First chunk with content text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_content: Option<Stamp>,
    /// Last chunk with non-empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_token: Option<Stamp>,
    /// The final object arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Stamp>,
    /// It ended for us, however it ended.
    pub ended: Stamp,
    /// How it ended; until it has, as if its caller had dropped it.
    pub outcome: Outcome,
    /// Tokens generated: the server's count, or the number of chunks when it gave none.
    pub tokens: u64,
    /// Whose count `tokens` is.
    pub tokens_from: TokenSource,
    /// The server's counters.
    pub counters: ServerCounters,
    /// Arrival of each chunk with text, stamped when its bytes arrived and before they were decoded;
    /// empty when the data have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Stamp>,
    /// Whether the stamps were taken as things happened.
    #[serde(default, skip_serializing_if = "StampSource::is_taken")]
    pub stamps: StampSource,
}

/// Whose token count it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's counter.
    Server,
    /// Chunks were counted, which is an estimate.
    #[default]
    Estimated,
}

/// Where a request's stamps come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StampSource {
    /// Taken as things happened.
    #[default]
    Taken,
    /// Rebuilt from recorded durations: all agents are taken to start at zero, `first_token` is
    /// the recorded TTFT, `last_token` and `done` the end of the execution time.
    Rebuilt,
}

impl StampSource {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes what it may skip by reference"
    )]
    fn is_taken(&self) -> bool {
        *self == Self::Taken
    }
}

impl RequestTimes {
    /// Ends the request: when it was to start, when it ended, how, and how many tokens it had.
    pub fn end(&mut self, scheduled: Stamp, ended: Stamp, outcome: Outcome) {
        (self.scheduled, self.ended, self.outcome) = (scheduled, ended, outcome);
        (self.tokens, self.tokens_from) = self.counted();
    }

    /// How many tokens there were: the server's count, or the number of chunks with text where it
    /// gave none.
    fn counted(&self) -> (u64, TokenSource) {
        let chunks = self.chunks.len() as u64;
        match self.counters.eval_count {
            Some(count) => (count, TokenSource::Server),
            // Servers omit counters that are zero.
            None if chunks == 0 && self.counters.total.is_some() => (0, TokenSource::Server),
            None => (chunks, TokenSource::Estimated),
        }
    }
}
