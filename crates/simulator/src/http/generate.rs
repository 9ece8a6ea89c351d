//! Generations: checks, the prompt's tokens, the script of the answer, and submission to the machine.

use std::sync::Arc;

use domain::backend::KeepAlive;
use domain::hash::{derive, sha256_hex};

use super::app::App;
use super::body::{Generation, Output, TextOutput};
use super::encode::Encoder;
use super::exchange::Exchange;
use super::refusal::Refusal;
use super::reply;
use super::request::{Dialect, Format, GenerationRequest, MEDIUM_THINKING, Turn};
use super::text::{Answer, Script, ScriptSpec};
use crate::core::{self, RunnerOptions, Work, WorkKind, tokens};
use crate::faults::{FaultKind, FaultRule};
use crate::profile::ModelSpec;

/// Ollama's error when memory runs out while a model loads.
const OUT_OF_MEMORY: &str = "llama-server process has terminated: cudaMalloc failed: \
                                        out of memory";

/// Ollama's error for a prompt that may be neither cut nor shifted out.
const TOO_LONG: &str = "the prompt is longer than the context length currently available to the \
                        model; shorten the prompt, adjust the context length in settings, or use \
                        a model with a longer context length";

/// Temperature when a native request names none.
const NATIVE_TEMPERATURE: f64 = 0.8;

/// A model's name with the registry and owner it would come from.
fn full_name(name: &str) -> String {
    let from = match name.split('/').count() {
        1 => "registry.ollama.ai/library/",
        2 => "registry.ollama.ai/",
        _ => "",
    };
    format!("{from}{name}")
}

/// Submits a generation to the machine. Also returns the answer's content type.
pub(super) fn start(
    app: &App,
    exchange: &mut Exchange,
    fault: Option<&FaultRule>,
    ask: &GenerationRequest,
) -> Result<(Generation, &'static str), Refusal> {
    exchange.line.model = Some(ask.model.clone());
    exchange
        .line
        .unknown_options
        .clone_from(&ask.parsed.unknown);
    let profile = &app.profile;
    let model = profile
        .find_model(&ask.model)
        .ok_or_else(|| Refusal::new(404, format!("model '{}' not found", ask.model)))?;
    let chat = matches!(ask.dialect, Dialect::Chat | Dialect::V1Chat);
    let (quoted, full) = (format!("{:?}", ask.model), full_name(&model.name));
    let action = if chat { "chat" } else { "generate" };
    for (is_wanted, name, capability, words) in [
        (ask.think_ratio > Some(0.0), &quoted, "thinking", "thinking"),
        (true, &quoted, "completion", action),
        (ask.suffix, &full, "insert", "insert"),
        (!ask.tools.is_empty(), &full, "tools", "tools"),
    ] {
        if is_wanted && !model.can(capability) {
            return Err(Refusal::bad(format!("{name} does not support {words}")));
        }
    }
    if let Some(words) = &ask.parsed.wrong {
        return Err(Refusal::new(500, words));
    }
    let options = &ask.parsed.options;
    let runner = RunnerOptions {
        shift: ask.shift,
        ..RunnerOptions::from(options)
    };
    let server = exchange.line.server;
    let empty = ask.turns.is_empty();
    let whole = empty || !ask.stream;
    let mut script = Script::default();
    let mut context = None;
    let mut content = sha256_hex(ask.model.as_bytes());
    let kind = if empty {
        match ask.keep_alive {
            Some(KeepAlive::Unload) => WorkKind::Unload,
            _ => WorkKind::Preload,
        }
    } else {
        let limit = exchange.world.context(server, &model.name, &runner);
        let engine = profile.server.release() >= (0, 30, 0);
        let (rendered, prompt) = prompt_within(ask, limit, engine)?;
        content = sha256_hex(rendered.as_bytes());
        script = write_script(app, model, ask, &rendered, &content);
        if let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Repetition) {
            script.stick(fault.after_tokens);
        }
        let prompt: Arc<[u32]> = prompt.into();
        context = (ask.dialect == Dialect::Generate && !ask.raw).then(|| Arc::clone(&prompt));
        let num_predict = options.num_predict.filter(|n| *n > 0);
        WorkKind::Generate(core::Generation {
            prompt,
            output: script.ids.clone().into(),
            num_predict: num_predict.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        })
    };
    let options = serde_json::to_string(options).expect("options have only text keys");
    let work = Work {
        kind,
        model: model.name.clone(),
        runner,
        keep_alive: ask.keep_alive,
        tag: derive(&["request", exchange.line.path.as_str(), &content, &options]),
        ..Work::default()
    };
    let line = &exchange.line;
    let encoder = Encoder::new(ask, app.epoch, line.number, line.received);
    let output = Output::Text(Box::new(TextOutput {
        script,
        encoder,
        context,
        shown: 0,
    }));
    let content_type = match (whole, ask.dialect.is_v1()) {
        (true, false) => reply::JSON,
        (true, true) => reply::V1_JSON,
        (false, false) => reply::NDJSON,
        (false, true) => reply::SSE,
    };
    Ok((submit(exchange, fault, work, whole, output), content_type))
}

/// Submits work to the machine, where it may run out of memory.
pub(super) fn submit(
    exchange: &mut Exchange,
    fault: Option<&FaultRule>,
    work: Work,
    whole: bool,
    output: Output,
) -> Generation {
    let server = exchange.line.server;
    if fault.is_some_and(|fault| fault.kind == FaultKind::OomOnLoad) {
        let world = &exchange.world;
        world.with_core(|core, _| core.fail_next_load(server, OUT_OF_MEMORY));
    }
    let ticket = exchange.world.submit(server, work);
    exchange.line.id = Some(ticket.id());
    Generation {
        ticket,
        output,
        whole,
    }
}

/// The rendered conversation and its ids, cut to the context: the oldest turns or tokens go first.
fn prompt_within(
    ask: &GenerationRequest,
    limit: usize,
    llama_server: bool,
) -> Result<(String, Vec<u32>), Refusal> {
    let ids_of = |rendered: &str| {
        let mut ids = ask.context.clone();
        ids.extend(tokens::ids(rendered));
        ids
    };
    let mut rendered = ask.rendered(&ask.turns);
    let mut ids = ids_of(&rendered);
    // The engine keeps room for the first token of the answer.
    let longest = limit.saturating_sub(usize::from(llama_server));
    if ids.len() <= longest {
        return Ok((rendered, ids));
    }
    if ask.no_truncation && llama_server {
        // The engine's own error, passed on unchanged.
        let count = ids.len();
        let words = format!(
            r#"{{"error":{{"code":400,"message":"request ({count} tokens) exceeds the available context size ({limit} tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":{count},"n_ctx":{limit}}}}}"#
        );
        return Err(Refusal::new(400, words));
    }
    if ask.no_truncation {
        let words = "the input length exceeds the context length";
        return Err(Refusal::new(400, words));
    }
    if llama_server && ask.shift == Some(false) && ask.dialect == Dialect::Generate {
        return Err(Refusal::new(400, TOO_LONG));
    }
    let mut turns: Vec<Turn> = ask.turns.clone();
    while ids.len() > longest {
        let oldest = turns
            .iter()
            .take(turns.len() - 1)
            .position(|turn| turn.role != "system");
        let Some(oldest) = oldest else { break };
        turns.remove(oldest);
        rendered = ask.rendered(&turns);
        ids = ids_of(&rendered);
    }
    if llama_server {
        cut_as_llama_server(&mut ids, limit, ask.parsed.options.num_keep);
    } else {
        let over = ids.len().saturating_sub(limit);
        ids.drain(..over);
    }
    Ok((rendered, ids))
}

/// Cuts a prompt as a context shift does: keeps `num_keep` tokens and frees half of the rest.
fn cut_as_llama_server(ids: &mut Vec<u32>, limit: usize, num_keep: Option<i64>) {
    let longest = limit.saturating_sub(1);
    if ids.len() <= longest {
        return;
    }
    let keep = match num_keep.unwrap_or(NUM_KEEP) {
        all if all < 0 => ids.len(),
        // And the begin-of-text token.
        n => usize::try_from(n).unwrap_or(longest).saturating_add(1),
    };
    let keep = keep.min(longest);
    let room = limit - ((limit - keep) / 2).max(1);
    ids.drain(keep..keep + (ids.len() - room));
}

/// `num_keep` when a request names none.
const NUM_KEEP: i64 = 4;

fn write_script(
    app: &App,
    model: &ModelSpec,
    ask: &GenerationRequest,
    rendered: &str,
    content: &str,
) -> Script {
    let options = &ask.parsed.options;
    let temperature = options.temperature.unwrap_or(NATIVE_TEMPERATURE);
    let seed = match options.seed {
        _ if temperature <= 0.0 => 0,
        Some(seed) if seed >= 0 => seed,
        _ => app.repeat(derive(&[&model.name, content])),
    };
    let by_default = if model.can("thinking") {
        MEDIUM_THINKING
    } else {
        0.0
    };
    let think = ask.think_ratio.unwrap_or(by_default);
    let natural = app
        .profile
        .output_tokens(model, rendered, seed, temperature);
    let natural = natural.saturating_sub(1) as usize;
    let answer = match (ask.tool(), &ask.format) {
        (Some(tool), _) => Answer::Tool(&tool.function.name, &tool.function.parameters),
        (None, Some(Format::Json)) => Answer::Json(None),
        (None, Some(Format::Schema(schema))) => Answer::Json(Some(schema)),
        (None, None) => Answer::Prose(natural),
    };
    Script::new(&ScriptSpec {
        seed: derive(&[
            "text",
            &app.profile.seed.to_string(),
            &model.name,
            content,
            &seed.to_string(),
        ]),
        thinking_tokens: (natural as f64 * think).round() as usize,
        answer,
        stop: options.stop.as_deref().unwrap_or_default(),
        chunk_tokens: app.chunk_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::cut_as_llama_server;

    #[test]
    fn a_prompt_over_the_context_is_cut_to_what_ollama_counted() {
        // Measured: 635 tokens at num_ctx 512 became 259, 91 at 64 became 35.
        for (count, limit, kept) in [(635, 512, 259), (91, 64, 35), (64, 64, 35), (63, 64, 63)] {
            let mut ids: Vec<u32> = (0..count).collect();
            cut_as_llama_server(&mut ids, limit, None);
            assert_eq!(ids.len(), kept, "{count} at {limit}");
            assert_eq!(ids[..5], [0, 1, 2, 3, 4]);
            assert_eq!(ids[kept - 1], count - 1);
        }
        let mut ids: Vec<u32> = (0..100).collect();
        cut_as_llama_server(&mut ids, 16, Some(-1));
        assert_eq!(ids.len(), 15, "all is kept, and one place is free");
    }
}
