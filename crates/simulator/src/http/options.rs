//! The `options` object: known keys are typed, unknown ones are only noted, as Ollama does.

use domain::{ModelOptions, OptionKind, OptionSpec, OptionValue};
use serde_json::{Map, Value};

/// What an `options` object said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ParsedOptions {
    /// The known ones.
    pub(crate) options: ModelOptions,
    /// Names the server does not know, in alphabetical order. Ollama logs and ignores them.
    pub(crate) unknown: Vec<String>,
}

fn integer(key: &str, value: &Value) -> Result<i64, String> {
    // Ollama decodes numbers as floats and truncates them.
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|float| float as i64))
        .ok_or_else(|| format!("option {key:?} must be of type integer"))
}

fn float(key: &str, value: &Value) -> Result<f64, String> {
    value
        .as_f64()
        .ok_or_else(|| format!("option {key:?} must be of type float32"))
}

fn boolean(key: &str, value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("option {key:?} must be of type boolean"))
}

fn strings(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let items = value
        .as_array()
        .ok_or_else(|| format!("option {key:?} must be of type array"))?;
    items
        .iter()
        .map(|item| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("option {key:?} must be of an array of strings"))
        })
        .collect()
}

/// Reads an `options` object. The error is Ollama's text, which it sends with status 500.
pub(crate) fn parse(map: &Map<String, Value>) -> Result<ParsedOptions, String> {
    let mut parsed = ParsedOptions::default();
    for (key, value) in map {
        if value.is_null() {
            continue;
        }
        let Some(option) = OptionSpec::named(key) else {
            parsed.unknown.push(key.clone());
            continue;
        };
        let value = match option.kind {
            OptionKind::Integer => OptionValue::Integer(integer(key, value)?),
            OptionKind::Float => OptionValue::Float(float(key, value)?),
            OptionKind::Boolean => OptionValue::Boolean(boolean(key, value)?),
            OptionKind::Strings => OptionValue::Strings(strings(key, value)?),
        };
        option.set(&mut parsed.options, value);
    }
    parsed.unknown.sort();
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<ParsedOptions, String> {
        parse(value.as_object().expect("an object"))
    }

    #[test]
    fn numbers_may_be_floats_and_unknown_keys_are_noted() {
        let parsed = read(
            &json!({"num_ctx": 2048.9, "temperature": 1, "tfs_z": 1, "numa": true,
            "stop": ["a"], "seed": null}),
        )
        .expect("valid");
        assert_eq!(parsed.options.num_ctx, Some(2048));
        assert_eq!(parsed.options.temperature, Some(1.0));
        assert_eq!(parsed.options.stop, Some(vec!["a".to_owned()]));
        assert_eq!(parsed.options.seed, None);
        assert_eq!(parsed.unknown, ["numa", "tfs_z"]);
    }

    #[test]
    fn wrong_types_have_ollamas_words() {
        for (value, text) in [
            (
                json!({"num_ctx": "1"}),
                r#"option "num_ctx" must be of type integer"#,
            ),
            (
                json!({"temperature": "1"}),
                r#"option "temperature" must be of type float32"#,
            ),
            (
                json!({"use_mmap": 1}),
                r#"option "use_mmap" must be of type boolean"#,
            ),
            (
                json!({"stop": "x"}),
                r#"option "stop" must be of type array"#,
            ),
            (
                json!({"stop": [1]}),
                r#"option "stop" must be of an array of strings"#,
            ),
        ] {
            assert_eq!(read(&value), Err(text.to_owned()));
        }
    }
}
