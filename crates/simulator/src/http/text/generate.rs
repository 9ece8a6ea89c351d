//! Deterministic text: words from a fixed vocabulary, and JSON that fits a schema.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// Words of one token each, with the space before them; some have multi-byte characters.
pub(super) static WORDS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words.txt").lines().collect());

/// A stream of pseudo-random numbers that is the same on every platform (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Mix(pub(super) u64);

impl Mix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Exactly `tokens` tokens of prose.
pub(super) fn words(seed: u64, tokens: usize) -> String {
    let mut mix = Mix(seed);
    let mut text = String::with_capacity(tokens * 6);
    let mut in_sentence = 0_usize;
    let mut sentences = 0_usize;
    for index in 0..tokens {
        let last = index + 1 == tokens;
        if in_sentence > 4 && (last || in_sentence > 18 || mix.below(8) == 0) {
            sentences += 1;
            text.push(if sentences.is_multiple_of(6) {
                '?'
            } else {
                '.'
            });
            in_sentence = 0;
        } else if in_sentence > 2 && mix.below(12) == 0 {
            text.push(',');
            in_sentence += 1;
        } else if in_sentence == 0 && sentences > 0 && sentences.is_multiple_of(4) {
            text.push('\n');
            sentences += 1;
        } else {
            let word = WORDS[mix.below(WORDS.len())];
            let word = if text.is_empty() { &word[1..] } else { word };
            text.push_str(word);
            in_sentence += 1;
        }
    }
    text
}

/// JSON text that fits the schema; an arbitrary object without one.
pub(super) fn json_text(seed: u64, schema: Option<&Value>) -> String {
    let mut mix = Mix(seed);
    let value = match schema {
        Some(schema) => instance(&mut mix, schema, schema, 0),
        None => json!({
            "summary": phrase(&mut mix, 6),
            "count": mix.below(1000),
            "ok": mix.below(2) == 0,
            "items": [phrase(&mut mix, 2), phrase(&mut mix, 2)],
        }),
    };
    value.to_string()
}

/// A value that fits a schema, for the arguments of a tool call.
pub(super) fn sample_value(seed: u64, schema: &Value) -> Value {
    instance(&mut Mix(seed), schema, schema, 0)
}

fn phrase(mix: &mut Mix, count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        text.push_str(WORDS[mix.below(WORDS.len())]);
    }
    text[1..].to_owned()
}

/// Supports the parts of JSON Schema that clients use to shape output, and ignores the others.
fn instance(mix: &mut Mix, root: &Value, schema: &Value, depth: usize) -> Value {
    if depth > 16 {
        return Value::Null;
    }
    let deeper = depth + 1;
    if let Some(target) = schema["$ref"].as_str() {
        let target = target.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |schema| instance(mix, root, schema, deeper));
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    for key in ["enum", "anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array().filter(|choices| !choices.is_empty()) {
            let choice = &choices[mix.below(choices.len())];
            return match key {
                "enum" => choice.clone(),
                _ => instance(mix, root, choice, deeper),
            };
        }
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    };
    match kind {
        "object" => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let members = properties
                .map(|(name, property)| (name.clone(), instance(mix, root, property, deeper)));
            Value::Object(members.collect())
        }
        "array" => {
            let least = schema["minItems"].as_u64().unwrap_or(1).min(16);
            let item = &schema["items"];
            (0..least)
                .map(|_| instance(mix, root, item, deeper))
                .collect()
        }
        "integer" | "number" => {
            let low = schema["minimum"].as_i64().unwrap_or(0);
            let high = schema["maximum"]
                .as_i64()
                .unwrap_or(low.saturating_add(100))
                .max(low);
            let span = high.abs_diff(low).saturating_add(1);
            json!(low.saturating_add_unsigned(mix.next() % span))
        }
        "boolean" => json!(mix.below(2) == 0),
        "null" => Value::Null,
        _ => Value::String(phrase(mix, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tokens;

    #[test]
    fn prose_has_the_number_of_tokens_asked_for() {
        for (seed, tokens) in [(1, 0), (2, 1), (3, 7), (4, 500), (5, 4000)] {
            let text = words(seed, tokens);
            assert_eq!(tokens::pieces(&text).len(), tokens);
            let has_multi_byte = text.chars().any(|c| c.len_utf8() > 1);
            assert_eq!(has_multi_byte, tokens >= 500, "{text}");
        }
        assert_ne!(words(9, 300), words(10, 300));
    }

    #[test]
    fn json_fits_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 3, "maximum": 5},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
            "inner": {"$ref": "#/$defs/inner"}},
            "$defs": {"inner": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
        for seed in 0..20 {
            let value: Value = serde_json::from_str(&json_text(seed, Some(&schema))).expect("JSON");
            assert!((3..=5).contains(&value["n"].as_i64().expect("integer")));
            assert_eq!(value["tags"].as_array().expect("array").len(), 2);
            assert!(value["inner"]["ok"].is_boolean());
            let free: Value = serde_json::from_str(&json_text(seed, None)).expect("JSON");
            assert!(free.is_object());
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample_value(1, &schema).is_object());
    }
}
