//! What Go's decoder says of a value of the wrong type: clients show these words to people.

use serde_json::Value;

use super::wire::{
    ChatWire, EmbedWire, EmbeddingsWire, GenerateWire, OpenAiEmbedWire, OpenAiWire, ShowWire,
};

/// A request body as Ollama's source declares it.
pub(crate) trait GoStruct {
    /// Package and name.
    const NAME: &'static str;
    /// Keys and the Go types of their values; keys that take several types are left out.
    const FIELDS: &'static [(&'static str, &'static str)];
}

impl GoStruct for GenerateWire {
    const NAME: &'static str = "api.GenerateRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("prompt", "string"),
        ("suffix", "string"),
        ("system", "string"),
        ("template", "string"),
        ("context", "[]int"),
        ("raw", "bool"),
        ("stream", "bool"),
        ("options", "map[string]interface {}"),
        ("truncate", "bool"),
        ("shift", "bool"),
        ("logprobs", "bool"),
        ("top_logprobs", "int"),
    ];
}

impl GoStruct for ChatWire {
    const NAME: &'static str = "api.ChatRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("messages", "[]api.Message"),
        ("tools", "api.Tools"),
        ("stream", "bool"),
        ("options", "map[string]interface {}"),
        ("truncate", "bool"),
        ("shift", "bool"),
        ("logprobs", "bool"),
        ("top_logprobs", "int"),
    ];
}

impl GoStruct for EmbedWire {
    const NAME: &'static str = "api.EmbedRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("truncate", "bool"),
        ("dimensions", "int"),
        ("options", "map[string]interface {}"),
    ];
}

impl GoStruct for EmbeddingsWire {
    const NAME: &'static str = "api.EmbeddingRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("prompt", "string"),
        ("options", "map[string]interface {}"),
    ];
}

impl GoStruct for ShowWire {
    const NAME: &'static str = "api.ShowRequest";
    const FIELDS: &'static [(&'static str, &'static str)] =
        &[("model", "string"), ("name", "string"), ("verbose", "bool")];
}

impl GoStruct for OpenAiWire {
    const NAME: &'static str = "openai.ChatCompletionRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("messages", "[]openai.Message"),
        ("stream", "bool"),
        ("max_tokens", "int"),
        ("seed", "int"),
        ("temperature", "float64"),
        ("top_p", "float64"),
        ("tools", "[]api.Tool"),
        ("logprobs", "bool"),
        ("top_logprobs", "int"),
    ];
}

impl GoStruct for OpenAiEmbedWire {
    const NAME: &'static str = "openai.EmbedRequest";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("model", "string"),
        ("dimensions", "int"),
        ("encoding_format", "string"),
    ];
}

/// What Go's decoder calls a JSON value.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What Go calls the type it gives a JSON value that may be anything.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn fits(value: &Value, go_type: &str) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => go_type == "bool",
        Value::Number(_) => ["int", "float64"].contains(&go_type),
        Value::String(_) => go_type == "string",
        Value::Array(_) => go_type.starts_with("[]") || go_type == "api.Tools",
        Value::Object(_) => go_type.starts_with("map["),
    }
}

/// Go's words, where the mismatch is at the top level.
pub(crate) fn mismatch<T: GoStruct>(body: &Value) -> Option<String> {
    let Value::Object(map) = body else {
        let kind = json_kind(body);
        let name = T::NAME;
        return Some(format!(
            "json: cannot unmarshal {kind} into Go value of type {name}"
        ));
    };
    let name = T::NAME.rsplit('.').next().unwrap_or_default();
    T::FIELDS.iter().find_map(|(key, go_type)| {
        let value = map.get(*key).filter(|value| !fits(value, go_type))?;
        let kind = json_kind(value);
        Some(format!(
            "json: cannot unmarshal {kind} into Go struct field {name}.{key} of type {go_type}"
        ))
    })
}
