//! The JSON of chat completions, and what servers add to it.

use std::collections::BTreeMap;

use domain::backend::GenerateCall;
use domain::{ModelOptions, OnV1, OptionSpec, OptionValue};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use transport::{count, lenient, list};

/// A server's additions to the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's own members only.
    #[default]
    Plain,
    /// With llama.cpp's additional sampling options.
    LlamaCpp,
}

impl Dialect {
    /// The dialect of a kind of server (see
    /// [`ServerIdentity`](domain::backend::ServerIdentity)).
    pub fn of_kind(kind: &str) -> Self {
        if kind.starts_with(LLAMA_CPP) {
            Self::LlamaCpp
        } else {
            Self::Plain
        }
    }
}

pub(crate) const LLAMA_CPP: &str = "llama.cpp";

/// Suffix of the kind of a server that has its own API and was asked on `/v1`.
pub(crate) const ON_V1: &str = " /v1";

/// The kind of a server that speaks the protocol and does not identify itself.
pub(crate) const COMPATIBLE: &str = "openai-compatible";

/// True for the kinds that this client finds and talks to.
pub fn is_kind(kind: &str) -> bool {
    kind.starts_with(LLAMA_CPP)
        || kind.ends_with(ON_V1)
        || ["vllm", "sglang", COMPATIBLE].contains(&kind)
}

/// Body of `POST /v1/chat/completions`. It always asks for a stream, since an answer in one piece
/// has no time to first token, and for a chunk with the token counts before `[DONE]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// Model name; servers with one model may ignore it.
    pub model: String,
    pub messages: Vec<Message>,
    /// By their names in this protocol. An absent option leaves the choice to the server.
    options: Vec<(&'static str, OptionValue)>,
}

impl Serialize for ChatRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("model", &self.model)?;
        members.serialize_entry("messages", &self.messages)?;
        members.serialize_entry("stream", &true)?;
        let usage = BTreeMap::from([("include_usage", true)]);
        members.serialize_entry("stream_options", &usage)?;
        for (name, value) in &self.options {
            members.serialize_entry(name, value)?;
        }
        members.end()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    pub content: String,
}

impl ChatRequest {
    /// The request of a call, and the options of the call that it carries. This protocol cannot carry
    /// how the model is loaded (`num_ctx`, `num_gpu`, …), how long it stays (`keep_alive`), and
    /// sampling options that only llama.cpp takes; see [`not_sent`].
    pub fn from_call(call: &GenerateCall, dialect: Dialect) -> (Self, ModelOptions) {
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
        let mut sent = ModelOptions::default();
        let options = call.options.iter().filter_map(|(option, value)| {
            let left_to_server = matches!(option.on_v1, OnV1::Unsigned(_))
                && value.as_f64().is_some_and(|number| number < 0.0);
            let name = name_of(option, dialect).filter(|_| !left_to_server)?;
            option.set(&mut sent, value.clone());
            Some((name, value))
        });
        let request = Self {
            model: call.model.clone(),
            messages,
            options: options.collect(),
        };
        (request, sent)
    }
}

/// An option's name in this protocol and dialect; `None` where it has none.
fn name_of(option: &OptionSpec, dialect: Dialect) -> Option<&'static str> {
    match option.on_v1 {
        OnV1::Everywhere(name) | OnV1::Unsigned(name) => Some(name),
        OnV1::LlamaCpp(name) => (dialect == Dialect::LlamaCpp).then_some(name),
        OnV1::No => None,
    }
}

/// The names of the set options that this dialect cannot carry.
pub fn not_sent(options: &ModelOptions, dialect: Dialect) -> Vec<&'static str> {
    let left_out = |(option, _): &(&OptionSpec, _)| name_of(option, dialect).is_none();
    let left_out = options.iter().filter(left_out);
    left_out.map(|(option, _)| option.name).collect()
}

/// Reply of `GET /v1/models`: an object, or only the list. Invalid models are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    pub data: Vec<Model>,
}

impl<'de> Deserialize<'de> for Models {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Alone(#[serde(deserialize_with = "list")] Vec<Model>);
        #[derive(Deserialize)]
        struct InObject {
            #[serde(deserialize_with = "list")]
            data: Vec<Model>,
        }
        let reply = <&'de RawValue>::deserialize(deserializer)?.get();
        let data = if reply.starts_with('[') {
            serde_json::from_str(reply).map(|Alone(data)| data)
        } else {
            serde_json::from_str(reply).map(|InObject { data }| data)
        };
        data.map(|data| Self { data }).map_err(D::Error::custom)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Model {
    /// The model's name.
    pub id: String,
    /// Other names that the server accepts for it.
    #[serde(deserialize_with = "lenient")]
    pub aliases: Vec<String>,
    /// `llamacpp`, `vllm`, `sglang`, `library` (Ollama), …
    #[serde(deserialize_with = "lenient")]
    pub owned_by: Option<String>,
    /// Longest context of a request, tokens (vLLM, SGLang).
    #[serde(deserialize_with = "count")]
    pub max_model_len: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub meta: ModelMeta,
}

/// llama.cpp's facts about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModelMeta {
    /// Size of the weights, bytes.
    #[serde(deserialize_with = "count")]
    pub size: Option<u64>,
    /// Number of weights.
    #[serde(deserialize_with = "count")]
    pub n_params: Option<u64>,
}

/// The used part of llama.cpp's `GET /props`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Props {
    /// For example `b6500-1a2b3c4d`.
    #[serde(deserialize_with = "lenient")]
    pub build_info: Option<String>,
    /// Requests that are served at the same time.
    #[serde(deserialize_with = "count")]
    pub total_slots: Option<u64>,
    /// `router` on a server that loads models on demand.
    #[serde(deserialize_with = "lenient")]
    pub role: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub default_generation_settings: SlotSettings,
}

/// The used part of a slot's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SlotSettings {
    /// Context of one slot, tokens.
    #[serde(deserialize_with = "count")]
    pub n_ctx: Option<u64>,
}

/// A reply that gives a version: `GET /version` of vLLM, `/get_server_info` of SGLang,
/// `/api/version` of Ollama.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    /// The server's name, where another server answers Ollama's path: the simulator gives its own.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) server: Option<String>,
}

#[cfg(test)]
mod tests;
