//! The interface between the runtime and a model server. The clients implement it, and so do fakes in tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::options::ModelOptions;
use crate::outcome::{FailureKind, Outcome, TimeoutPhase};
use crate::record::{RequestTimes, ResponseNote};
use crate::units::Nanos;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerateCall {
    /// Model name as the server knows it.
    pub model: String,
    /// The conversation before the prompt; `None` for an independent prompt. With `Some`, even if empty, the prompt
    /// is a turn of a chat and goes to the server's chat endpoint.
    pub history: Option<Vec<Message>>,
    /// The prompt; in a chat, the user's latest message.
    pub prompt: String,
    /// Options; empty sends none.
    pub options: ModelOptions,
}

impl GenerateCall {
    /// The messages of a chat: the conversation, and the prompt.
    pub fn messages(&self) -> Vec<Message> {
        let earlier = self.history.iter().flatten().cloned();
        let last = Message {
            role: Role::User,
            text: self.prompt.clone(),
        };
        earlier.chain([last]).collect()
    }
}

/// A message of a chat; its JSON is that of the servers' APIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    #[serde(rename = "content")]
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
}

/// How long a server keeps a model loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Unload when the last request in flight has ended.
    Unload,
    /// Keep for this time after the last request.
    For(Nanos),
    /// Keep without a time limit.
    Forever,
}

/// What the client observed of one request, filled in as it happens. The caller owns it, so that it survives when the
/// future is dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// Times and the server's own counters. The caller adds the planned start, the outcome and the number of tokens;
    /// see [`RequestTimes::end`].
    pub times: RequestTimes,
    /// The generated content, or the refusal of a model that refuses.
    pub text: String,
    pub thinking: String,
    /// Bytes of all output so far: content, thinking, and tool calls in their wire format.
    pub output_bytes: u64,
    /// Generated tokens that the server reports as hidden.
    pub hidden_tokens: u64,
    pub done_reason: Option<String>,
    /// The options that were sent, if the protocol does not support all of the requested ones.
    pub options_sent: Option<ModelOptions>,
    /// Counter of chunks with text that can be read while the request runs. A backend adds to it whenever it adds to
    /// `times.chunks`.
    pub progress: Progress,
}

/// The most tokens of a prompt or an answer; a greater count is a mistake.
const MOST_TOKENS: u64 = 1 << 24;

/// Tokens that may be counted beyond the output's bytes: markers such as the end of a turn have no text.
const UNSEEN_TOKENS: u64 = 64;

impl Exchange {
    /// Drops impossible token counts of the server: zero despite output, more than the output has bytes, or more than
    /// twice what the call allowed. Chunks are counted instead.
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
        let reported = counters.eval_count;
        let is_placeholder = reported == Some(0) && !self.times.chunks.is_empty();
        if is_placeholder || reported.is_some_and(|n| n > most) {
            counters.eval_count = None;
            is_impossible = true;
        }
        if is_placeholder {
            // A server that leaves one count unset leaves all of them unset.
            counters.prompt_eval_count = counters.prompt_eval_count.filter(|n| *n > 0);
        }
        if is_impossible {
            self.times.notes.push(ResponseNote::ImpossibleCount);
        }
    }
}

/// A count of chunks that can be read while a request runs; clones share it. The default counts nothing. Exchanges that
/// differ only here are equal.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<Arc<AtomicU64>>);

impl Progress {
    pub fn counting() -> Self {
        Self(Some(Arc::default()))
    }

    pub fn add(&self, chunks: u64) {
        if let Some(count) = &self.0 {
            count.fetch_add(chunks, Ordering::Relaxed);
        }
    }

    /// 0 for the default.
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

/// The kind that Tandem's simulator reports.
pub const SIMULATOR: &str = "tandem-simulator";

/// Kind and version of a server, as it reports them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerIdentity {
    /// `ollama`, `tandem-simulator`, …
    pub kind: String,
    pub version: String,
}

impl ServerIdentity {
    /// True for Tandem's simulator, on either protocol, embedded or started by `tandem serve`.
    pub fn is_simulator(&self) -> bool {
        self.kind.starts_with(SIMULATOR)
    }

    /// True for servers that hold one model from start to end. Their requests never wait for a load, so they report
    /// none.
    pub fn holds_model(&self) -> bool {
        matches!(self.kind.as_str(), "llama.cpp" | "vllm" | "sglang")
    }

    /// The server setting for this number of slots; `None` for unknown servers.
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

/// True for a model family of which Ollama serves one request at a time regardless of `OLLAMA_NUM_PARALLEL`.
pub fn has_one_slot(family: &str) -> bool {
    let alone = "mllama qwen3vl qwen35 qwen3next lfm2 nemotron_h".split(' ');
    alone.into_iter().any(|known| family.starts_with(known))
}

/// A model a server has.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelIdentity {
    pub name: String,
    /// Content digest, if the server reports it.
    pub digest: Option<String>,
    /// Size on disk, bytes.
    pub size_bytes: Option<u64>,
    /// For example `4.3B`.
    pub parameter_size: Option<String>,
    /// For example `Q4_K_M`.
    pub quantization: Option<String>,
}

/// A loaded model as `/api/ps` lists it.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadedModel {
    pub name: String,
    /// Memory in all, bytes.
    pub size_bytes: Option<u64>,
    /// Device memory, bytes.
    pub size_vram_bytes: Option<u64>,
    /// Context length per slot.
    pub context_length: Option<u64>,
    /// When the server plans to unload it, in the server's format.
    pub expires_at: Option<String>,
}

/// Why a call other than a generation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    #[error("{endpoint}: {message}")]
    Failed {
        /// The endpoint, without credentials.
        endpoint: String,
        failure: FailureKind,
        /// Message of the server or the transport.
        message: String,
    },
    #[error("{endpoint}: no answer in time: timed out {phase}")]
    TimedOut {
        /// The endpoint, without credentials.
        endpoint: String,
        phase: TimeoutPhase,
    },
}

/// A model server.
///
/// Dropping a future that a method returned closes its connection, which cancels the request.
#[async_trait]
pub trait ChatBackend: Send + Sync + fmt::Debug {
    /// The endpoint without credentials.
    fn endpoint(&self) -> String;

    /// Runs one generation to its end and fills `exchange` as it progresses.
    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome;

    /// The error of an operation that the protocol does not have. The operations below fail with it unless a backend
    /// implements them.
    fn unsupported(&self, what: &str) -> BackendError {
        BackendError::Failed {
            endpoint: self.endpoint(),
            failure: FailureKind::Unsupported,
            message: format!("a server of this protocol {what}"),
        }
    }

    async fn identify(&self) -> Result<ServerIdentity, BackendError> {
        Err(self.unsupported("does not report its kind and version"))
    }

    /// `None` if the server does not have the model.
    async fn find_model(&self, _model: &str) -> Result<Option<ModelIdentity>, BackendError> {
        Err(self.unsupported("does not list its models"))
    }

    async fn loaded(&self) -> Result<Vec<LoadedModel>, BackendError> {
        Err(self.unsupported("does not list the models in memory"))
    }

    /// Returns when the model is ready.
    async fn preload(&self, _model: &str, _options: &ModelOptions) -> Result<(), BackendError> {
        Err(self.unsupported("cannot preload a model"))
    }

    /// Returns when the server no longer lists the model.
    async fn unload(&self, _model: &str) -> Result<(), BackendError> {
        Err(self.unsupported("cannot unload a model"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Stamp;

    /// The count that remains for an answer of two chunks and `bytes` bytes.
    fn kept(count: u64, bytes: u64, num_predict: Option<i64>) -> Option<u64> {
        let mut exchange = Exchange {
            output_bytes: bytes,
            ..Exchange::default()
        };
        exchange.times.chunks = vec![Stamp(1), Stamp(2)];
        exchange.times.counters.eval_count = Some(count);
        exchange.times.counters.prompt_eval_count = Some(count);
        let mut call = GenerateCall::default();
        call.options.num_predict = num_predict;
        exchange.drop_impossible_counts(&call);
        let counters = &exchange.times.counters;
        let noted = exchange.times.notes == [ResponseNote::ImpossibleCount];
        assert_eq!(noted, counters.eval_count.is_none());
        let fits_prompt = (1..=MOST_TOKENS).contains(&count);
        assert_eq!(counters.prompt_eval_count.is_some(), fits_prompt, "{count}");
        counters.eval_count
    }

    #[test]
    fn impossible_counts_are_dropped() {
        for (count, bytes, num_predict, is_kept) in [
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
            let expected = is_kept.then_some(count);
            let kept = kept(count, bytes, num_predict);
            assert_eq!(kept, expected, "{count} {bytes} {num_predict:?}");
        }
    }
}
