//! Request bodies as they come. Everything is optional and `null` means absent, as in Go.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::go_types::{self, GoStruct};

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// POST /api/generate.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GenerateWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) prompt: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) suffix: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) system: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) template: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) context: Vec<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) raw: bool,
    #[serde(flatten)]
    pub(crate) common: CommonWire,
}

/// POST /api/chat.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) messages: Vec<MessageWire>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tools: Vec<ToolWire>,
    #[serde(flatten)]
    pub(crate) common: CommonWire,
}

/// What generate and chat share.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CommonWire {
    pub(crate) stream: Option<bool>,
    pub(crate) format: Option<Value>,
    pub(crate) keep_alive: Option<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) options: Map<String, Value>,
    pub(crate) think: Option<Value>,
    pub(crate) truncate: Option<bool>,
    pub(crate) shift: Option<bool>,
    pub(crate) logprobs: Option<bool>,
    pub(crate) top_logprobs: Option<i64>,
}

/// A chat message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MessageWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) role: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) content: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) thinking: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tool_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tool_calls: Vec<Value>,
}

/// A tool the model may call.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct ToolWire {
    pub(crate) function: ToolFunctionWire,
}

/// The function of a tool.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct ToolFunctionWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) parameters: Value,
}

/// POST /api/embed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmbedWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    pub(crate) input: Option<Value>,
    pub(crate) truncate: Option<bool>,
    pub(crate) dimensions: Option<i64>,
    pub(crate) keep_alive: Option<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) options: Map<String, Value>,
}

/// POST /api/embeddings, the older form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmbeddingsWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) prompt: String,
    pub(crate) keep_alive: Option<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) options: Map<String, Value>,
}

/// POST /api/show.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ShowWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) verbose: bool,
}

/// POST /v1/chat/completions and /v1/completions: the parts they share.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenAiWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) messages: Vec<OpenAiMessageWire>,
    pub(crate) prompt: Option<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) stream: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) stream_options: StreamOptionsWire,
    pub(crate) max_tokens: Option<i64>,
    pub(crate) seed: Option<i64>,
    pub(crate) stop: Option<Value>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) response_format: Option<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tools: Vec<ToolWire>,
    pub(crate) reasoning_effort: Option<String>,
    pub(crate) logprobs: Option<bool>,
    pub(crate) top_logprobs: Option<i64>,
}

/// `stream_options` of a /v1 request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamOptionsWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) include_usage: bool,
}

/// A /v1 chat message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenAiMessageWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) role: String,
    pub(crate) content: Option<Value>,
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tool_calls: Vec<Value>,
}

/// POST /v1/embeddings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenAiEmbedWire {
    #[serde(deserialize_with = "nullable")]
    pub(crate) model: String,
    pub(crate) input: Option<Value>,
    pub(crate) dimensions: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) encoding_format: String,
}

/// Reads a body of /v1, where an empty one is reported as Go's decoder does.
pub(crate) fn read_v1<'a, T: Deserialize<'a> + GoStruct>(body: &'a [u8]) -> Result<T, String> {
    if body.is_empty() {
        return Err("EOF".to_owned());
    }
    read(body)
}

/// Reads a body; the error is the text of a 400.
pub(crate) fn read<'a, T: Deserialize<'a> + GoStruct>(body: &'a [u8]) -> Result<T, String> {
    if body.is_empty() {
        return Err("missing request body".to_owned());
    }
    // One pass for syntax, so that a wrong type is told from broken JSON.
    let raw: &RawValue = serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            "unexpected EOF".to_owned()
        } else {
            error.to_string()
        }
    })?;
    serde_json::from_str(raw.get()).map_err(|error| {
        let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        go_types::mismatch::<T>(&value)
            .unwrap_or_else(|| format!("json: cannot unmarshal: {error}"))
    })
}
