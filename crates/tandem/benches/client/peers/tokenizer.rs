//! A tokenizer for tools that load one whether they count tokens or not.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

/// Writes one that knows every byte and nothing else.
pub(super) fn write(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    let vocabulary: serde_json::Map<String, Value> = byte_letters()
        .zip(0_u32..)
        .map(|(letter, id)| (letter.to_string(), id.into()))
        .collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": []},
    });
    let config = serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{% for m in messages %}{{m['content']}}{% endfor %}",
    });
    for (name, value) in [
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", config),
        ("config.json", serde_json::json!({"model_type": "gpt2"})),
    ] {
        std::fs::write(folder.join(name), value.to_string())?;
    }
    Ok(())
}

/// The letters that byte-level tokenizers write bytes as: printable ones as themselves, the others
/// from U+0100 on.
fn byte_letters() -> impl Iterator<Item = char> {
    let mut next = 0x100_u32;
    (0..=255_u8).filter_map(move |byte| {
        let itself = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        if itself {
            return Some(char::from(byte));
        }
        let letter = char::from_u32(next);
        next += 1;
        letter
    })
}
