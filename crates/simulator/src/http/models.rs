//! The server's models and which are loaded.

use serde_json::{Map, Value, json};

use super::app::{App, Epoch};
use super::refusal::Refusal;
use super::wire::{self, ShowWire};
use crate::profile::{ModelSpec, with_tag};

fn details(model: &ModelSpec) -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": model.family,
        "families": [model.family], "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    })
}

/// When the simulated models were pulled: stamp zero.
fn modified_at(app: &App) -> String {
    app.epoch.rfc3339(domain::Stamp::ZERO).to_string()
}

pub(super) fn tags(app: &App) -> Value {
    let entry = |model: &ModelSpec| {
        json!({
            "name": model.name, "model": model.name, "modified_at": modified_at(app),
            "size": model.size_bytes, "digest": model.digest, "details": details(model),
        })
    };
    let models: Vec<Value> = app.profile.models.iter().map(entry).collect();
    json!({"models": models})
}

pub(super) fn ps(app: &App, server: usize) -> Value {
    let profile = &app.profile;
    // Releases before 0.10.0 do not report the context length.
    let reports_context = profile.server.release() >= (0, 10, 0);
    let models: Vec<Value> = app
        .world
        .with_core(|core, now| {
            core.advance(now);
            core.loaded(server, now)
        })
        .into_iter()
        .filter_map(|loaded| {
            let model = profile.find_model(&loaded.model)?;
            let expires_at = loaded.expires_at.map_or_else(
                || Epoch::NEVER.to_owned(),
                |at| app.epoch.rfc3339(at).to_string(),
            );
            let mut entry = json!({
                "name": model.name, "model": model.name, "size": loaded.size,
                "digest": model.digest, "details": details(model), "expires_at": expires_at,
                "size_vram": loaded.size_vram,
            });
            if reports_context {
                entry["context_length"] = json!(loaded.context_length);
            }
            Some(entry)
        })
        .collect();
    json!({"models": models})
}

/// `show` names the tag that was looked up, unlike a generation.
fn unknown(name: &str) -> Refusal {
    Refusal::new(404, format!("model '{}' not found", with_tag(name)))
}

pub(super) fn show(app: &App, body: &[u8]) -> Result<Value, Refusal> {
    let wire: ShowWire = wire::read(body)?;
    let name = if wire.model.is_empty() {
        wire.name
    } else {
        wire.model
    };
    if name.is_empty() {
        return Err(Refusal::new(400, "model is required"));
    }
    let model = app.profile.find_model(&name);
    let model = model.ok_or_else(|| unknown(&name))?;
    let family = &model.family;
    let mut info = Map::new();
    info.insert("general.architecture".to_owned(), json!(family));
    info.insert("general.file_type".to_owned(), json!(15));
    for (key, value) in [
        ("block_count", model.layers),
        ("context_length", model.train_ctx),
        ("embedding_length", model.embedding_length),
        ("attention.head_count", model.heads),
        ("attention.head_count_kv", model.kv_heads),
    ] {
        info.insert(format!("{family}.{key}"), json!(value));
    }
    let parameters = serde_json::to_value(model.parameters).expect("plain numbers");
    let lines: Vec<String> = parameters
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name:<30} {value}"))
        .collect();
    let mut answer = json!({
        "modelfile": format!("# Simulated by Tandem\nFROM {}\n", model.name),
        "template": "{{ .Prompt }}",
        "details": details(model),
        "model_info": info,
        "capabilities": model.capabilities,
        "modified_at": modified_at(app),
    });
    if !lines.is_empty() {
        answer["parameters"] = json!(lines.join("\n"));
    }
    if wire.verbose {
        answer["tensors"] = json!([]);
    }
    Ok(answer)
}

fn v1_model(app: &App, model: &ModelSpec) -> Value {
    json!({
        "id": model.name, "object": "model", "owned_by": "library",
        "created": app.epoch.unix_seconds(domain::Stamp::ZERO),
    })
}

pub(super) fn v1_list(app: &App) -> Value {
    let models = app.profile.models.iter();
    let models: Vec<Value> = models.map(|model| v1_model(app, model)).collect();
    json!({"object": "list", "data": models})
}

pub(super) fn v1_one(app: &App, name: &str) -> Result<Value, Refusal> {
    let model = app.profile.find_model(name);
    Ok(v1_model(app, model.ok_or_else(|| unknown(name))?))
}
