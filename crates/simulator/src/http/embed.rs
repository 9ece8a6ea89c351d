//! Embeddings: prefill only, and vectors that depend on the text alone.

use base64::Engine as _;
use domain::backend::KeepAlive;
use domain::hash::derive;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::app::App;
use super::body::{Generation, Output};
use super::exchange::Exchange;
use super::generate::submit;
use super::keep_alive;
use super::options::ParsedOptions;
use super::refusal::Refusal;
use super::wire::{self, EmbedWire, EmbeddingsWire, OpenAiEmbedWire};
use crate::core::{RunnerOptions, Timings, Work, WorkKind, tokens};
use crate::faults::FaultRule;

/// The engine's error when it was started for completions.
const NO_EMBEDDINGS: &str = "This server does not support embeddings. Start it with `--embeddings`";

struct EmbedRequest {
    /// The body in the form of `/api/embed`.
    wire: EmbedWire,
    inputs: Vec<String>,
    keep_alive: Option<KeepAlive>,
    /// /v1 clients may ask for packed numbers.
    base64: bool,
}

fn inputs(value: Option<Value>) -> Result<Vec<String>, Refusal> {
    let items = match value {
        None => Vec::new(),
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
    };
    serde_json::from_value(items.into()).map_err(|_| Refusal::bad("invalid input type"))
}

fn read(path: &str, body: &[u8]) -> Result<EmbedRequest, Refusal> {
    let mut base64 = false;
    let mut wire = match path {
        "/api/embed" => wire::read(body)?,
        "/api/embeddings" => {
            let old: EmbeddingsWire = wire::read(body)?;
            EmbedWire {
                model: old.model,
                input: Some(Value::String(old.prompt)),
                keep_alive: old.keep_alive,
                options: old.options,
                ..EmbedWire::default()
            }
        }
        _ => {
            let v1: OpenAiEmbedWire = wire::read_v1(body)?;
            let format = v1.encoding_format;
            base64 = format.eq_ignore_ascii_case("base64");
            if !(format.is_empty() || base64 || format.eq_ignore_ascii_case("float")) {
                return Err(Refusal::bad(format!(
                    "Invalid value for 'encoding_format' = {format}. Supported values: \
                     ['float', 'base64']."
                )));
            }
            EmbedWire {
                model: v1.model,
                input: v1.input,
                dimensions: v1.dimensions,
                ..EmbedWire::default()
            }
        }
    };
    let is_v1 = path == "/v1/embeddings";
    let inputs = match wire.input.take() {
        // An empty text is embedded here, where the native routes have nothing to do.
        Some(Value::String(text)) if is_v1 => vec![text],
        other => inputs(other)?,
    };
    if is_v1 && inputs.is_empty() {
        return Err(Refusal::bad("invalid input"));
    }
    Ok(EmbedRequest {
        inputs,
        keep_alive: keep_alive::read(wire.keep_alive.as_ref())?,
        base64,
        wire,
    })
}

/// A vector of length one, drawn from the text.
fn vector(model: &str, text: &str, width: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(derive(&["embedding", model, text]));
    let mut vector: Vec<f32> = (0..width)
        .map(|_| {
            let bits = (rng.next_u32() >> 8) as f32;
            bits / 8_388_608.0 - 1.0
        })
        .collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= norm;
    }
    vector
}

/// Submits an embedding to the machine.
pub(super) fn start(
    app: &App,
    exchange: &mut Exchange,
    fault: Option<&FaultRule>,
    body: &[u8],
) -> Result<Generation, Refusal> {
    let path = exchange.line.path.clone();
    let ask = read(&path, body)?;
    exchange.line.model = Some(ask.wire.model.clone());
    let model = app.profile.find_model(&ask.wire.model).ok_or_else(|| {
        let words = format!("model {:?} not found, try pulling it first", ask.wire.model);
        Refusal::new(404, words)
    })?;
    let ParsedOptions {
        options,
        unknown,
        wrong,
    } = ParsedOptions::read(&ask.wire.options);
    if let Some(words) = wrong {
        return Err(Refusal::new(500, words));
    }
    exchange.line.unknown_options = unknown;
    let runner = RunnerOptions::from(&options);
    let server = exchange.line.server;
    let limit = exchange.world.context(server, &model.name, &runner);
    let mut ids = Vec::new();
    for input in &ask.inputs {
        let mut input = tokens::ids(input);
        if input.len() > limit && ask.wire.truncate == Some(false) {
            return Err(Refusal::bad("the input length exceeds the context length"));
        }
        input.truncate(limit);
        ids.extend(input);
    }
    let content: Vec<&str> = ask.inputs.iter().map(String::as_str).collect();
    let work = Work {
        kind: if ask.inputs.is_empty() {
            WorkKind::Preload
        } else {
            WorkKind::Embed { prompt: ids.into() }
        },
        model: model.name.clone(),
        runner,
        keep_alive: ask.keep_alive,
        tag: derive(&[&["embed", &model.name], content.as_slice()].concat()),
        ..Work::default()
    };
    // From 0.30.0 each model has an engine of its own, and one not started to embed cannot.
    let engine = app.profile.server.release() >= (0, 30, 0);
    let cannot_embed = engine && !model.can("embedding") && !ask.inputs.is_empty();
    let width = model.embedding_length as usize;
    let name = model.name.clone();
    let vectors = move |timings: &Timings| {
        if cannot_embed {
            return Err(Refusal::new(501, NO_EMBEDDINGS));
        }
        let width = match ask.wire.dimensions {
            Some(n) if n > 0 => width.min(usize::try_from(n).unwrap_or(width)),
            _ => width,
        };
        let inputs = ask.inputs.iter();
        let vectors: Vec<_> = inputs.map(|input| vector(&name, input, width)).collect();
        Ok(answer(&path, &ask, &vectors, timings))
    };
    let output = Output::Vectors(Box::new(vectors));
    Ok(submit(exchange, fault, work, true, output))
}

/// Numbers as base64 of four bytes each, little-endian.
fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn answer(path: &str, ask: &EmbedRequest, vectors: &[Vec<f32>], timings: &Timings) -> Value {
    let count = timings.prompt_eval_count;
    let model = &ask.wire.model;
    match path {
        "/api/embed" => {
            let mut answer = json!({"model": model, "embeddings": vectors});
            for (name, value) in [
                ("total_duration", timings.total.0),
                ("load_duration", timings.load.0),
                ("prompt_eval_count", u64::from(count)),
            ] {
                if value != 0 {
                    answer[name] = json!(value);
                }
            }
            answer
        }
        "/api/embeddings" => json!({"embedding": vectors.first().map_or(&[][..], |v| v)}),
        _ => {
            let data: Vec<Value> = vectors
                .iter()
                .enumerate()
                .map(|(index, vector)| {
                    let packed = ask.base64.then(|| json!(packed(vector)));
                    let embedding = packed.unwrap_or_else(|| json!(vector));
                    json!({"object": "embedding", "embedding": embedding, "index": index})
                })
                .collect();
            json!({"object": "list", "data": data, "model": model,
                "usage": {"prompt_tokens": count, "total_tokens": count}})
        }
    }
}
