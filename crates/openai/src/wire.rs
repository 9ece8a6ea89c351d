//! The JSON of chat completions, and what servers add to it.

use domain::backend::GenerateCall;
use serde::{Deserialize, Serialize};

/// Which server's additions to the protocol are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// None: OpenAI's own members only.
    #[default]
    Plain,
    /// llama.cpp's: more sampling options in requests.
    LlamaCpp,
}

impl Dialect {
    /// The dialect of a server of this kind (see
    /// [`ServerIdentity`](domain::backend::ServerIdentity)).
    pub fn of_kind(kind: &str) -> Self {
        if kind.starts_with(LLAMA_CPP) {
            Self::LlamaCpp
        } else {
            Self::Plain
        }
    }
}

/// Kind of a llama.cpp server.
pub(crate) const LLAMA_CPP: &str = "llama.cpp";

/// True when a server of this kind was found, and is talked to, by this client.
pub fn is_kind(kind: &str) -> bool {
    kind.starts_with(LLAMA_CPP)
        || ["vllm", "sglang", "ollama /v1", "openai-compatible"].contains(&kind)
}

/// Body of `POST /v1/chat/completions`. An absent member leaves the choice to the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatRequest {
    /// Model name; servers with one model may ignore it.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Always true: an answer in one piece has no time to first token.
    pub stream: bool,
    /// Asks for the token counts.
    pub stream_options: StreamOptions,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Stop strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Presence penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Frequency penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// What llama.cpp takes besides.
    #[serde(flatten)]
    pub llama_cpp: LlamaCppOptions,
}

/// A chat message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// Its text.
    pub content: String,
}

/// `stream_options`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StreamOptions {
    /// A chunk with the token counts before `[DONE]`.
    pub include_usage: bool,
}

/// Sampling options that llama.cpp takes in a chat request.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LlamaCppOptions {
    /// Candidates kept before sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability relative to the best candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Locally typical sampling threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Penalty for repeated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// Window of the repeat penalty, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Tokens kept when the context shifts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_keep: Option<i64>,
}

impl ChatRequest {
    /// The request of a call, and the names of what the call sets and this protocol cannot carry:
    /// how the model is loaded (`num_ctx`, `num_gpu`, …), how long it stays (`keep_alive`), and
    /// sampling options that only llama.cpp takes.
    pub fn from_call(call: &GenerateCall, dialect: Dialect) -> (Self, Vec<&'static str>) {
        let o = &call.options;
        let mut messages = Vec::new();
        let mut say = |role, content: &String| {
            messages.push(Message {
                role,
                content: content.clone(),
            });
        };
        if let Some(system) = &call.system {
            say("system", system);
        }
        for said in call.history.iter().flatten() {
            say(said.role.as_str(), &said.text);
        }
        say("user", &call.prompt);
        let llama_cpp = match dialect {
            Dialect::LlamaCpp => LlamaCppOptions {
                top_k: o.top_k,
                min_p: o.min_p,
                typical_p: o.typical_p,
                repeat_penalty: o.repeat_penalty,
                repeat_last_n: o.repeat_last_n,
                n_keep: o.num_keep,
            },
            Dialect::Plain => LlamaCppOptions::default(),
        };
        let request = Self {
            model: call.model.clone(),
            messages,
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            // Negative: the server's own limit, which an absent member is too.
            max_tokens: o.num_predict.filter(|n| *n >= 0),
            temperature: o.temperature,
            top_p: o.top_p,
            // Negative: random, likewise.
            seed: o.seed.filter(|seed| *seed >= 0),
            stop: o.stop.clone(),
            presence_penalty: o.presence_penalty,
            frequency_penalty: o.frequency_penalty,
            llama_cpp,
        };
        let mut dropped = not_sent(o, dialect);
        if call.keep_alive.is_some() {
            dropped.push("keep_alive");
        }
        (request, dropped)
    }
}

/// Names of the options that are set and that this protocol cannot carry in this dialect.
pub fn not_sent(options: &domain::ModelOptions, dialect: Dialect) -> Vec<&'static str> {
    let o = options;
    let plain = dialect == Dialect::Plain;
    [
        ("num_gpu", o.num_gpu.is_some()),
        ("num_ctx", o.num_ctx.is_some()),
        ("num_batch", o.num_batch.is_some()),
        ("num_thread", o.num_thread.is_some()),
        ("main_gpu", o.main_gpu.is_some()),
        ("use_mmap", o.use_mmap.is_some()),
        ("draft_num_predict", o.draft_num_predict.is_some()),
        ("top_k", plain && o.top_k.is_some()),
        ("min_p", plain && o.min_p.is_some()),
        ("typical_p", plain && o.typical_p.is_some()),
        ("repeat_penalty", plain && o.repeat_penalty.is_some()),
        ("repeat_last_n", plain && o.repeat_last_n.is_some()),
        ("num_keep", plain && o.num_keep.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect()
}

/// Reply of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Models {
    /// The models.
    pub data: Vec<Model>,
}

/// A model of [`Models`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// Other names that the server takes for it.
    pub aliases: Vec<String>,
    /// `llamacpp`, `vllm`, `sglang`, `library` (Ollama), …
    pub owned_by: Option<String>,
    /// Longest context of a request, tokens (vLLM, SGLang).
    pub max_model_len: Option<u64>,
    /// llama.cpp's facts.
    pub meta: Option<ModelMeta>,
}

/// llama.cpp's facts about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModelMeta {
    /// Size of the weights, bytes.
    pub size: Option<u64>,
    /// Number of weights.
    pub n_params: Option<u64>,
}

/// What is used of llama.cpp's `GET /props`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Props {
    /// For example `b6500-1a2b3c4d`.
    pub build_info: Option<String>,
    /// Requests served at the same time.
    pub total_slots: Option<u64>,
    /// File of the model.
    pub model_path: Option<String>,
    /// `router` on a server that loads models on demand.
    pub role: Option<String>,
    /// Settings of a slot.
    pub default_generation_settings: SlotSettings,
}

/// What is used of a slot's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SlotSettings {
    /// Context of one slot, tokens.
    pub n_ctx: Option<u64>,
}

/// A reply that names a version: `GET /version` of vLLM, `/get_server_info` of SGLang,
/// `/api/version` of Ollama.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

#[cfg(test)]
mod tests;
