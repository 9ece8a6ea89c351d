//! The JSON of chat completions, and what servers add to it.

use std::collections::BTreeMap;

use domain::backend::{GenerateCall, Message, ModelIdentity};
use domain::{ModelOptions, OnV1, OptionSpec, OptionValue};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use transport::{Members, list};

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

impl ChatRequest {
    /// The request of a call, and the options of the call that it carries. This protocol cannot carry
    /// how the model is loaded (`num_ctx`, `num_gpu`, …), and sampling options that only llama.cpp takes; see
    /// [`not_sent`].
    pub fn from_call(call: &GenerateCall, dialect: Dialect) -> (Self, ModelOptions) {
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
            messages: call.messages(),
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
        struct Reply {
            #[serde(deserialize_with = "list")]
            data: Vec<Members>,
        }
        let reply = <&'de RawValue>::deserialize(deserializer)?.get();
        let models = if reply.starts_with('[') {
            list(&mut serde_json::Deserializer::from_str(reply))
        } else {
            serde_json::from_str(reply).map(|Reply { data }| data)
        };
        let data = models.map_err(D::Error::custom)?;
        let data = data.into_iter().map(Model::from).collect();
        Ok(Self { data })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub identity: ModelIdentity,
    /// Other names that the server accepts for it.
    pub aliases: Vec<String>,
    /// `llamacpp`, `vllm`, `sglang`, `library` (Ollama), …
    pub owned_by: Option<String>,
    /// Longest context of a request, tokens (vLLM, SGLang).
    pub max_model_len: Option<u64>,
}

impl From<Members> for Model {
    fn from(members: Members) -> Self {
        // From llama.cpp, about the weights.
        let meta = members.object("meta");
        Self {
            identity: ModelIdentity {
                name: members.get("id").unwrap_or_default(),
                size_bytes: meta.count("size"),
                parameter_size: meta.count("n_params").map(format_weights),
                ..ModelIdentity::default()
            },
            aliases: members.get("aliases").unwrap_or_default(),
            owned_by: members.get("owned_by"),
            max_model_len: members.count("max_model_len"),
        }
    }
}

/// A number of weights as model names write it: `4.3B`, `270.0M`.
fn format_weights(weights: u64) -> String {
    let n = weights as f64;
    if n >= 1e9 {
        format!("{:.1}B", n / 1e9)
    } else if n >= 1e6 {
        format!("{:.1}M", n / 1e6)
    } else {
        format!("{:.1}K", n / 1e3)
    }
}

#[cfg(test)]
mod tests;
