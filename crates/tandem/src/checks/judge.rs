//! Turns facts into findings, without I/O.

mod host;
mod model;
mod slots;

use std::collections::BTreeSet;

use document::words::plural;
use domain::backend::LoadedModel;
use serde::Serialize;

use super::facts::{Facts, MachineFacts, PlanFacts, ServerFacts, ServerReport, ServerState};
use super::memory::{Need, size};
use crate::target::{self, Absence};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Ok,
    /// Affects the figures by design.
    Note,
    /// The sweep would run with distorted figures.
    Warning,
    /// The sweep would fail.
    Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// Name of the check for machines: `slots`, `memory`, …
    pub(crate) code: &'static str,
    /// Index of the server among the endpoints; none for the plan and this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<usize>,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) todo: Option<String>,
}

/// Codes of the findings about the plan.
pub(crate) const OF_PLAN: &[&str] = &["reloads", "endpoints", "memory_together"];

/// Share of a device's memory that Ollama fills before it keeps layers on the CPU.
const GPU_SHARE: f64 = 0.8;

/// A shorter keep-alive may end between two requests of an agent.
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

#[derive(Debug, Clone, Copy)]
struct Case<'f> {
    report: &'f ServerReport,
    plan: &'f PlanFacts,
    /// This machine, if the server runs on it.
    machine: Option<&'f MachineFacts>,
}

/// All findings: servers first, then the plan, then the machine.
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
            ServerState::Answers(report) => of_server(Case {
                report,
                plan: &facts.plan,
                // Simulated devices are not this machine's.
                machine: facts
                    .machine
                    .as_ref()
                    .filter(|_| server.local && !report.server.is_simulator()),
            }),
        };
        all.extend(findings.into_iter().map(|finding| Finding {
            server: Some(place),
            ..finding
        }));
    }
    let loads = |server: &ServerFacts| matches!(&server.state, ServerState::Answers(report) if report.loads_on_demand);
    let any_loads = facts.servers.iter().any(loads);
    let urls = facts.servers.iter().map(|s| target::under_one_name(&s.url));
    let different = urls.collect::<BTreeSet<_>>().len();
    all.extend(host::of_plan(&facts.plan, different, any_loads));
    all.extend(memory_together(facts));
    if let Some(machine) = &facts.machine {
        all.extend(host::of_machine(machine, &facts.plan));
    }
    all
}

fn of_server(case: Case<'_>) -> Vec<Finding> {
    let server = &case.report.server;
    let answers = format!("answers: {} {}", server.kind, server.version);
    let mut all = vec![ok("reachable", answers)];
    all.extend(key(case.report));
    all.push(model::model(case));
    if case.report.model.is_none() {
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

fn key(report: &ServerReport) -> Option<Finding> {
    let refused = report.probe.as_ref().is_some_and(|p| p.key_refused);
    let tried = report.probe.is_some();
    Some(match (refused, report.key_sent) {
        (true, true) => problem(
            "key",
            "rejects the key",
            "set TANDEM_API_KEY to a valid key",
        ),
        (true, false) => problem("key", "requires a key", "set TANDEM_API_KEY to it"),
        (false, true) if tried => ok("key", "accepts the key in TANDEM_API_KEY, or needs none"),
        (false, true) => ok(
            "key",
            "was sent the key in TANDEM_API_KEY; generation requests were not tried",
        ),
        (false, false) => return None,
    })
}

fn context(Case { report, plan, .. }: Case<'_>) -> Option<Finding> {
    let wanted = plan.largest_named_context;
    let reported = report.context_reported;
    let trained = report.shape.as_ref().and_then(|shape| shape.context);
    let beyond = |most: Option<u64>| wanted.zip(most).filter(|(wanted, most)| wanted > most);
    Some(if let Some((wanted, reported)) = beyond(reported) {
        let todo = "start the server with a larger context for each slot, or lower num_ctx";
        let what =
            format!("the context of a slot is {reported} tokens, the plan uses up to {wanted}");
        warning("context", what, todo)
    } else if let Some((wanted, trained)) = beyond(trained) {
        let todo = "the server reduces it: configurations above the limit measure the same";
        let what =
            format!("the model was trained for {trained} tokens, the plan uses up to {wanted}");
        warning("context", what, todo)
    } else if let Some(reported) = reported {
        ok(
            "context",
            format!("the context of a slot is {reported} tokens"),
        )
    } else {
        let named = wanted.map_or_else(String::new, |n| format!(", the plan uses up to {n}"));
        let what = format!("the model supports up to {} tokens{named}", trained?);
        ok("context", what)
    })
}

/// Compares the memory of the largest configuration with the device's memory, or the host's.
fn memory(
    Case {
        report, machine, ..
    }: Case<'_>,
) -> Option<Finding> {
    const CODE: &str = "memory";
    if report.server.holds_model() {
        let what = "the model and the cache of all slots are in memory already";
        return Some(ok(CODE, what));
    }
    let Some((bytes, how)) = needed(report) else {
        let what = "memory cannot be estimated: the server does not report the model's dimensions";
        return report.loads_on_demand.then(|| note(CODE, what));
    };
    let needs = format!("needs {} ({how})", size(bytes));
    let Some(machine) = machine else {
        let whose = if report.server.is_simulator() {
            "the simulated device decides whether it fits"
        } else {
            "the server is on another machine, whose memory is unknown"
        };
        return Some(note(CODE, format!("{needs}; {whose}")));
    };
    let gpus = machine.gpus.iter().filter_map(|g| g.memory_total_bytes);
    let gpu: u64 = gpus.sum();
    if gpu > 0 {
        let gpu_size = size(gpu);
        return Some(if bytes as f64 <= gpu as f64 * GPU_SHARE {
            ok(CODE, format!("{needs} of {gpu_size} on the GPU"))
        } else {
            let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, or take a smaller model";
            let what =
                format!("{needs}, the GPU has {gpu_size}: part of the model will run on the CPU");
            warning(CODE, what, todo)
        });
    }
    if report.loaded.as_ref().is_some_and(is_on_gpu) {
        let what = format!("{needs}; the memory of the server's GPU cannot be read here");
        return Some(note(CODE, what));
    }
    // The memory of loaded models is available to this one.
    let loaded = report.loaded_before.iter().flatten();
    let held: u64 = loaded.filter_map(|m| m.size_bytes).sum();
    let Some(free) = machine.memory_free_bytes.map(|free| free + held) else {
        let what = format!("{needs}; free memory is unknown on this system");
        return Some(note(CODE, what));
    };
    let free_size = size(free);
    Some(if bytes <= free {
        let what = format!("{needs}; {free_size} of host memory are free, and no GPU was found");
        ok(CODE, what)
    } else {
        let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, take a smaller model, or free memory";
        let what = format!("{needs}, only {free_size} of host memory are free");
        problem(CODE, what, todo)
    })
}

/// Compares the total memory of the plan's local servers with the GPU: each may fit alone but not together.
fn memory_together(facts: &Facts) -> Option<Finding> {
    const CODE: &str = "memory_together";
    let gpus = &facts.machine.as_ref()?.gpus;
    let gpu: u64 = gpus.iter().filter_map(|g| g.memory_total_bytes).sum();
    let used = facts.servers.iter().take(facts.plan.servers);
    let local: Vec<_> = used.filter(|server| server.local).collect();
    let needs = local.iter().filter_map(|server| match &server.state {
        ServerState::Answers(report) => needed(report),
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

/// True for a model that is at least partly on a GPU.
fn is_on_gpu(loaded: &LoadedModel) -> bool {
    loaded.size_vram_bytes.is_some_and(|bytes| bytes > 0)
}

/// Memory of the largest configuration, bytes, and its source.
fn needed(report: &ServerReport) -> Option<(u64, String)> {
    if let Some(loaded) = &report.loaded
        && let Some(bytes) = loaded.size_bytes
    {
        let context = loaded.context_length;
        let context = context.map_or_else(String::new, |n| format!(", context {n}"));
        let how = format!("as the server reports it{context}");
        return Some((bytes, how));
    }
    let need = report.need.as_ref()?;
    Some((need.total(), in_words(need, report)))
}

fn in_words(need: &Need, report: &ServerReport) -> String {
    let assumed = match (need.context_assumed, need.slots_assumed) {
        (true, true) => ", both assumed",
        (true, false) => ", the context assumed",
        (false, true) => ", the slot assumed",
        (false, false) => "",
    };
    let windowed = if report.shape.as_ref().is_some_and(|s| s.windowed) {
        ", an upper bound: some layers cache only a sliding window"
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

/// Checks that the whole model is on the GPU.
fn placement(
    Case {
        report, machine, ..
    }: Case<'_>,
) -> Option<Finding> {
    const CODE: &str = "placement";
    let loaded = report.loaded.as_ref()?;
    let (all, vram) = loaded.size_bytes.zip(loaded.size_vram_bytes)?;
    if all == 0 {
        return None;
    }
    let cpu = 100.0 * all.saturating_sub(vram) as f64 / all as f64;
    Some(if vram >= all {
        ok(CODE, "the whole model is on the GPU")
    } else if vram > 0 {
        let todo = "lower num_ctx, free GPU memory, or take a smaller model; leave num_gpu out to let \
                    the server decide";
        warning(CODE, format!("{cpu:.0} % of the model is on the CPU"), todo)
    } else if machine.is_some_and(|m| !m.gpus.is_empty()) {
        let todo = "see the server's log for why it does not use the GPU";
        let what = "the whole model is on the CPU although this machine has a GPU";
        warning(CODE, what, todo)
    } else {
        note(CODE, "the model runs on the CPU")
    })
}

fn other_models(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let own = report.model.as_ref().map(|m| m.name.as_str());
    let loaded = report.loaded_before.iter().flatten();
    let others: Vec<_> = loaded.filter(|m| Some(m.name.as_str()) != own).collect();
    let first = others.first().filter(|_| !report.server.holds_model())?;
    let names = others.iter().map(|m| {
        let bytes = m.size_bytes;
        let bytes = bytes.map_or_else(String::new, |b| format!(" ({})", size(b)));
        format!("{}{bytes}", m.name)
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let what = format!("has other models in memory: {names}");
    let todo = format!(
        "`ollama stop {}`, and do not use it during the run",
        first.name
    );
    Some(warning("other_models", what, todo))
}

fn gpu_users(Case { machine, .. }: Case<'_>) -> impl Iterator<Item = Finding> {
    let gpus = machine.into_iter().flat_map(|m| &m.gpus);
    gpus.filter(|gpu| !gpu.others.is_empty()).map(|gpu| {
        let others = gpu.others.join("; ");
        let (index, name) = (gpu.index, &gpu.name);
        let what = format!("GPU {index} ({name}) is also used by {others}");
        let todo = "stop them; otherwise every figure includes their load";
        warning("gpu_users", what, todo)
    })
}

fn options(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let left_out = report.options_not_sent.join(", ");
    let todo = "set them when starting the server, or remove them from the plan";
    let what = format!("its API does not accept {left_out}: the server's own settings apply");
    (!left_out.is_empty()).then(|| note("options", what).todo(todo))
}

/// A plan that sets the model's state before each arm, on a server that cannot do that.
fn state(Case { report, plan, .. }: Case<'_>) -> Option<Finding> {
    let what = if report.server.holds_model() {
        "always keeps its model loaded: the state before each arm is `as left`"
    } else {
        "cannot load or unload a model on request: the state before each arm is `as left`"
    };
    (!report.loads_on_demand && plan.sets_state).then(|| note("state", what))
}

fn keep_alive(Case { report, .. }: Case<'_>) -> Option<Finding> {
    const CODE: &str = "keep_alive";
    let seconds = report.keep_alive_s?;
    Some(if seconds == 0.0 {
        let what = "unloads the model after every request: every request waits for a load";
        warning(CODE, what, "start it without OLLAMA_KEEP_ALIVE=0")
    } else if seconds < 0.0 {
        ok(CODE, "never unloads an idle model")
    } else if seconds < SHORT_KEEP_ALIVE_S {
        let what =
            format!("unloads an idle model after {seconds:.0} s, possibly between two requests");
        warning(CODE, what, "start it with a longer OLLAMA_KEEP_ALIVE")
    } else {
        let minutes = seconds / 60.0;
        let what = format!("unloads an idle model after {minutes:.0} min");
        ok(CODE, what)
    })
}

#[cfg(test)]
mod tests;
