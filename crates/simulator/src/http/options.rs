//! The `options` object: known keys have types, unknown ones are only logged, as Ollama does.

use domain::{ModelOptions, OptionKind, OptionSpec, OptionValue};
use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub(crate) struct ParsedOptions {
    pub(crate) options: ModelOptions,
    /// Unknown names, in alphabetical order. Ollama logs and ignores them.
    pub(crate) unknown: Vec<String>,
    /// Ollama's message about a wrong type: sent only once the model is known, with status 500.
    pub(crate) wrong: Option<String>,
}

/// The value converted to the option's type; the error is the type as Ollama's message names it.
fn typed(kind: OptionKind, value: &Value) -> Result<OptionValue, &'static str> {
    match kind {
        // Ollama decodes numbers as floats and truncates them.
        OptionKind::Integer => value
            .as_i64()
            .or_else(|| value.as_f64().map(|float| float as i64))
            .map(OptionValue::Integer)
            .ok_or("type integer"),
        OptionKind::Float => value.as_f64().map(OptionValue::Float).ok_or("type float32"),
        OptionKind::Boolean => value
            .as_bool()
            .map(OptionValue::Boolean)
            .ok_or("type boolean"),
        OptionKind::Strings => {
            let items = value.as_array().ok_or("type array")?;
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            let texts: Option<_> = texts.collect();
            texts.map(OptionValue::Strings).ok_or("an array of strings")
        }
    }
}

impl ParsedOptions {
    /// Reads an `options` object.
    pub(crate) fn read(map: &Map<String, Value>) -> Self {
        let mut parsed = Self::default();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let Some(option) = OptionSpec::named(key) else {
                parsed.unknown.push(key.clone());
                continue;
            };
            match typed(option.kind, value) {
                Ok(value) => option.set(&mut parsed.options, value),
                Err(kind) => {
                    let wrong = Some(format!("option {key:?} must be of {kind}"));
                    return Self {
                        wrong,
                        ..Self::default()
                    };
                }
            }
        }
        parsed.unknown.sort();
        parsed
    }
}
