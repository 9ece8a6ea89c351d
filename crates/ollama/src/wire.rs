//! The JSON of Ollama's native API. Durations are nanoseconds, sizes bytes, times RFC 3339 text.

use std::collections::BTreeMap;

use domain::ModelOptions;
use domain::backend::{GenerateCall, KeepAlive};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use transport::{count, lenient, list};

/// Body of `POST /api/generate`, which has a prompt, or of `POST /api/chat`, which has messages. An absent
/// member leaves the choice to the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    pub model: String,
    /// The prompt; empty only loads (or, with `keep_alive` 0, unloads) the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    /// System text that replaces the model's own, beside a prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The conversation so far; empty only loads (or unloads) the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Message>>,
    /// Tools the model may call in a chat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// True for many chunks, false for one object at the end.
    pub stream: bool,
    /// Empty sends none.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// How long the model stays loaded afterwards; absent leaves the server's default.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "keep_alive")]
    pub keep_alive: Option<KeepAlive>,
    /// Absent means on where the model can think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

impl Request {
    /// A streamed generation with nothing else set.
    pub fn generate(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompt: Some(prompt.into()),
            stream: true,
            ..Self::default()
        }
    }

    /// A streamed chat turn with nothing else set.
    pub fn chat(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            messages: Some(messages),
            stream: true,
            ..Self::default()
        }
    }

    /// The path of its endpoint.
    pub(crate) fn path(&self) -> &'static str {
        match self.messages {
            Some(_) => "/api/chat",
            None => "/api/generate",
        }
    }
}

/// A call with a history becomes a chat, with its prompt as the user's last message.
impl From<&GenerateCall> for Request {
    fn from(call: &GenerateCall) -> Self {
        let request = match &call.history {
            None => Self {
                system: call.system.clone(),
                ..Self::generate(&call.model, &call.prompt)
            },
            Some(history) => {
                let system = call.system.iter().map(|text| Message::new("system", text));
                let said =
                    (history.iter()).map(|said| Message::new(said.role.as_str(), &said.text));
                let last = [Message::new("user", &call.prompt)];
                Self::chat(&call.model, system.chain(said).chain(last).collect())
            }
        };
        Self {
            options: call.options.clone(),
            keep_alive: call.keep_alive,
            ..request
        }
    }
}

/// `think`: a switch, or a level on models that have levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Think {
    Off,
    On,
    Low,
    Medium,
    High,
    Max,
}

impl Serialize for Think {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On => serializer.serialize_bool(true),
            Self::Low => serializer.serialize_str("low"),
            Self::Medium => serializer.serialize_str("medium"),
            Self::High => serializer.serialize_str("high"),
            Self::Max => serializer.serialize_str("max"),
        }
    }
}

/// The shape of the output.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Any JSON.
    Json,
    /// JSON that matches a JSON Schema.
    Schema(Value),
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json => serializer.serialize_str("json"),
            Self::Schema(schema) => schema.serialize(serializer),
        }
    }
}

/// Writes a `keep_alive` as the server reads it: a number is seconds, a string a Go duration. Lengths
/// that are not whole seconds are written as a string, so that none is rounded.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn keep_alive<S: Serializer>(value: &Option<KeepAlive>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        None => serializer.serialize_none(),
        Some(KeepAlive::Unload) => serializer.serialize_i64(0),
        Some(KeepAlive::Forever) => serializer.serialize_i64(-1),
        Some(KeepAlive::For(length)) => match length.0 {
            ns if ns % 1_000_000_000 == 0 => serializer.serialize_u64(ns / 1_000_000_000),
            ns if ns % 1_000_000 == 0 => {
                serializer.collect_str(&format_args!("{}ms", ns / 1_000_000))
            }
            ns => serializer.collect_str(&format_args!("{ns}ns")),
        },
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    pub content: String,
    /// The model's thinking, in an assistant's message that is sent back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Images, base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Tool calls of an assistant's message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The tool that answered, in a tool's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The call that is answered, in a tool's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
            ..Self::default()
        }
    }
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    pub function: ToolFunction,
}

/// A function that is a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolFunction {
    pub name: String,
    /// For the model: what the function does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

impl Tool {
    pub fn function(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Self {
        Self {
            kind: "function".to_owned(),
            function: ToolFunction {
                name: name.into(),
                description: description.into(),
                parameters,
            },
        }
    }
}

/// A call that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// `None` on servers that give no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub function: CalledFunction,
}

/// The function of a [`ToolCall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalledFunction {
    /// Place among the calls of a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    pub name: String,
    /// By name.
    #[serde(default)]
    pub arguments: serde_json::Map<String, Value>,
}

/// Reply of `GET /api/version`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    pub version: String,
    /// The server's name, where it is not Ollama and says so.
    #[serde(default, deserialize_with = "lenient")]
    pub server: Option<String>,
}

/// Reply of `GET /api/tags`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tags {
    #[serde(deserialize_with = "list")]
    pub models: Vec<TaggedModel>,
}

/// A model on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TaggedModel {
    /// Name with tag.
    pub name: String,
    /// Size on disk, bytes.
    #[serde(deserialize_with = "count")]
    pub size: Option<u64>,
    /// Content digest.
    #[serde(deserialize_with = "lenient")]
    pub digest: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub details: Details,
}

/// Facts about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Details {
    /// For example `4.3B`.
    #[serde(deserialize_with = "lenient")]
    pub parameter_size: Option<String>,
    /// For example `Q4_K_M`.
    #[serde(deserialize_with = "lenient")]
    pub quantization_level: Option<String>,
}

/// Reply of `GET /api/ps`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Running {
    /// The models in memory, the one that expires last first.
    #[serde(deserialize_with = "list")]
    pub models: Vec<RunningModel>,
}

/// A model in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RunningModel {
    /// Name with tag.
    pub name: String,
    /// All memory, bytes.
    #[serde(deserialize_with = "count")]
    pub size: Option<u64>,
    /// Device memory, bytes.
    #[serde(deserialize_with = "count")]
    pub size_vram: Option<u64>,
    /// When the server plans to unload it; in the past while it is stopping.
    #[serde(deserialize_with = "lenient")]
    pub expires_at: Option<String>,
    /// Context length per slot, tokens; since 0.10.0.
    #[serde(deserialize_with = "count")]
    pub context_length: Option<u64>,
}

/// Body of `POST /api/show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShowRequest<'a> {
    pub(crate) model: &'a str,
    pub(crate) verbose: bool,
}

/// Reply of `POST /api/show`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// GGUF keys and values.
    #[serde(deserialize_with = "lenient")]
    pub model_info: BTreeMap<String, Value>,
    /// `completion`, `tools`, `thinking`, …
    #[serde(deserialize_with = "lenient")]
    pub capabilities: Vec<String>,
}

/// Body of `POST /api/embed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EmbedRequest {
    pub model: String,
    pub input: Vec<String>,
    /// Length of each vector, on models that can choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u64>,
    /// Truncates texts that are too long instead of failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<bool>,
    /// Empty sends none.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// How long the model stays loaded afterwards.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "keep_alive")]
    pub keep_alive: Option<KeepAlive>,
}

impl EmbedRequest {
    pub fn new(model: impl Into<String>, input: Vec<String>) -> Self {
        Self {
            model: model.into(),
            input,
            ..Self::default()
        }
    }
}

/// Reply of `POST /api/embed`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Embeddings {
    pub model: String,
    /// One vector for each text.
    pub embeddings: Vec<Vec<f32>>,
    /// From arrival to end, nanoseconds.
    #[serde(default, deserialize_with = "count")]
    pub total_duration: Option<u64>,
    /// Until the model was ready, nanoseconds.
    #[serde(default, deserialize_with = "count")]
    pub load_duration: Option<u64>,
    /// Tokens of the input.
    #[serde(default, deserialize_with = "count")]
    pub prompt_eval_count: Option<u64>,
}

#[cfg(test)]
mod tests;
