//! The messages of Go's decoder for values of the wrong type, which clients show to users.

use serde_json::Value;

/// Keys and the Go types of their values.
pub(crate) type Members = &'static [(&'static str, &'static str)];

/// A request body as Ollama's source declares it.
pub(crate) trait GoStruct {
    /// Package and name.
    const NAME: &'static str;
    /// Its members; those that take several types are left out.
    const MEMBERS: Members;
}

/// The kind of a JSON value as Go's decoder names it.
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

/// The Go type of a JSON value decoded into an interface.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match json_kind(value) {
        "null" => "<nil>",
        "number" => "float64",
        "array" => "[]interface {}",
        "object" => "map[string]interface {}",
        same => same,
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

/// Go's message, where the mismatch is at the top level of the struct of this name.
pub(crate) fn mismatch(body: &Value, name: &str, members: &[Members]) -> Option<String> {
    let Value::Object(map) = body else {
        let kind = json_kind(body);
        return Some(format!(
            "json: cannot unmarshal {kind} into Go value of type {name}"
        ));
    };
    let name = name.rsplit('.').next().unwrap_or_default();
    members
        .iter()
        .copied()
        .flatten()
        .find_map(|(key, go_type)| {
            let value = map.get(*key).filter(|value| !fits(value, go_type))?;
            let kind = json_kind(value);
            Some(format!(
                "json: cannot unmarshal {kind} into Go struct field {name}.{key} of type {go_type}"
            ))
        })
}
