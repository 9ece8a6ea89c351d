//! What the runtime needs of a model server. Implemented by the Ollama client, and by fakes.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::options::ModelOptions;
use crate::outcome::{FailureKind, Outcome, TimeoutPhase};
use crate::record::RequestTimes;
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
    /// The generated content.
    pub text: String,
    /// The generated thinking.
    pub thinking: String,
    /// Why the server stopped.
    pub done_reason: Option<String>,
    /// The options that were sent, where the protocol could not carry all that were asked for.
    pub options_sent: Option<ModelOptions>,
    /// Chunks with text so far, for whoever watches while the exchange is being filled. A backend
    /// adds to it whenever it adds to `times.chunks`.
    pub progress: Progress,
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

    /// Counts more chunks with text.
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
