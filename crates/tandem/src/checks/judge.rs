//! Turns facts into findings, without I/O.

mod host;
mod memory;
mod model;
mod slots;

use std::fmt::Display;

use document::words::fill;
use domain::backend::LoadedModel;
use itertools::Itertools as _;
use serde::Serialize;

use super::facts::{Facts, MachineFacts, PlanFacts, ServerReport, ServerState};
use super::memory::size;
use crate::target::Absence;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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

/// The findings in words, one a line: the code, a name among those of that code, the level, what was found, and after `->`
/// what to do about it. `{0}` stands for the first value.
const FINDINGS: &str = include_str!("judge/findings.txt");

/// A finding of `findings.txt` by its code and name, such as `context.slot`, with its values.
fn finding(name: &str, values: &[&dyn Display]) -> Finding {
    let mut rows = FINDINGS.lines().filter_map(|row| row.split_once(' '));
    let row = rows.find(|(known, _)| *known == name);
    let (name, row) = row.expect("findings.txt has every finding");
    let (level, words) = row.split_once(": ").unwrap_or_default();
    let value = |place: &str| values[place.parse::<usize>().unwrap_or_default()].to_string();
    let (what, todo) = words.split_once(" -> ").unwrap_or((words, ""));
    Finding {
        level: level.parse().unwrap_or(Level::Problem),
        code: name.split('.').next().unwrap_or_default(),
        server: None,
        what: fill(what, value),
        todo: Some(fill(todo, value)).filter(|todo| !todo.is_empty()),
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
    let mut all = Vec::new();
    for (place, server) in facts.servers.iter().enumerate() {
        let found = match &server.state {
            ServerState::Absent { why, message, hint } => {
                let is_key = *why == Absence::Key;
                vec![Finding {
                    level: Level::Problem,
                    code: if is_key { "key" } else { "reachable" },
                    server: None,
                    what: message.clone(),
                    todo: hint.clone(),
                }]
            }
            ServerState::Answers(report) => {
                // Simulated devices are not this machine's.
                let local = server.local && !report.server.is_simulator();
                judge_server(Case {
                    report,
                    plan: &facts.plan,
                    machine: facts.machine.as_ref().filter(|_| local),
                })
            }
        };
        let server = Some(place);
        all.extend(found.into_iter().map(|found| Finding { server, ..found }));
    }
    all.extend(host::plan(facts));
    all.extend(memory::together(facts));
    let machine = facts.machine.iter();
    all.extend(machine.flat_map(|machine| host::machine(machine, &facts.plan)));
    all
}

fn judge_server(case: Case<'_>) -> Vec<Finding> {
    let Case { report, .. } = case;
    let server = &report.server;
    let mut all = vec![finding("reachable", &[&server.kind, &server.version])];
    all.extend(key(report));
    all.push(model::model(case));
    if report.model.is_none() {
        return all;
    }
    all.extend(context(case));
    all.extend(memory::fits(case));
    all.extend(placement(case));
    all.extend(other_models(case));
    all.extend(gpu_users(case));
    all.extend(slots::generates(case));
    all.extend(slots::slots(case));
    all.extend(options(case));
    all.extend(state(case));
    all.extend(report.keep_alive_s.map(keep_alive));
    all
}

fn key(report: &ServerReport) -> Option<Finding> {
    let refused = report.probe.as_ref().is_some_and(|p| p.key_refused);
    let tried = report.probe.is_some();
    let name = match (refused, report.key_sent) {
        (true, true) => "key.rejected",
        (true, false) => "key.required",
        (false, true) if tried => "key.accepted",
        (false, true) => "key.sent",
        (false, false) => return None,
    };
    Some(finding(name, &[]))
}

fn context(Case { report, plan, .. }: Case<'_>) -> Option<Finding> {
    let wanted = plan.largest_named_context;
    let reported = report.context_reported;
    let trained = report.shape.as_ref().and_then(|shape| shape.context);
    let beyond = |most: Option<u64>| wanted.zip(most).filter(|(wanted, most)| wanted > most);
    Some(if let Some((wanted, reported)) = beyond(reported) {
        finding("context.beyond_slot", &[&reported, &wanted])
    } else if let Some((wanted, trained)) = beyond(trained) {
        finding("context.beyond_training", &[&trained, &wanted])
    } else if let Some(reported) = reported {
        finding("context.slot", &[&reported])
    } else {
        let named = wanted.map_or_else(String::new, |n| format!(", the plan uses up to {n}"));
        finding("context.training", &[&trained?, &named])
    })
}

/// Checks that the whole model is on the GPU.
fn placement(case: Case<'_>) -> Option<Finding> {
    let loaded = case.report.loaded.as_ref()?;
    let (all, vram) = loaded.size_bytes.zip(loaded.size_vram_bytes)?;
    if all == 0 {
        return None;
    }
    Some(if vram >= all {
        finding("placement.gpu", &[])
    } else if vram > 0 {
        let cpu = 100.0 * (all - vram) as f64 / all as f64;
        finding("placement.partly", &[&format_args!("{cpu:.0}")])
    } else if case.machine.is_some_and(|m| !m.gpus.is_empty()) {
        finding("placement.cpu_beside_gpu", &[])
    } else {
        finding("placement.cpu", &[])
    })
}

fn other_models(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let own = report.model.as_ref().map(|m| m.name.as_str());
    let loaded = report.loaded_before.iter().flatten();
    let others: Vec<_> = loaded.filter(|m| Some(m.name.as_str()) != own).collect();
    let first = others.first().filter(|_| !report.server.holds_model())?;
    let in_words = |m: &&LoadedModel| {
        let bytes = m.size_bytes;
        let bytes = bytes.map_or_else(String::new, |b| format!(" ({})", size(b)));
        format!("{}{bytes}", m.name)
    };
    let names = others.iter().map(in_words).join(", ");
    Some(finding("other_models", &[&names, &first.name]))
}

fn gpu_users(Case { machine, .. }: Case<'_>) -> impl Iterator<Item = Finding> {
    let gpus = machine.into_iter().flat_map(|m| &m.gpus);
    gpus.filter(|gpu| !gpu.others.is_empty()).map(|gpu| {
        let others = gpu.others.join("; ");
        finding("gpu_users", &[&gpu.index, &gpu.name, &others])
    })
}

fn options(Case { report, .. }: Case<'_>) -> Option<Finding> {
    let left_out = report.options_not_sent.join(", ");
    (!left_out.is_empty()).then(|| finding("options", &[&left_out]))
}

/// A plan that sets the model's state before each arm, on a server that cannot do that.
fn state(Case { report, plan, .. }: Case<'_>) -> Option<Finding> {
    let is_held = report.server.holds_model();
    let name = if is_held { "state.held" } else { "state.fixed" };
    (!report.loads_on_demand && plan.sets_state).then(|| finding(name, &[]))
}

fn keep_alive(seconds: f64) -> Finding {
    if seconds == 0.0 {
        finding("keep_alive.none", &[])
    } else if seconds < 0.0 {
        finding("keep_alive.endless", &[])
    } else if seconds < SHORT_KEEP_ALIVE_S {
        finding("keep_alive.short", &[&format_args!("{seconds:.0}")])
    } else {
        let minutes = seconds / 60.0;
        finding("keep_alive", &[&format_args!("{minutes:.0}")])
    }
}

#[cfg(test)]
mod tests;
