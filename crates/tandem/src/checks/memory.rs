//! Estimates a model's memory from its metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a cached value: 16 bits is the default of servers.
const CACHE_BYTES: u64 = 2;

/// The dimensions of a model that determine the size of its cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Cached values of a token: keys and values of all layers.
    pub(crate) values_per_token: u64,
    pub(crate) layers: u64,
    /// Context that it was trained for, tokens.
    pub(crate) context: Option<u64>,
    /// Some layers have a sliding window and need less.
    pub(crate) windowed: bool,
}

pub(crate) fn architecture(info: &BTreeMap<String, Value>) -> Option<String> {
    Some(info.get("general.architecture")?.as_str()?.to_owned())
}

impl Shape {
    /// From the metadata of a GGUF file, as `/api/show` returns it. None when a required key is missing, as for
    /// models without attention.
    pub(crate) fn of(info: &BTreeMap<String, Value>) -> Option<Self> {
        let family = architecture(info)?;
        let value = |name: &str| info.get(&format!("{family}.{name}"));
        let number = |name: &str| value(name).and_then(Value::as_u64);
        let layers = number("block_count")?;
        let heads = number("attention.head_count");
        let head_length = || number("embedding_length")?.checked_div(heads?);
        let key = number("attention.key_length").or_else(head_length)?;
        let value_length = number("attention.value_length").or_else(head_length)?;
        // A number for all layers, or one for each.
        let kv_heads: u64 = match value("attention.head_count_kv") {
            Some(Value::Array(each)) => each.iter().filter_map(Value::as_u64).sum(),
            Some(one) => one.as_u64()? * layers,
            None => heads? * layers,
        };
        Some(Self {
            values_per_token: kv_heads * (key + value_length),
            layers,
            context: number("context_length"),
            windowed: value("attention.sliding_window").is_some_and(|w| w.as_u64() != Some(0)),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Need {
    pub(crate) weights_bytes: u64,
    /// The cache of all slots, bytes.
    pub(crate) cache_bytes: u64,
    /// Context of a slot, tokens.
    pub(crate) context: u64,
    /// The context is Ollama's default, since the server's own is unknown.
    pub(crate) context_assumed: bool,
    pub(crate) slots: u64,
    /// The number of slots is Ollama's default.
    pub(crate) slots_assumed: bool,
}

/// Ollama's default context without a large GPU.
pub(crate) const DEFAULT_CONTEXT: u64 = 4096;

impl Need {
    /// Weights and cache for a context and a number of slots; defaults replace unknown ones.
    pub(crate) fn of(
        weights_bytes: u64,
        shape: &Shape,
        context: Option<u64>,
        slots: Option<u64>,
    ) -> Self {
        let wanted = context.unwrap_or(DEFAULT_CONTEXT);
        let tokens = shape.context.map_or(wanted, |most| wanted.min(most));
        let count = slots.unwrap_or(1);
        Self {
            weights_bytes,
            cache_bytes: shape.values_per_token * CACHE_BYTES * tokens * count,
            context: tokens,
            context_assumed: context.is_none(),
            slots: count,
            slots_assumed: slots.is_none(),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.weights_bytes + self.cache_bytes
    }
}

/// Formats bytes: `4.1 GB`, `86 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let n = bytes as f64;
    if n >= 1e9 {
        format!("{:.1} GB", n / 1e9)
    } else if n >= 1e7 {
        format!("{:.0} MB", n / 1e6)
    } else {
        format!("{:.1} MB", n / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(info: Value) -> Option<Shape> {
        Shape::of(&serde_json::from_value(info).unwrap())
    }

    #[test]
    fn the_cache_follows_from_layers_heads_and_their_length() {
        // Gemma 3 4B: 34 layers, 4 key-value heads of 256.
        let gemma = shape(json!({
            "general.architecture": "gemma3", "gemma3.block_count": 34, "gemma3.attention.head_count": 8,
            "gemma3.attention.head_count_kv": 4, "gemma3.attention.key_length": 256,
            "gemma3.attention.value_length": 256, "gemma3.attention.sliding_window": 1024,
            "gemma3.context_length": 131_072, "gemma3.embedding_length": 2560,
        }));
        let gemma = gemma.unwrap();
        assert_eq!(gemma.values_per_token, 34 * 4 * 512);
        assert!(gemma.windowed);
        // 139,264 bytes a token, 1024 tokens, 2 slots.
        let need = Need::of(3_300_000_000, &gemma, Some(1024), Some(2));
        assert_eq!(need.cache_bytes, 285_212_672);
        assert_eq!(need.total(), 3_585_212_672);
        assert!(!need.context_assumed && !need.slots_assumed);
        let assumed = Need::of(1, &gemma, None, None);
        assert_eq!((assumed.context, assumed.slots), (4096, 1));
        assert!(assumed.context_assumed && assumed.slots_assumed);
        // Unknown head lengths follow from the width.
        let llama = shape(json!({
            "general.architecture": "llama", "llama.block_count": 8, "llama.attention.head_count": 8,
            "llama.embedding_length": 512, "llama.context_length": 4096,
        }));
        let llama = llama.unwrap();
        assert_eq!(llama.values_per_token, 8 * 8 * 128);
        // No context is longer than what the model was trained for.
        let need = Need::of(0, &llama, Some(8192), Some(1));
        assert_eq!(need.cache_bytes, 8 * 8 * 128 * 2 * 4096);
        // Layers may differ, and metadata may be missing.
        let mixed = shape(json!({
            "general.architecture": "x", "x.block_count": 4, "x.attention.head_count_kv": [0, 2, 0, 2],
            "x.attention.key_length": 64, "x.attention.value_length": 32,
        }));
        assert_eq!(mixed.unwrap().values_per_token, 4 * 96);
        assert_eq!(shape(json!({})), None);
        let few = json!({ "general.architecture": "x", "x.block_count": 4 });
        assert_eq!(shape(few), None);
    }

    #[test]
    fn sizes_have_units() {
        let sizes = [4_120_000_000, 85_511_741, 1_234_567].map(size);
        assert_eq!(sizes, ["4.1 GB", "86 MB", "1.2 MB"]);
    }
}
