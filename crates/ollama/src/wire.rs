//! The JSON of Ollama's native API. Durations are nanoseconds, sizes bytes, times RFC 3339 text.

use domain::ModelOptions;
use domain::backend::{GenerateCall, Message};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_with::skip_serializing_none;
use transport::{Members, list};

/// Body of `POST /api/generate`, which has a prompt, or of `POST /api/chat`, which has messages. An absent
/// member leaves the choice to the server.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    pub(crate) model: String,
    /// The prompt; empty only loads (or, with `keep_alive` 0, unloads) the model.
    prompt: Option<String>,
    /// The conversation so far.
    messages: Option<Vec<Message>>,
    /// True for many chunks, false for one object at the end.
    pub stream: bool,
    /// Model options; the member is left out where there are none.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    options: ModelOptions,
    /// How long the model stays loaded afterwards, seconds; absent leaves the server's default.
    pub(crate) keep_alive: Option<u32>,
}

impl Request {
    /// The path of its endpoint.
    pub(crate) fn path(&self) -> &'static str {
        match self.messages {
            Some(_) => "/api/chat",
            None => "/api/generate",
        }
    }
}

/// A streamed request. A call with a history becomes a chat.
impl From<&GenerateCall> for Request {
    fn from(call: &GenerateCall) -> Self {
        let is_chat = call.history.is_some();
        Self {
            model: call.model.clone(),
            prompt: (!is_chat).then(|| call.prompt.clone()),
            messages: is_chat.then(|| call.messages()),
            stream: true,
            options: call.options.clone(),
            keep_alive: None,
        }
    }
}

/// Reply of `GET /api/version`.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    /// The name of a server that is not Ollama and reports one, such as the simulator.
    pub(crate) server: Option<Box<RawValue>>,
}

/// Reply of `GET /api/tags`, the models on disk, and of `GET /api/ps`, those in memory.
#[derive(Debug, Deserialize)]
pub(crate) struct Models {
    #[serde(deserialize_with = "list")]
    pub(crate) models: Vec<Members>,
}

#[cfg(test)]
mod tests;
