//! Request bodies. Every member is optional and `null` means absent, as in Go.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::go_types::{self, GoStruct, Members};

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Declares bodies as Ollama's source declares them: a name in Go, and members with the Go types
/// of their values; members that take several types have none.
macro_rules! bodies {
    ($(
        $(#[$doc:meta])*
        $name:ident, $go:literal { $($member:ident: $type:ty $(= $go_type:literal)?,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $(#[serde(deserialize_with = "nullable")] pub(crate) $member: $type,)*
        }

        impl GoStruct for $name {
            const NAME: &'static str = $go;
            const MEMBERS: Members = &[$($((stringify!($member), $go_type),)?)*];
        }
    )*};
}

bodies! {
    /// POST /api/generate, besides [`CommonWire`].
    GenerateWire, "api.GenerateRequest" {
        model: String = "string",
        prompt: String = "string",
        suffix: String = "string",
        system: String = "string",
        template: String = "string",
        context: Vec<i64> = "[]int",
        raw: bool = "bool",
    }

    /// POST /api/chat, besides [`CommonWire`].
    ChatWire, "api.ChatRequest" {
        model: String = "string",
        messages: Vec<MessageWire> = "[]api.Message",
        tools: Vec<ToolWire> = "api.Tools",
    }

    /// What generate and chat share.
    CommonWire, "" {
        stream: Option<bool> = "bool",
        format: Option<Value>,
        keep_alive: Option<Value>,
        options: Map<String, Value> = "map[string]interface {}",
        think: Option<Value>,
        truncate: Option<bool> = "bool",
        shift: Option<bool> = "bool",
        logprobs: Option<bool> = "bool",
        top_logprobs: Option<i64> = "int",
    }

    MessageWire, "api.Message" {
        role: String,
        content: String,
        thinking: String,
        tool_name: String,
        tool_calls: Vec<Value>,
    }

    ToolFunctionWire, "api.ToolFunction" {
        name: String,
        parameters: Value,
    }

    EmbedWire, "api.EmbedRequest" {
        model: String = "string",
        input: Option<Value>,
        truncate: Option<bool> = "bool",
        dimensions: Option<i64> = "int",
        keep_alive: Option<Value>,
        options: Map<String, Value> = "map[string]interface {}",
    }

    /// POST /api/embeddings, the older form.
    EmbeddingsWire, "api.EmbeddingRequest" {
        model: String = "string",
        prompt: String = "string",
        keep_alive: Option<Value>,
        options: Map<String, Value> = "map[string]interface {}",
    }

    ShowWire, "api.ShowRequest" {
        model: String = "string",
        name: String = "string",
        verbose: bool = "bool",
    }

    /// POST /v1/chat/completions and /v1/completions: the parts they share.
    OpenAiWire, "openai.ChatCompletionRequest" {
        model: String = "string",
        messages: Vec<OpenAiMessageWire> = "[]openai.Message",
        prompt: Option<Value>,
        stream: bool = "bool",
        stream_options: StreamOptionsWire,
        max_tokens: Option<i64> = "int",
        seed: Option<i64> = "int",
        stop: Option<Value>,
        temperature: Option<f64> = "float64",
        top_p: Option<f64> = "float64",
        frequency_penalty: Option<f64>,
        presence_penalty: Option<f64>,
        response_format: Option<Value>,
        tools: Vec<ToolWire> = "[]api.Tool",
        reasoning_effort: Option<String>,
        logprobs: Option<bool> = "bool",
        top_logprobs: Option<i64> = "int",
    }

    StreamOptionsWire, "openai.StreamOptions" {
        include_usage: bool,
    }

    OpenAiMessageWire, "openai.Message" {
        role: String,
        content: Option<Value>,
        name: Option<String>,
        tool_calls: Vec<Value>,
    }

    /// POST /v1/embeddings.
    OpenAiEmbedWire, "openai.EmbedRequest" {
        model: String = "string",
        input: Option<Value>,
        dimensions: Option<i64> = "int",
        encoding_format: String = "string",
    }
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct ToolWire {
    pub(crate) function: ToolFunctionWire,
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
    decode(syntax(body)?, T::NAME, &[T::MEMBERS])
}

/// Reads a body of generate or chat.
pub(crate) fn read_native<'a, T: Deserialize<'a> + GoStruct>(
    body: &'a [u8],
) -> Result<(T, CommonWire), String> {
    let body = syntax(body)?;
    let members = [T::MEMBERS, CommonWire::MEMBERS];
    Ok((
        decode(body, T::NAME, &members)?,
        decode(body, T::NAME, &members)?,
    ))
}

/// One pass for syntax, so that a wrong type gets another error than malformed JSON.
fn syntax(body: &[u8]) -> Result<&RawValue, String> {
    if body.is_empty() {
        return Err("missing request body".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            "unexpected EOF".to_owned()
        } else {
            error.to_string()
        }
    })
}

fn decode<'a, T: Deserialize<'a>>(
    body: &'a RawValue,
    name: &str,
    members: &[Members],
) -> Result<T, String> {
    let mismatch = || {
        let value: Value = serde_json::from_str(body.get()).unwrap_or_default();
        go_types::mismatch(&value, name, members)
    };
    // An array in the order of the members would do for serde, but not for Go.
    if body.get().starts_with('[') {
        return Err(mismatch().unwrap_or_default());
    }
    serde_json::from_str(body.get())
        .map_err(|error| mismatch().unwrap_or_else(|| format!("json: cannot unmarshal: {error}")))
}
