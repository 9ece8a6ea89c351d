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
    /// First chunk with output: content, thinking, a tool call or a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Stamp>,
    /// First chunk with thinking text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_thinking: Option<Stamp>,
    /// First chunk with content text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_content: Option<Stamp>,
    /// First chunk with a tool call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_tool_call: Option<Stamp>,
    /// First chunk with a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_refusal: Option<Stamp>,
    /// Last chunk with output.
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
    /// Arrival of each chunk with output, stamped when its bytes arrived and before they were decoded;
    /// empty when the data have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Stamp>,
    /// Whether the stamps were taken as things happened.
    #[serde(default, skip_serializing_if = "StampSource::is_taken")]
    pub stamps: StampSource,
    /// What else there is to know of how the response came; nothing of one that came as it should.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<ResponseNote>,
}

/// What there is to know of a response beyond its outcome: what an incomplete one lacks, and what is odd
/// about a completed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResponseNote {
    /// It ended in the middle of a value.
    CutInValue,
    /// It ended without its final object (`done: true`).
    NoFinalObject,
    /// It ended without a finish reason.
    NoFinishReason,
    /// The server loaded or unloaded the model and generated nothing.
    NothingGenerated,
    /// It had a finish reason, and ended in good order without `[DONE]`.
    NoDone,
    /// It had a finish reason, and the server left the stream open behind it.
    LeftOpen,
    /// The server's count of tokens cannot be and is dropped.
    ImpossibleCount,
    /// The tokens arrived sooner after each other than any server makes them: something on the way held
    /// them back and passed them on together.
    Gathered,
}

impl ResponseNote {
    /// In words, as what is true of a response.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CutInValue => "the stream ended in the middle of a value",
            Self::NoFinalObject => "the stream ended without its final object (`done: true`)",
            Self::NoFinishReason => "the stream ended without a finish reason",
            Self::NothingGenerated => {
                "the server loaded or unloaded the model and generated nothing"
            }
            Self::NoDone => "the stream ended after its finish reason without `[DONE]`",
            Self::LeftOpen => {
                "the server left the stream open after its finish reason; it was closed after a grace"
            }
            Self::ImpossibleCount => {
                "the server's token count is impossible; chunks were counted instead"
            }
            Self::Gathered => {
                "the answer arrived all at once, so TPOT and ITL are unknown: something between the \
                 server and this client collects the stream (a buffering proxy?)"
            }
        }
    }

    /// In words, of so many responses.
    pub fn counted(self, responses: u32) -> String {
        let s = if responses == 1 { "" } else { "s" };
        format!("{responses} response{s}: {}", self.in_words())
    }

    /// True for what an incomplete response lacks.
    pub fn is_missing(self) -> bool {
        matches!(
            self,
            Self::CutInValue | Self::NoFinalObject | Self::NoFinishReason | Self::NothingGenerated
        )
    }
}

/// A token each so many nanoseconds is more than any server makes in one stream, even a simulated one that
/// takes no time: its clock has ticks of a microsecond.
const BEYOND_ANY_SERVER: u64 = 500;
/// A token each so many nanoseconds is more than any real server makes in one stream.
const BEYOND_REAL_SERVERS: u64 = 10_000;
/// So many chunks with the same stamp on average are more than a server sends together.
const TOGETHER: usize = 4;

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
        if self.is_gathered() {
            self.notes.push(ResponseNote::Gathered);
        }
    }

    /// True when the output arrived faster than any server makes it, so that the time from its first token to its
    /// last says nothing of the server: something on the way held it back and passed it on together.
    pub fn is_gathered(&self) -> bool {
        let Some((first, last)) = self.first_token.zip(self.last_token) else {
            return false;
        };
        let span = last.since(first).0;
        let steps = self.tokens.max(self.chunks.len() as u64).saturating_sub(1);
        let faster_than = |step: u64| span < step.saturating_mul(steps);
        // Few are looked at any closer.
        let arrivals = || {
            1 + self
                .chunks
                .windows(2)
                .filter(|two| two[0] != two[1])
                .count()
        };
        faster_than(BEYOND_ANY_SERVER)
            || faster_than(BEYOND_REAL_SERVERS) && TOGETHER * arrivals() <= self.chunks.len()
    }

    /// How many tokens there were: the server's count, or the number of chunks with output where it
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
