//! The JSON of Ollama's native API. Durations are nanoseconds, sizes bytes, times RFC 3339 text.

use std::collections::BTreeMap;

use domain::ModelOptions;
use domain::backend::{GenerateCall, KeepAlive};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use transport::{Members, lenient, list};

/// Body of `POST /api/generate`, which has a prompt, or of `POST /api/chat`, which has messages. An absent
/// member leaves the choice to the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    pub model: String,
    /// The prompt; empty only loads (or, with `keep_alive` 0, unloads) the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    /// System text that replaces the model's own; only together with a prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    /// The conversation so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Message>>,
    /// True for many chunks, false for one object at the end.
    pub stream: bool,
    /// Model options; the member is left out where there are none.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// How long the model stays loaded afterwards; absent leaves the server's default.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "keep_alive")]
    pub(crate) keep_alive: Option<KeepAlive>,
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
                let earlier = history.iter();
                let earlier = earlier.map(|turn| Message::new(turn.role.as_str(), &turn.text));
                let last = [Message::new("user", &call.prompt)];
                Self::chat(&call.model, system.chain(earlier).chain(last).collect())
            }
        };
        Self {
            options: call.options.clone(),
            keep_alive: call.keep_alive,
            ..request
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

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    role: String,
    content: String,
}

impl Message {
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Reply of `GET /api/version`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    pub version: String,
    /// The name of a server that is not Ollama and reports one, such as the simulator.
    #[serde(default, deserialize_with = "lenient")]
    pub server: Option<String>,
}

/// Reply of `GET /api/tags`, the models on disk, and of `GET /api/ps`, those in memory.
#[derive(Debug, Deserialize)]
pub(crate) struct Models {
    #[serde(deserialize_with = "list")]
    pub(crate) models: Vec<Members>,
}

/// Reply of `POST /api/show`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// GGUF keys and values.
    #[serde(deserialize_with = "lenient")]
    pub model_info: BTreeMap<String, Value>,
}

#[cfg(test)]
mod tests;
