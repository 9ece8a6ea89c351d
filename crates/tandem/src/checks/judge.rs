//! What the facts mean. No I/O: facts in, findings out.

mod host;
mod model;
mod slots;

use document::words::plural;
use domain::backend::LoadedModel;
use serde::Serialize;

use super::facts::{Absence, Facts, GpuFacts, MachineFacts, PlanFacts, ServerState, There};
use super::memory::{Need, size};

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
    /// How bad.
    pub(crate) level: Level,
    /// What it is about, for machines: `slots`, `memory`, …
    pub(crate) code: &'static str,
    /// The server that it is about, by its place among the endpoints; none for the plan and for this
    /// machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<usize>,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) todo: Option<String>,
}

/// Codes of findings about the plan.
pub(crate) const OF_PLAN: &[&str] = &["reloads", "endpoints"];

/// Share of a device's memory that Ollama fills before it keeps layers on the CPU.
const GPU_SHARE: f64 = 0.8;

/// A keep-alive shorter than this ends between two requests of an agent that computes.
const SHORT_KEEP_ALIVE_S: f64 = 30.0;

/// Collects findings about one thing.
#[derive(Debug, Default)]
struct Findings {
    server: Option<usize>,
    all: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, level: Level, code: &'static str, what: impl Into<String>) -> &mut Self {
        self.all.push(Finding {
            level,
            code,
            server: self.server,
            what: what.into(),
            todo: None,
        });
        self
    }

    fn ok(&mut self, code: &'static str, what: impl Into<String>) -> &mut Self {
        self.add(Level::Ok, code, what)
    }

    fn note(&mut self, code: &'static str, what: impl Into<String>) -> &mut Self {
        self.add(Level::Note, code, what)
    }

    fn warning(&mut self, code: &'static str, what: impl Into<String>) -> &mut Self {
        self.add(Level::Warning, code, what)
    }

    fn problem(&mut self, code: &'static str, what: impl Into<String>) -> &mut Self {
        self.add(Level::Problem, code, what)
    }

    /// What to do about the last one.
    fn todo(&mut self, todo: impl Into<String>) {
        if let Some(last) = self.all.last_mut() {
            last.todo = Some(todo.into());
        }
    }
}

/// Everything that the facts say, servers first, then the plan, then the machine.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for (place, server) in facts.servers.iter().enumerate() {
        let mut findings = Findings {
            server: Some(place),
            all: Vec::new(),
        };
        match &server.state {
            ServerState::Absent { why, message, hint } => {
                let code = match why {
                    Absence::Unreachable | Absence::NoModelServer => "reachable",
                    Absence::Key => "key",
                };
                findings.problem(code, message.clone());
                if let Some(hint) = hint {
                    findings.todo(hint.clone());
                }
            }
            ServerState::There(there) => {
                let machine = facts.machine.as_ref().filter(|_| server.local);
                of_server(&mut findings, there, &facts.plan, machine);
            }
        }
        all.append(&mut findings.all);
    }
    let mut findings = Findings::default();
    let anyone = facts
        .servers
        .iter()
        .any(|s| matches!(&s.state, ServerState::There(there) if there.loads_on_demand));
    host::of_plan(&mut findings, &facts.plan, facts.servers.len(), anyone);
    if let Some(machine) = &facts.machine {
        host::of_machine(&mut findings, machine, &facts.plan);
    }
    all.append(&mut findings.all);
    all
}

fn of_server(
    findings: &mut Findings,
    there: &There,
    plan: &PlanFacts,
    machine: Option<&MachineFacts>,
) {
    let server = &there.server;
    findings.ok(
        "reachable",
        format!("answers: {} {}", server.kind, server.version),
    );
    key(findings, there);
    if !model::model(findings, there, plan) {
        return;
    }
    context(findings, there, plan);
    memory(findings, there, machine);
    placement(findings, there, machine);
    others(findings, there, machine);
    slots::slots(findings, there, plan);
    if !there.options_not_sent.is_empty() {
        findings
            .note(
                "options",
                format!(
                    "cannot be sent {}: the server's own settings hold",
                    there.options_not_sent.join(", ")
                ),
            )
            .todo("set them where the server is started, or leave them out of the plan");
    }
    if !there.loads_on_demand && plan.sets_state {
        let what = if there.server.holds_model() {
            "holds its model from start to end: the state before each arm is `as left`"
        } else {
            "cannot load or unload a model on demand: the state before each arm is `as left`"
        };
        findings.note("state", what);
    }
    keep_alive(findings, there);
}

fn key(findings: &mut Findings, there: &There) {
    let refused = there.probe.as_ref().is_some_and(|p| p.key_refused);
    if refused {
        let (what, todo) = if there.key_sent {
            ("refuses the key", "put the right one into TANDEM_API_KEY")
        } else {
            ("wants a key", "put it into TANDEM_API_KEY")
        };
        findings.problem("key", what).todo(todo);
    } else if there.key_sent {
        let what = if there.probe.is_some() {
            "takes the key from TANDEM_API_KEY, or asks for none"
        } else {
            "was sent the key from TANDEM_API_KEY; whether it is asked for when generating was not tried"
        };
        findings.ok("key", what);
    }
}

fn context(findings: &mut Findings, there: &There, plan: &PlanFacts) {
    let wanted = plan.largest_named_context;
    if let (Some(wanted), Some(told)) = (wanted, there.context_told)
        && wanted > told
    {
        findings
            .warning(
                "context",
                format!("a slot holds {told} tokens, the plan asks for up to {wanted}"),
            )
            .todo("start the server with a larger context for each slot, or lower num_ctx");
        return;
    }
    let trained = there.shape.as_ref().and_then(|shape| shape.context);
    if let (Some(wanted), Some(trained)) = (wanted, trained)
        && wanted > trained
    {
        findings
            .warning(
                "context",
                format!("the model was trained for {trained} tokens, the plan asks for {wanted}"),
            )
            .todo("the server cuts it down: configurations above it measure the same");
    } else if let Some(told) = there.context_told {
        findings.ok("context", format!("a slot holds {told} tokens"));
    } else if let Some(trained) = trained {
        let wanted = wanted.map_or_else(String::new, |n| format!(", the plan names up to {n}"));
        findings.ok(
            "context",
            format!("the model takes up to {trained} tokens{wanted}"),
        );
    }
}

/// The largest configuration against the device's memory, or the host's.
fn memory(findings: &mut Findings, there: &There, machine: Option<&MachineFacts>) {
    if there.server.holds_model() {
        findings.ok(
            "memory",
            "the model and the cache of all slots are in memory already",
        );
        return;
    }
    let Some((bytes, how)) = needed(there) else {
        if there.loads_on_demand {
            findings.note(
                "memory",
                "what the model needs cannot be estimated: the server does not tell its dimensions",
            );
        }
        return;
    };
    let Some(machine) = machine else {
        let whose = if there.simulated {
            "the simulated device decides whether it fits"
        } else {
            "the server runs elsewhere, so what it has is not known here"
        };
        findings.note("memory", format!("needs {} ({how}); {whose}", size(bytes)));
        return;
    };
    let gpu: u64 = machine
        .gpus
        .iter()
        .filter_map(|g| g.memory_total_bytes)
        .sum();
    if gpu > 0 {
        // What other processes hold is not to be had; what this server holds is given up for it.
        if bytes as f64 <= gpu as f64 * GPU_SHARE {
            findings.ok(
                "memory",
                format!("needs {} ({how}) of {} on the GPU", size(bytes), size(gpu)),
            );
        } else {
            findings
                .warning(
                    "memory",
                    format!(
                        "needs {} ({how}), the GPU has {}: part of the model will run on the CPU",
                        size(bytes),
                        size(gpu)
                    ),
                )
                .todo("lower num_ctx or OLLAMA_NUM_PARALLEL, or take a smaller model");
        }
        return;
    }
    // A model that is loaded already holds its memory.
    let held = there
        .loaded_before
        .iter()
        .flatten()
        .filter_map(|m| m.size_bytes);
    let Some(free) = machine
        .memory_free_bytes
        .map(|free| free + held.sum::<u64>())
    else {
        findings.note(
            "memory",
            format!(
                "needs {} ({how}); free memory cannot be told on this system",
                size(bytes)
            ),
        );
        return;
    };
    if bytes <= free {
        findings.ok(
            "memory",
            format!(
                "needs {} ({how}); {} of host memory are free, and there is no GPU",
                size(bytes),
                size(free)
            ),
        );
    } else {
        findings
            .problem(
                "memory",
                format!(
                    "needs {} ({how}), only {} of host memory are free",
                    size(bytes),
                    size(free)
                ),
            )
            .todo("lower num_ctx or OLLAMA_NUM_PARALLEL, take a smaller model, or free memory");
    }
}

/// What the largest configuration needs, and how that is known.
fn needed(there: &There) -> Option<(u64, String)> {
    if let Some(bytes) = there.loaded.as_ref().and_then(|l| l.size_bytes) {
        let context = there.loaded.as_ref().and_then(|l| l.context_length);
        let context = context.map_or_else(String::new, |n| format!(", context {n}"));
        return Some((
            bytes,
            format!("as the server says when it is loaded{context}"),
        ));
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
fn placement(findings: &mut Findings, there: &There, machine: Option<&MachineFacts>) {
    let Some((size_all, vram)) = there
        .loaded
        .as_ref()
        .and_then(|l| l.size_bytes.zip(l.size_vram_bytes))
        .filter(|(size, _)| *size > 0)
    else {
        return;
    };
    let cpu = 100.0 * size_all.saturating_sub(vram) as f64 / size_all as f64;
    let gpus = machine.is_some_and(|m| !m.gpus.is_empty());
    if vram >= size_all {
        findings.ok("placement", "the model is wholly on the GPU");
    } else if vram > 0 {
        findings
            .warning("placement",
                format!("{cpu:.0} % of the model is on the CPU"),
            )
            .todo("lower num_ctx, free GPU memory, or take a smaller model; leave num_gpu out to let the server decide");
    } else if gpus {
        findings
            .warning(
                "placement",
                "the model is wholly on the CPU although this machine has a GPU",
            )
            .todo("look into the server's log for why it does not use the GPU");
    } else {
        findings.note("placement", "the model runs on the CPU");
    }
}

/// Who else takes memory and time of the device.
fn others(findings: &mut Findings, there: &There, machine: Option<&MachineFacts>) {
    let own = there.model.as_ref().map(|m| m.name.as_str());
    let loaded: Vec<&LoadedModel> = there
        .loaded_before
        .iter()
        .flatten()
        .filter(|m| Some(m.name.as_str()) != own)
        .collect();
    if !loaded.is_empty() && !there.server.holds_model() {
        let names: Vec<_> = loaded
            .iter()
            .map(|m| {
                let bytes = m
                    .size_bytes
                    .map_or_else(String::new, |b| format!(" ({})", size(b)));
                format!("{}{bytes}", m.name)
            })
            .collect();
        let first = loaded.first().map_or("NAME", |m| m.name.as_str());
        findings
            .warning(
                "other_models",
                format!("has other models in memory: {}", names.join(", ")),
            )
            .todo(format!(
                "`ollama stop {first}`, and let nobody use it meanwhile"
            ));
    }
    for gpu in machine.iter().flat_map(|m| &m.gpus) {
        gpu_users(findings, gpu);
    }
}

fn gpu_users(findings: &mut Findings, gpu: &GpuFacts) {
    if gpu.others.is_empty() {
        return;
    }
    let name = format!("GPU {} ({})", gpu.index, gpu.name);
    findings
        .warning(
            "gpu_users",
            format!("{name} is used by others: {}", gpu.others.join("; ")),
        )
        .todo("end them, or know that their work is in every figure");
}

fn keep_alive(findings: &mut Findings, there: &There) {
    let Some(seconds) = there.keep_alive_s else {
        return;
    };
    if seconds == 0.0 {
        findings
            .warning(
                "keep_alive",
                "unloads the model after every request: every request waits for a load",
            )
            .todo("start it without OLLAMA_KEEP_ALIVE=0");
    } else if (0.0..SHORT_KEEP_ALIVE_S).contains(&seconds) {
        findings
            .warning(
                "keep_alive",
                format!(
                    "unloads an idle model after {seconds:.0} s, which may end between two requests"
                ),
            )
            .todo("start it with a longer OLLAMA_KEEP_ALIVE");
    } else if seconds < 0.0 {
        findings.ok("keep_alive", "never unloads an idle model");
    } else {
        let minutes = seconds / 60.0;
        findings.ok(
            "keep_alive",
            format!("unloads an idle model after {minutes:.0} min"),
        );
    }
}

#[cfg(test)]
mod tests;
