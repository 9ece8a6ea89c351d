//! What the runtime needs of a model server. Implemented by the Ollama client, and by fakes.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::options::ModelOptions;
use crate::outcome::{FailureKind, Outcome, TimeoutPhase};
use crate::record::{RequestTimes, ResponseNote};
use crate::units::Nanos;

/// One generation to ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerateCall {
    /// Model name as the server knows it.
    pub model: String,
    /// System text, when there is one.
    pub system: Option<String>,
    /// The conversation before the prompt. `None` for a prompt that stands alone; with `Some`, even
    /// of nothing yet, the prompt is a turn of a chat and goes to the server's chat operation.
    pub history: Option<Vec<Message>>,
    /// The prompt; in a chat, what the user says last.
    pub prompt: String,
    /// Options; empty sends none.
    pub options: ModelOptions,
    /// How long the server should keep the model loaded; `None` leaves the server's own rule.
    pub keep_alive: Option<KeepAlive>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word that servers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// The `keep_alive` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Unload as soon as the last request in flight has ended.
    Unload,
    /// Keep for so long after the last request.
    For(Nanos),
    /// Never unload by time.
    Forever,
}

/// Everything one request showed on the client's side, filled in as it happens. The caller owns
/// it, so that what was seen survives when the future is dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// When what happened, and the server's own counters. When it was to start, how it ended and
    /// how many tokens it had are its caller's to add; see [`RequestTimes::end`].
    pub times: RequestTimes,
    /// The generated content; of a model that refuses, what it says instead.
    pub text: String,
    /// The generated thinking.
    pub thinking: String,
    /// Bytes of all output so far: content, thinking, and tool calls as they stood in their chunks.
    pub output_bytes: u64,
    /// Tokens that the server counts as generated and says it does not show.
    pub hidden_tokens: u64,
    /// Why the server stopped.
    pub done_reason: Option<String>,
    /// The options that were sent, where the protocol could not carry all that were asked for.
    pub options_sent: Option<ModelOptions>,
    /// Chunks with text so far, for whoever watches while the exchange is being filled. A backend
    /// adds to it whenever it adds to `times.chunks`.
    pub progress: Progress,
}

/// More tokens than any prompt or answer has; such a count is a mistake.
const MOST_TOKENS: u64 = 1 << 24;

/// Tokens that may be counted beyond the output's bytes: ends of turns and other marks have no text.
const UNSEEN_TOKENS: u64 = 64;

impl Exchange {
    /// Drops token counts of the server that cannot be: none although there was output, more than the
    /// output has bytes, or more than twice what the call allowed. Chunks are counted instead.
    pub fn drop_impossible_counts(&mut self, call: &GenerateCall) {
        let counters = &mut self.times.counters;
        let mut is_impossible = false;
        for count in [
            &mut counters.prompt_eval_count,
            &mut counters.prompt_eval_cached_count,
        ] {
            if count.is_some_and(|n| n > MOST_TOKENS) {
                *count = None;
                is_impossible = true;
            }
        }
        let asked = call.options.num_predict.and_then(|n| u64::try_from(n).ok());
        let asked = asked.filter(|n| *n > 0).unwrap_or(MOST_TOKENS);
        let shown = self.output_bytes.saturating_add(self.hidden_tokens);
        let most = MOST_TOKENS
            .min(shown.saturating_add(UNSEEN_TOKENS))
            .min(asked.saturating_mul(2).saturating_add(UNSEEN_TOKENS));
        let told = counters.eval_count;
        let is_placeholder = told == Some(0) && !self.times.chunks.is_empty();
        if is_placeholder || told.is_some_and(|n| n > most) {
            counters.eval_count = None;
            is_impossible = true;
        }
        if is_placeholder {
            // Where one count was never filled in, none was.
            counters.prompt_eval_count = counters.prompt_eval_count.filter(|n| *n > 0);
        }
        if is_impossible {
            self.times.notes.push(ResponseNote::ImpossibleCount);
        }
    }
}

/// A count of chunks that can be read while a request runs; clones share the count. By default nobody
/// reads it, and nothing is counted. It is no part of what was observed, so two exchanges that differ
/// only here are equal.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<Arc<AtomicU64>>);

impl Progress {
    /// A count that somebody reads.
    pub fn watched() -> Self {
        Self(Some(Arc::default()))
    }

    /// Counts more chunks with output.
    pub fn add(&self, chunks: u64) {
        if let Some(count) = &self.0 {
            count.fetch_add(chunks, Ordering::Relaxed);
        }
    }

    /// Chunks with text so far; none when nobody watches.
    pub fn get(&self) -> u64 {
        let count = self.0.as_ref();
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl PartialEq for Progress {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// The kind by which Tandem's simulator makes itself known.
pub const SIMULATOR: &str = "tandem-simulator";

/// What a server says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServerIdentity {
    /// `ollama`, `tandem-simulator`, …
    pub kind: String,
    /// Its version.
    pub version: String,
}

impl ServerIdentity {
    /// True for Tandem's simulator, on either protocol, embedded or started by `tandem serve`.
    pub fn is_simulator(&self) -> bool {
        self.kind.starts_with(SIMULATOR)
    }

    /// True for servers that hold their model from their start to their end: none of their requests
    /// ever waits for a load, which such a server therefore does not report.
    pub fn holds_model(&self) -> bool {
        matches!(self.kind.as_str(), "llama.cpp" | "vllm" | "sglang")
    }

    /// The setting that such a server is started with for so many slots; none for servers whose setting is not
    /// known.
    pub fn slots_setting(&self, slots: u64) -> Option<String> {
        Some(match self.kind.as_str() {
            "ollama" | "ollama /v1" => format!("OLLAMA_NUM_PARALLEL={slots}"),
            "tandem-simulator" => format!("--num-parallel {slots}"),
            "vllm" => format!("--max-num-seqs {slots}"),
            "sglang" => format!("--max-running-requests {slots}"),
            kind if kind.starts_with("llama.cpp") => format!("--parallel {slots}"),
            _ => return None,
        })
    }
}

/// True for a model family of which Ollama serves one request at a time, whatever `OLLAMA_NUM_PARALLEL` is.
pub fn has_one_slot(family: &str) -> bool {
    let alone = "mllama qwen3vl qwen35 qwen3next lfm2 nemotron_h".split(' ');
    alone.into_iter().any(|known| family.starts_with(known))
}

/// A model a server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModelIdentity {
    /// Its name.
    pub name: String,
    /// Content digest, when the server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size on disk, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// For example `4.3B`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_size: Option<String>,
    /// For example `Q4_K_M`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
}

/// A loaded model as `/api/ps` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadedModel {
    /// Its name.
    pub name: String,
    /// Memory in all, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Device memory, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_vram_bytes: Option<u64>,
    /// Context length per slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// When the server means to unload it, as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A call other than a generation went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It failed.
    #[error("{endpoint}: {message}")]
    Failed {
        /// The endpoint, without credentials.
        endpoint: String,
        /// What kind of failure.
        failure: FailureKind,
        /// The server's or the transport's words.
        message: String,
    },
    /// One of our limits ran out.
    #[error("{endpoint}: no answer in time ({phase:?})")]
    TimedOut {
        /// The endpoint, without credentials.
        endpoint: String,
        /// Which limit.
        phase: TimeoutPhase,
    },
}

/// A model server.
///
/// Dropping a future that a method returned closes its connection, which is how a request is
/// cancelled.
pub trait ChatBackend: Send + Sync + fmt::Debug {
    /// The endpoint as it may be shown: no credentials.
    fn endpoint(&self) -> String;

    /// Runs one generation to its end, filling `exchange` as things happen.
    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome>;

    /// The error of an operation that the server's protocol does not have, which is what the operations
    /// below are unless a backend has them.
    fn unsupported(&self, what: &str) -> BackendError {
        BackendError::Failed {
            endpoint: self.endpoint(),
            failure: FailureKind::Unsupported,
            message: format!("a server of this protocol {what}"),
        }
    }

    /// What the server says it is.
    fn identify(&self) -> BoxFuture<'_, Result<ServerIdentity, BackendError>> {
        Box::pin(ready(Err(self.unsupported("does not tell what it is"))))
    }

    /// The model, if the server has it.
    fn find_model<'a>(
        &'a self,
        _model: &'a str,
    ) -> BoxFuture<'a, Result<Option<ModelIdentity>, BackendError>> {
        Box::pin(ready(Err(self.unsupported("does not list its models"))))
    }

    /// The models in memory.
    fn loaded(&self) -> BoxFuture<'_, Result<Vec<LoadedModel>, BackendError>> {
        let what = "does not tell which models are in memory";
        Box::pin(ready(Err(self.unsupported(what))))
    }

    /// Loads the model with these options and returns when it is ready.
    fn preload<'a>(
        &'a self,
        _model: &'a str,
        _options: &'a ModelOptions,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(ready(Err(
            self.unsupported("cannot be told to load a model")
        )))
    }

    /// Unloads the model and returns when the server no longer lists it.
    fn unload<'a>(&'a self, _model: &'a str) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(ready(Err(
            self.unsupported("cannot be told to unload a model")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Stamp;

    /// The count that is left of `told`, of an answer of two chunks and so many bytes.
    fn left(told: u64, bytes: u64, num_predict: Option<i64>) -> Option<u64> {
        let mut exchange = Exchange {
            output_bytes: bytes,
            ..Exchange::default()
        };
        exchange.times.chunks = vec![Stamp(1), Stamp(2)];
        exchange.times.counters.eval_count = Some(told);
        exchange.times.counters.prompt_eval_count = Some(told);
        let mut call = GenerateCall::default();
        call.options.num_predict = num_predict;
        exchange.drop_impossible_counts(&call);
        let counters = &exchange.times.counters;
        let noted = exchange.times.notes == [ResponseNote::ImpossibleCount];
        assert_eq!(noted, counters.eval_count.is_none());
        let can_be_of_a_prompt = (1..=MOST_TOKENS).contains(&told);
        assert_eq!(
            counters.prompt_eval_count.is_some(),
            can_be_of_a_prompt,
            "{told}"
        );
        counters.eval_count
    }

    #[test]
    fn counts_that_cannot_be_are_dropped() {
        for (told, bytes, num_predict, can_be) in [
            (2, 2, None, true),
            (0, 2, None, false),
            (66, 2, None, true),
            (67, 2, None, false),
            (264, 1000, Some(100), true),
            (265, 1000, Some(100), false),
            (900, 1000, Some(-1), true),
            (1, 2, Some(0), true),
            (u64::MAX, u64::MAX, Some(i64::MAX), false),
            (MOST_TOKENS, u64::MAX, None, true),
        ] {
            let expected = can_be.then_some(told);
            assert_eq!(
                left(told, bytes, num_predict),
                expected,
                "{told} {bytes} {num_predict:?}"
            );
        }
    }
}
