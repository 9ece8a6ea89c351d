//! Turns facts into findings, without I/O.

mod host;
mod memory;
mod model;
mod slots;

use domain::backend::LoadedModel;
use serde::Serialize;

use super::facts::{Facts, MachineFacts, PlanFacts, ServerReport, ServerState};
use super::memory::size;
use crate::target::Absence;

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

/// A shorter keep-alive may end between two requests of an agent.
const SHORT_KEEP_ALIVE_S: f64 = 30.0;

/// A finding whose code and server [`Findings::add`] fills in.
fn finding(level: Level, what: impl Into<String>, todo: Option<String>) -> Finding {
    Finding {
        level,
        code: "",
        server: None,
        what: what.into(),
        todo,
    }
}

fn ok(what: impl Into<String>) -> Finding {
    finding(Level::Ok, what, None)
}

fn note(what: impl Into<String>) -> Finding {
    finding(Level::Note, what, None)
}

fn warning(what: impl Into<String>, todo: impl Into<String>) -> Finding {
    finding(Level::Warning, what, Some(todo.into()))
}

fn problem(what: impl Into<String>, todo: impl Into<String>) -> Finding {
    finding(Level::Problem, what, Some(todo.into()))
}

impl Finding {
    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

#[derive(Debug, Default)]
struct Findings {
    all: Vec<Finding>,
    /// The server that findings are added for.
    server: Option<usize>,
}

impl Findings {
    fn add(&mut self, code: &'static str, findings: impl IntoIterator<Item = Finding>) {
        let server = self.server;
        self.all.extend(findings.into_iter().map(|finding| Finding {
            code,
            server,
            ..finding
        }));
    }
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
    let mut found = Findings::default();
    for (place, server) in facts.servers.iter().enumerate() {
        found.server = Some(place);
        match &server.state {
            ServerState::Absent { why, message, hint } => {
                let is_key = *why == Absence::Key;
                let code = if is_key { "key" } else { "reachable" };
                found.add(code, [finding(Level::Problem, message, hint.clone())]);
            }
            ServerState::Answers(report) => {
                // Simulated devices are not this machine's.
                let local = server.local && !report.server.is_simulator();
                let case = Case {
                    report,
                    plan: &facts.plan,
                    machine: facts.machine.as_ref().filter(|_| local),
                };
                add_server(&mut found, case);
            }
        }
    }
    found.server = None;
    host::add_plan(&mut found, facts);
    found.add("memory_together", memory::together(facts));
    if let Some(machine) = &facts.machine {
        host::add_machine(&mut found, machine, &facts.plan);
    }
    found.all
}

fn add_server(found: &mut Findings, case: Case<'_>) {
    let server = &case.report.server;
    let answers = format!("answers: {} {}", server.kind, server.version);
    found.add("reachable", [ok(answers)]);
    found.add("key", key(case.report));
    found.add("model", [model::model(case)]);
    if case.report.model.is_none() {
        return;
    }
    found.add("context", context(case));
    found.add("memory", memory::fits(case));
    found.add("placement", placement(case));
    found.add("other_models", other_models(case));
    found.add("gpu_users", gpu_users(case));
    found.add("generates", slots::generates(case));
    found.add("slots", slots::slots(case));
    found.add("options", options(case));
    found.add("state", state(case));
    found.add("keep_alive", case.report.keep_alive_s.map(keep_alive));
}

fn key(report: &ServerReport) -> Option<Finding> {
    let refused = report.probe.as_ref().is_some_and(|p| p.key_refused);
    let tried = report.probe.is_some();
    Some(match (refused, report.key_sent) {
        (true, true) => problem("rejects the key", "set TANDEM_API_KEY to a valid key"),
        (true, false) => problem("requires a key", "set TANDEM_API_KEY to it"),
        (false, true) if tried => ok("accepts the key in TANDEM_API_KEY, or needs none"),
        (false, true) => {
            ok("was sent the key in TANDEM_API_KEY; generation requests were not tried")
        }
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
        let what = format!("the context of a slot is {reported} tokens");
        warning(format!("{what}, the plan uses up to {wanted}"), todo)
    } else if let Some((wanted, trained)) = beyond(trained) {
        let todo = "the server reduces it: configurations above the limit measure the same";
        let what = format!("the model was trained for {trained} tokens");
        warning(format!("{what}, the plan uses up to {wanted}"), todo)
    } else if let Some(reported) = reported {
        ok(format!("the context of a slot is {reported} tokens"))
    } else {
        let named = wanted.map_or_else(String::new, |n| format!(", the plan uses up to {n}"));
        let trained = trained?;
        ok(format!("the model supports up to {trained} tokens{named}"))
    })
}

/// Checks that the whole model is on the GPU.
fn placement(case: Case<'_>) -> Option<Finding> {
    let loaded = case.report.loaded.as_ref()?;
    let (all, vram) = loaded.size_bytes.zip(loaded.size_vram_bytes)?;
    if all == 0 {
        return None;
    }
    let cpu = 100.0 * all.saturating_sub(vram) as f64 / all as f64;
    Some(if vram >= all {
        ok("the whole model is on the GPU")
    } else if vram > 0 {
        warning(
            format!("{cpu:.0} % of the model is on the CPU"),
            "lower num_ctx, free GPU memory, or take a smaller model; leave num_gpu out to let \
             the server decide",
        )
    } else if case.machine.is_some_and(|m| !m.gpus.is_empty()) {
        let what = "the whole model is on the CPU although this machine has a GPU";
        warning(what, "see the server's log for why it does not use the GPU")
    } else {
        note("the model runs on the CPU")
    })
}

fn other_models(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let own = report.model.as_ref().map(|m| m.name.as_str());
    let loaded = report.loaded_before.iter().flatten();
    let others: Vec<_> = loaded.filter(|m| Some(m.name.as_str()) != own).collect();
    let first = others.first().filter(|_| !report.server.holds_model())?;
    let first = &first.name;
    let in_words = |m: &&LoadedModel| {
        let bytes = m.size_bytes;
        let bytes = bytes.map_or_else(String::new, |b| format!(" ({})", size(b)));
        format!("{}{bytes}", m.name)
    };
    let names: Vec<_> = others.iter().map(in_words).collect();
    Some(warning(
        format!("has other models in memory: {}", names.join(", ")),
        format!("`ollama stop {first}`, and do not use it during the run"),
    ))
}

fn gpu_users(Case { machine, .. }: Case<'_>) -> impl Iterator<Item = Finding> {
    let gpus = machine.into_iter().flat_map(|m| &m.gpus);
    gpus.filter(|gpu| !gpu.others.is_empty()).map(|gpu| {
        let others = gpu.others.join("; ");
        let (index, name) = (gpu.index, &gpu.name);
        let what = format!("GPU {index} ({name}) is also used by {others}");
        warning(
            what,
            "stop them; otherwise every figure includes their load",
        )
    })
}

fn options(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let left_out = report.options_not_sent.join(", ");
    let what = format!("its API does not accept {left_out}: the server's own settings apply");
    let todo = "set them when starting the server, or remove them from the plan";
    (!left_out.is_empty()).then(|| note(what).todo(todo))
}

/// A plan that sets the model's state before each arm, on a server that cannot do that.
fn state(Case { report, plan, .. }: Case<'_>) -> Option<Finding> {
    let what = if report.server.holds_model() {
        "always keeps its model loaded: the state before each arm is `as left`"
    } else {
        "cannot load or unload a model on request: the state before each arm is `as left`"
    };
    (!report.loads_on_demand && plan.sets_state).then(|| note(what))
}

fn keep_alive(seconds: f64) -> Finding {
    if seconds == 0.0 {
        let what = "unloads the model after every request: every request waits for a load";
        warning(what, "start it without OLLAMA_KEEP_ALIVE=0")
    } else if seconds < 0.0 {
        ok("never unloads an idle model")
    } else if seconds < SHORT_KEEP_ALIVE_S {
        let what =
            format!("unloads an idle model after {seconds:.0} s, possibly between two requests");
        warning(what, "start it with a longer OLLAMA_KEEP_ALIVE")
    } else {
        let minutes = seconds / 60.0;
        ok(format!("unloads an idle model after {minutes:.0} min"))
    }
}

#[cfg(test)]
mod tests;
