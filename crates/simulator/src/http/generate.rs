//! Generations: checks, the prompt's tokens, the script of the answer, and submission to the machine.

use std::sync::Arc;

use domain::backend::KeepAlive;
use domain::hash::{derive, sha256_hex};

use super::app::App;
use super::ask::{Format, GenerationRequest, Think, Turn};
use super::body::Generation;
use super::encode::{Dialect, Encoder};
use super::exchange::Exchange;
use super::reply::Refusal;
use super::text::{Answer, Script, ScriptSpec};
use crate::core::{self, RequestId, RunnerOptions, ServerId, Work, WorkKind, tokens};
use crate::faults::{FaultKind, FaultRule};
use crate::profile::{ModelSpec, OutputDraw};

/// Ollama's error when memory runs out while a model loads.
pub(super) const OUT_OF_MEMORY: &str = "llama-server process has terminated: cudaMalloc failed: \
                                        out of memory";

/// Ollama's error for a prompt that may be neither cut nor shifted out.
const TOO_LONG: &str = "the prompt is longer than the context length currently available to the \
                        model; shorten the prompt, adjust the context length in settings, or use \
                        a model with a longer context length";

/// Temperature when a native request names none.
const NATIVE_TEMPERATURE: f64 = 0.8;

/// Checks a capability; `name` is the model's as the error names it.
fn require(model: &ModelSpec, name: &str, capability: &str, words: &str) -> Result<(), Refusal> {
    if model.can(capability) {
        return Ok(());
    }
    let words = format!("{name} does not support {words}");
    Err(Refusal::new(400, words))
}

/// A model's name with the registry and owner it would come from.
fn full_name(name: &str) -> String {
    let from = match name.split('/').count() {
        1 => "registry.ollama.ai/library/",
        2 => "registry.ollama.ai/",
        _ => "",
    };
    format!("{from}{name}")
}

/// Thinking tokens before the answer, as a share of the answer's length.
fn thinking_share(think: Think) -> f64 {
    match think {
        Think::Off => 0.0,
        Think::Low => 0.5,
        Think::Medium => 1.0,
        Think::High => 1.5,
        Think::Max => 2.0,
    }
}

/// Submits a generation to the machine. Also returns whether the answer is streamed.
pub(super) fn start(
    app: &App,
    exchange: &mut Exchange,
    fault: Option<&FaultRule>,
    ask: GenerationRequest,
) -> Result<(Generation, bool), Refusal> {
    exchange.line.model = Some(ask.model.clone());
    exchange
        .line
        .unknown_options
        .clone_from(&ask.unknown_options);
    let profile = &app.profile;
    let model = profile
        .find_model(&ask.model)
        .ok_or_else(|| Refusal::new(404, format!("model '{}' not found", ask.model)))?;
    let chat = matches!(ask.dialect, Dialect::Chat | Dialect::V1Chat);
    let (quoted, full) = (format!("{:?}", ask.model), full_name(&model.name));
    if ask.think.is_some_and(|think| think != Think::Off) {
        require(model, &quoted, "thinking", "thinking")?;
    }
    let action = if chat { "chat" } else { "generate" };
    require(model, &quoted, "completion", action)?;
    if ask.suffix {
        require(model, &full, "insert", "insert")?;
    }
    if !ask.tools.is_empty() {
        require(model, &full, "tools", "tools")?;
    }
    let think = match ask.think {
        None if model.can("thinking") => Think::Medium,
        None => Think::Off,
        Some(think) => think,
    };
    if let Some(words) = ask.bad_option {
        return Err(Refusal::new(500, words));
    }
    let runner = RunnerOptions {
        shift: ask.shift,
        ..RunnerOptions::from(&ask.options)
    };
    let server = ServerId(exchange.line.server);
    if fault.is_some_and(|fault| fault.kind == FaultKind::OomOnLoad) {
        exchange.world.fail_next_load(server, OUT_OF_MEMORY);
    }

    let empty = ask.turns.is_empty();
    let mut whole = !ask.stream;
    let mut script = Script::default();
    let mut context = None;
    let mut content = sha256_hex(ask.model.as_bytes());
    let kind = if empty {
        whole = true;
        match ask.keep_alive {
            Some(KeepAlive::Unload) => WorkKind::Unload,
            _ => WorkKind::Preload,
        }
    } else {
        let limit = exchange.world.context(server, &model.name, &runner);
        let engine = profile.server.release() >= (0, 30, 0);
        let (rendered, prompt) = prompt_within(&ask, limit, engine)?;
        content = sha256_hex(rendered.as_bytes());
        script = write_script(app, model, &ask, think, &rendered, &content);
        if let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Repetition) {
            script.stick(fault.after_tokens);
        }
        let prompt: Arc<[u32]> = prompt.into();
        context = (ask.dialect == Dialect::Generate && !ask.raw).then(|| Arc::clone(&prompt));
        WorkKind::Generate(core::Generation {
            prompt,
            output: script.ids.clone().into(),
            num_predict: ask
                .options
                .num_predict
                .filter(|n| *n > 0)
                .map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        })
    };
    let options = serde_json::to_string(&ask.options).expect("options have only text keys");
    let work = Work {
        id: RequestId(0),
        kind,
        model: model.name.clone(),
        runner,
        keep_alive: ask.keep_alive,
        tag: derive(&["request", exchange.line.path.as_str(), &content, &options]),
    };
    let ticket = exchange.world.submit(server, !whole, work);
    exchange.line.id = Some(ticket.id());
    let encoder = Encoder::new(
        ask.dialect,
        app.epoch,
        &ask.model,
        exchange.line.number,
        exchange.line.received,
        ask.include_usage,
        ask.logprobs,
    );
    let generation = Generation {
        ticket,
        script,
        encoder,
        whole,
        context,
        model: model.name.clone(),
        shown: 0,
    };
    Ok((generation, !whole))
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
    let longest = if llama_server {
        limit.saturating_sub(1)
    } else {
        limit
    };
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
        cut_as_llama_server(&mut ids, limit, ask.options.num_keep);
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
    think: Think,
    rendered: &str,
    content: &str,
) -> Script {
    let temperature = ask.options.temperature.unwrap_or(NATIVE_TEMPERATURE);
    let seed = match ask.options.seed {
        _ if temperature <= 0.0 => 0,
        Some(seed) if seed >= 0 => seed,
        _ => app.repeat(derive(&[&model.name, content])),
    };
    let draw = OutputDraw {
        prompt: rendered,
        seed,
        temperature,
    };
    let natural = app.profile.output_tokens(model, draw);
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
            &app.seed.to_string(),
            &model.name,
            content,
            &seed.to_string(),
        ]),
        thinking_tokens: (natural as f64 * thinking_share(think)).round() as usize,
        answer,
        stop: ask.options.stop.as_deref().unwrap_or_default(),
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
