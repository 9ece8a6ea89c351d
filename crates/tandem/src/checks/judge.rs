//! What the facts mean. No I/O: facts in, findings out.

mod host;
mod model;
mod slots;

use std::collections::BTreeSet;

use document::words::plural;
use domain::backend::LoadedModel;
use serde::Serialize;

use super::facts::{Facts, MachineFacts, PlanFacts, ServerFacts, ServerState, There};
use super::memory::{Need, size};
use crate::target::{self, Absence};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Good to know; it is part of what is measured.
    Note,
    /// The sweep would run, and this would spoil its figures.
    Warning,
    /// The sweep would fail.
    Problem,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What it is about, for machines: `slots`, `memory`, …
    pub(crate) code: &'static str,
    /// The server that it is about, by its place among the endpoints; none for the plan and for this
    /// machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<usize>,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) todo: Option<String>,
}

/// Codes of findings about the plan.
pub(crate) const OF_PLAN: &[&str] = &["reloads", "endpoints", "memory_together"];

/// Share of a device's memory that Ollama fills before it keeps layers on the CPU.
const GPU_SHARE: f64 = 0.8;

/// A keep-alive shorter than this ends between two requests of an agent that computes.
const SHORT_KEEP_ALIVE_S: f64 = 30.0;

impl Finding {
    fn new(level: Level, code: &'static str, what: impl Into<String>) -> Self {
        Self {
            level,
            code,
            server: None,
            what: what.into(),
            todo: None,
        }
    }

    fn todo(self, todo: impl Into<String>) -> Self {
        Self {
            todo: Some(todo.into()),
            ..self
        }
    }
}

fn ok(code: &'static str, what: impl Into<String>) -> Finding {
    Finding::new(Level::Ok, code, what)
}

fn note(code: &'static str, what: impl Into<String>) -> Finding {
    Finding::new(Level::Note, code, what)
}

fn warning(code: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Finding {
    Finding::new(Level::Warning, code, what).todo(todo)
}

fn problem(code: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Finding {
    Finding::new(Level::Problem, code, what).todo(todo)
}

/// What a check of a server looks at.
#[derive(Debug, Clone, Copy)]
struct Case<'f> {
    there: &'f There,
    plan: &'f PlanFacts,
    /// This machine, where the server runs on it.
    machine: Option<&'f MachineFacts>,
}

/// Everything that the facts say, servers first, then the plan, then the machine.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for (place, server) in facts.servers.iter().enumerate() {
        let findings = match &server.state {
            ServerState::Absent { why, message, hint } => {
                let code = match why {
                    Absence::Key => "key",
                    _ => "reachable",
                };
                let absent = Finding::new(Level::Problem, code, message);
                vec![Finding {
                    todo: hint.clone(),
                    ..absent
                }]
            }
            ServerState::There(there) => of_server(Case {
                there,
                plan: &facts.plan,
                // A simulated device is none of this machine's.
                machine: facts
                    .machine
                    .as_ref()
                    .filter(|_| server.local && !there.server.is_simulator()),
            }),
        };
        all.extend(findings.into_iter().map(|finding| Finding {
            server: Some(place),
            ..finding
        }));
    }
    let loads = |server: &ServerFacts| matches!(&server.state, ServerState::There(there) if there.loads_on_demand);
    let anyone = facts.servers.iter().any(loads);
    let urls = facts.servers.iter().map(|s| target::under_one_name(&s.url));
    let different = urls.collect::<BTreeSet<_>>().len();
    all.extend(host::of_plan(&facts.plan, different, anyone));
    all.extend(memory_together(facts));
    if let Some(machine) = &facts.machine {
        all.extend(host::of_machine(machine, &facts.plan));
    }
    all
}

fn of_server(case: Case<'_>) -> Vec<Finding> {
    let server = &case.there.server;
    let answers = format!("answers: {} {}", server.kind, server.version);
    let mut all = vec![ok("reachable", answers)];
    all.extend(key(case.there));
    all.push(model::model(case));
    if case.there.model.is_none() {
        return all;
    }
    all.extend(context(case));
    all.extend(memory(case));
    all.extend(placement(case));
    all.extend(other_models(case));
    all.extend(gpu_users(case));
    all.extend(slots::generates(case));
    all.extend(slots::slots(case));
    all.extend(options(case));
    all.extend(state(case));
    all.extend(keep_alive(case));
    all
}

fn key(there: &There) -> Option<Finding> {
    let refused = there.probe.as_ref().is_some_and(|p| p.key_refused);
    let tried = there.probe.is_some();
    Some(match (refused, there.key_sent) {
        (true, true) => problem(
            "key",
            "refuses the key",
            "put the right one into TANDEM_API_KEY",
        ),
        (true, false) => problem("key", "wants a key", "put it into TANDEM_API_KEY"),
        (false, true) if tried => ok("key", "takes the key from TANDEM_API_KEY, or asks for none"),
        (false, true) => ok(
            "key",
            "was sent the key from TANDEM_API_KEY; whether it is asked for when generating was not tried",
        ),
        (false, false) => return None,
    })
}

fn context(Case { there, plan, .. }: Case<'_>) -> Option<Finding> {
    let wanted = plan.largest_named_context;
    let told = there.context_told;
    let trained = there.shape.as_ref().and_then(|shape| shape.context);
    let beyond = |most: Option<u64>| wanted.zip(most).filter(|(wanted, most)| wanted > most);
    Some(if let Some((wanted, told)) = beyond(told) {
        let todo = "start the server with a larger context for each slot, or lower num_ctx";
        let what = format!("a slot holds {told} tokens, the plan asks for up to {wanted}");
        warning("context", what, todo)
    } else if let Some((wanted, trained)) = beyond(trained) {
        let todo = "the server cuts it down: configurations above it measure the same";
        let what =
            format!("the model was trained for {trained} tokens, the plan asks for {wanted}");
        warning("context", what, todo)
    } else if let Some(told) = told {
        ok("context", format!("a slot holds {told} tokens"))
    } else {
        let named = wanted.map_or_else(String::new, |n| format!(", the plan names up to {n}"));
        let what = format!("the model takes up to {} tokens{named}", trained?);
        ok("context", what)
    })
}

/// The largest configuration against the device's memory, or the host's.
fn memory(Case { there, machine, .. }: Case<'_>) -> Option<Finding> {
    const CODE: &str = "memory";
    if there.server.holds_model() {
        let what = "the model and the cache of all slots are in memory already";
        return Some(ok(CODE, what));
    }
    let Some((bytes, how)) = needed(there) else {
        let what =
            "what the model needs cannot be estimated: the server does not tell its dimensions";
        return there.loads_on_demand.then(|| note(CODE, what));
    };
    let needs = format!("needs {} ({how})", size(bytes));
    let Some(machine) = machine else {
        let whose = if there.server.is_simulator() {
            "the simulated device decides whether it fits"
        } else {
            "the server runs elsewhere, so what it has is not known here"
        };
        return Some(note(CODE, format!("{needs}; {whose}")));
    };
    let gpus = machine.gpus.iter().filter_map(|g| g.memory_total_bytes);
    let gpu: u64 = gpus.sum();
    if gpu > 0 {
        let gpu_size = size(gpu);
        // What other processes hold is not to be had; what this server holds is given up for it.
        return Some(if bytes as f64 <= gpu as f64 * GPU_SHARE {
            ok(CODE, format!("{needs} of {gpu_size} on the GPU"))
        } else {
            let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, or take a smaller model";
            let part = "part of the model will run on the CPU";
            warning(
                CODE,
                format!("{needs}, the GPU has {gpu_size}: {part}"),
                todo,
            )
        });
    }
    if there.loaded.as_ref().is_some_and(is_on_gpu) {
        let what = format!("{needs}; the memory of the server's GPU cannot be read here");
        return Some(note(CODE, what));
    }
    // A model that is loaded already holds its memory.
    let loaded = there.loaded_before.iter().flatten();
    let held: u64 = loaded.filter_map(|m| m.size_bytes).sum();
    let Some(free) = machine.memory_free_bytes.map(|free| free + held) else {
        let what = format!("{needs}; free memory cannot be told on this system");
        return Some(note(CODE, what));
    };
    let free_size = size(free);
    Some(if bytes <= free {
        let what = format!("{needs}; {free_size} of host memory are free, and no GPU is seen here");
        ok(CODE, what)
    } else {
        let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, take a smaller model, or free memory";
        let what = format!("{needs}, only {free_size} of host memory are free");
        problem(CODE, what, todo)
    })
}

/// What the servers of the plan that run on this machine need together: each is asked alone, and fits alone.
fn memory_together(facts: &Facts) -> Option<Finding> {
    const CODE: &str = "memory_together";
    let gpus = &facts.machine.as_ref()?.gpus;
    let gpu: u64 = gpus.iter().filter_map(|g| g.memory_total_bytes).sum();
    let used = facts.servers.iter().take(facts.plan.servers);
    let local: Vec<_> = used.filter(|server| server.local).collect();
    let needs = local.iter().filter_map(|server| match &server.state {
        ServerState::There(there) => needed(there),
        ServerState::Absent { .. } => None,
    });
    let needs: Vec<u64> = needs.map(|(bytes, _)| bytes).collect();
    if gpu == 0 || needs.len() < 2 {
        return None;
    }
    let each: Vec<String> = needs.iter().map(|bytes| size(*bytes)).collect();
    let total: u64 = needs.iter().sum();
    let what = format!(
        "{} servers on this machine need {} together ({}) of {} on the GPU",
        needs.len(),
        size(total),
        each.join(" + "),
        size(gpu)
    );
    if total as f64 > gpu as f64 * GPU_SHARE {
        let todo = "lower num_ctx, take a smaller model, or let the agents share a server";
        let what = format!("{what}: part of a model will run on the CPU");
        return Some(warning(CODE, what, todo));
    }
    (needs.len() == local.len()).then(|| ok(CODE, what))
}

/// True for a model that the server has on a GPU, all of it or a part.
fn is_on_gpu(loaded: &LoadedModel) -> bool {
    loaded.size_vram_bytes.is_some_and(|bytes| bytes > 0)
}

/// What the largest configuration needs, and how that is known.
fn needed(there: &There) -> Option<(u64, String)> {
    if let Some(loaded) = &there.loaded
        && let Some(bytes) = loaded.size_bytes
    {
        let context = loaded.context_length;
        let context = context.map_or_else(String::new, |n| format!(", context {n}"));
        let how = format!("as the server says when it is loaded{context}");
        return Some((bytes, how));
    }
    let need = there.need.as_ref()?;
    Some((need.total(), in_words(need, there)))
}

fn in_words(need: &Need, there: &There) -> String {
    let assumed = match (need.context_assumed, need.slots_assumed) {
        (true, true) => ", both assumed",
        (true, false) => ", the context assumed",
        (false, true) => ", the slot assumed",
        (false, false) => "",
    };
    let windowed = if there.shape.as_ref().is_some_and(|s| s.windowed) {
        ", at most: some layers keep a window only"
    } else {
        ""
    };
    format!(
        "estimated: weights {} + cache {} of {} x {} tokens at 16 bits{assumed}{windowed}",
        size(need.weights_bytes),
        size(need.cache_bytes),
        plural(need.slots, "slot"),
        need.context,
    )
}

/// Whether all of the model is on the GPU.
fn placement(Case { there, machine, .. }: Case<'_>) -> Option<Finding> {
    const CODE: &str = "placement";
    let loaded = there.loaded.as_ref()?;
    let (all, vram) = loaded.size_bytes.zip(loaded.size_vram_bytes)?;
    if all == 0 {
        return None;
    }
    let cpu = 100.0 * all.saturating_sub(vram) as f64 / all as f64;
    Some(if vram >= all {
        ok(CODE, "the model is wholly on the GPU")
    } else if vram > 0 {
        let todo = "lower num_ctx, free GPU memory, or take a smaller model; leave num_gpu out to let \
                    the server decide";
        warning(CODE, format!("{cpu:.0} % of the model is on the CPU"), todo)
    } else if machine.is_some_and(|m| !m.gpus.is_empty()) {
        let todo = "look into the server's log for why it does not use the GPU";
        let what = "the model is wholly on the CPU although this machine has a GPU";
        warning(CODE, what, todo)
    } else {
        note(CODE, "the model runs on the CPU")
    })
}

/// Other models in the server's memory.
fn other_models(Case { there, .. }: Case<'_>) -> Option<Finding> {
    let own = there.model.as_ref().map(|m| m.name.as_str());
    let loaded = there.loaded_before.iter().flatten();
    let others: Vec<_> = loaded.filter(|m| Some(m.name.as_str()) != own).collect();
    let first = others.first().filter(|_| !there.server.holds_model())?;
    let names = others.iter().map(|m| {
        let bytes = m.size_bytes;
        let bytes = bytes.map_or_else(String::new, |b| format!(" ({})", size(b)));
        format!("{}{bytes}", m.name)
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let what = format!("has other models in memory: {names}");
    let todo = format!(
        "`ollama stop {}`, and let nobody use it meanwhile",
        first.name
    );
    Some(warning("other_models", what, todo))
}

/// Other processes that take memory and time of the devices.
fn gpu_users(Case { machine, .. }: Case<'_>) -> impl Iterator<Item = Finding> {
    let gpus = machine.into_iter().flat_map(|m| &m.gpus);
    gpus.filter(|gpu| !gpu.others.is_empty()).map(|gpu| {
        let others = gpu.others.join("; ");
        let what = format!(
            "GPU {} ({}) is used by others: {others}",
            gpu.index, gpu.name
        );
        let todo = "end them, or know that their work is in every figure";
        warning("gpu_users", what, todo)
    })
}

/// Options of the plan that the server does not take.
fn options(Case { there, .. }: Case<'_>) -> Option<Finding> {
    let left_out = there.options_not_sent.join(", ");
    let todo = "set them where the server is started, or leave them out of the plan";
    let what = format!("cannot be sent {left_out}: the server's own settings hold");
    (!left_out.is_empty()).then(|| note("options", what).todo(todo))
}

/// A state before each arm that the server cannot be put into.
fn state(Case { there, plan, .. }: Case<'_>) -> Option<Finding> {
    let what = if there.server.holds_model() {
        "holds its model from start to end: the state before each arm is `as left`"
    } else {
        "cannot load or unload a model on demand: the state before each arm is `as left`"
    };
    (!there.loads_on_demand && plan.sets_state).then(|| note("state", what))
}

fn keep_alive(Case { there, .. }: Case<'_>) -> Option<Finding> {
    const CODE: &str = "keep_alive";
    let seconds = there.keep_alive_s?;
    Some(if seconds == 0.0 {
        let what = "unloads the model after every request: every request waits for a load";
        warning(CODE, what, "start it without OLLAMA_KEEP_ALIVE=0")
    } else if seconds < 0.0 {
        ok(CODE, "never unloads an idle model")
    } else if seconds < SHORT_KEEP_ALIVE_S {
        let what = format!(
            "unloads an idle model after {seconds:.0} s, which may end between two requests"
        );
        warning(CODE, what, "start it with a longer OLLAMA_KEEP_ALIVE")
    } else {
        let minutes = seconds / 60.0;
        let what = format!("unloads an idle model after {minutes:.0} min");
        ok(CODE, what)
    })
}

#[cfg(test)]
mod tests;
