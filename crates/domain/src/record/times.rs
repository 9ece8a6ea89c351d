//! The times of a request, and the server's own counts: the types that clients fill in and records keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::outcome::Outcome;
use crate::units::{Nanos, Stamp};

/// The stamps of one request on the run's clock, its counts and its outcome.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTimes {
    /// Planned start.
    pub scheduled: Stamp,
    /// Wait for a permit under `--admission`, before it looked for a connection. Absent without a limit, and if it
    /// was not recorded.
    #[serde(rename = "admission_wait_ns")]
    pub admission_wait: Option<Nanos>,
    /// Time to open a connection (name lookup, TCP and TLS) when no idle one was in the pool. It lies before
    /// `sent`. Absent if an idle connection was used, if none could be opened, and in virtual time, where opening
    /// one takes no time.
    #[serde(rename = "connect_ns")]
    pub connect: Option<Nanos>,
    /// Its bytes were given to the connection; absent if none could be opened.
    pub sent: Option<Stamp>,
    /// The response head arrived.
    pub headers: Option<Stamp>,
    /// First chunk with output: content, thinking, a tool call or a refusal.
    pub first_token: Option<Stamp>,
    pub first_thinking: Option<Stamp>,
    pub first_content: Option<Stamp>,
    pub first_tool_call: Option<Stamp>,
    pub first_refusal: Option<Stamp>,
    /// Last chunk with output.
    pub last_token: Option<Stamp>,
    /// The final object arrived.
    pub done: Option<Stamp>,
    /// End, with any outcome.
    pub ended: Stamp,
    /// The outcome; [`Outcome::Cancelled`] until it has ended.
    pub outcome: Outcome,
    /// Tokens generated: the server's count, or the number of chunks when it gave none.
    pub tokens: u64,
    pub tokens_from: TokenSource,
    pub counters: ServerCounters,
    /// Arrival of each chunk with output, stamped before its bytes are decoded; empty if it was not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Stamp>,
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub stamps: StampSource,
    /// Peculiarities of the response; usually none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<ResponseNote>,
}

/// Counters of the final object. Ollama omits zero values, so each is optional.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerCounters {
    /// From the request's arrival at the server to its end.
    #[serde(rename = "total_ns")]
    pub total: Option<Nanos>,
    /// Until the model was ready for this request. Holds queueing for a reload, unloading and
    /// loading; it is not disk time.
    #[serde(rename = "load_ns")]
    pub load: Option<Nanos>,
    /// Prompt tokens, cached ones included.
    pub prompt_eval_count: Option<u64>,
    /// Prefill of the tokens that were not cached.
    #[serde(rename = "prompt_eval_ns")]
    pub prompt_eval: Option<Nanos>,
    /// Prompt tokens served from the cache, on servers that report it.
    pub prompt_eval_cached_count: Option<u64>,
    /// Generated tokens.
    pub eval_count: Option<u64>,
    /// Decoding.
    #[serde(rename = "eval_ns")]
    pub eval: Option<Nanos>,
}

/// A peculiarity of a response: what an incomplete one lacks, or what is unusual about a completed one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
    /// It had a finish reason and ended regularly, but without `[DONE]`.
    NoDone,
    /// It had a finish reason, and the server left the stream open after it.
    LeftOpen,
    /// The server's count of tokens is impossible and was dropped.
    ImpossibleCount,
    /// The tokens arrived faster than any server generates them: something between server and client buffered them.
    Gathered,
    /// The server had closed the kept connection, and the request was sent again on a fresh one.
    SentAgain,
}

impl ResponseNote {
    /// A clause about a response.
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
            Self::SentAgain => {
                "the server had closed the kept connection, so the request was sent again on a fresh one"
            }
        }
    }

    /// A clause about a number of responses.
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

/// Nanoseconds per token that no server reaches in one stream, not even a simulated one without delays, whose clock
/// ticks once a microsecond.
const BEYOND_ANY_SERVER: u64 = 500;
/// Nanoseconds per token that no real server reaches in one stream.
const BEYOND_REAL_SERVERS: u64 = 10_000;
/// Average number of chunks with the same stamp that no server sends together.
const TOGETHER: usize = 4;

/// The source of a token count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's counter.
    Server,
    /// Chunks were counted, which is an estimate.
    #[default]
    Estimated,
}

/// The source of a request's stamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StampSource {
    /// Taken during the request.
    #[default]
    Taken,
    /// Rebuilt from recorded durations: all agents start at zero, `first_token` is the recorded TTFT, `last_token`
    /// and `done` the end of the execution time.
    Rebuilt,
}

impl RequestTimes {
    /// Sets the planned start, the end, the outcome and the number of tokens.
    pub fn end(&mut self, scheduled: Stamp, ended: Stamp, outcome: Outcome) {
        (self.scheduled, self.ended, self.outcome) = (scheduled, ended, outcome);
        (self.tokens, self.tokens_from) = self.counted();
        if self.is_gathered() {
            self.notes.push(ResponseNote::Gathered);
        }
    }

    /// True if the output arrived faster than any server generates it: something between server and client buffered
    /// it, so that the time from its first to its last token is not the server's.
    pub fn is_gathered(&self) -> bool {
        let Some((first, last)) = self.first_token.zip(self.last_token) else {
            return false;
        };
        let span = last.since(first).0;
        let steps = self.tokens.max(self.chunks.len() as u64).saturating_sub(1);
        let faster_than = |step: u64| span < step.saturating_mul(steps);
        let later = |two: &&[Stamp]| two[0] != two[1];
        let arrivals = || 1 + self.chunks.windows(2).filter(later).count();
        faster_than(BEYOND_ANY_SERVER)
            || faster_than(BEYOND_REAL_SERVERS) && TOGETHER * arrivals() <= self.chunks.len()
    }

    /// The number of tokens: the server's count, or the number of chunks with output if it gave none.
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
