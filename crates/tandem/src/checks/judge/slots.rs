//! Requests at the same time.

use document::words::plural;
use domain::backend::has_one_slot;

use super::{Case, Finding, note, ok, problem, warning};
use crate::checks::facts::{PlanFacts, There};
use crate::checks::slots::{Probe, Slots};

/// What the probe's requests showed, unless they were refused for want of a key.
fn probed(there: &There) -> Option<&Probe> {
    there.probe.as_ref().filter(|probe| !probe.key_refused)
}

/// Whether short requests are answered, and how fast.
pub(super) fn generates(Case { there, .. }: Case<'_>) -> Vec<Finding> {
    const CODE: &str = "generates";
    let Some(probe) = probed(there) else {
        return Vec::new();
    };
    let todo = "a sweep's requests would fail alike; look into the server's log";
    let failed = |failure| problem(CODE, format!("a short request failed: {failure}"), todo);
    let mut all: Vec<_> = probe.failures.iter().map(failed).collect();
    if let (true, Some(rate)) = (all.is_empty(), probe.solo_rate) {
        let what = format!("decodes {rate:.0} tokens/s for one request alone");
        all.push(ok(CODE, what));
    }
    all
}

pub(super) fn slots(Case { there, plan, .. }: Case<'_>) -> Vec<Finding> {
    const CODE: &str = "slots";
    let told = there.slots_told;
    if there.probe.is_none() {
        let says = |n| note(CODE, format!("says that it has {}", plural(n, "slot")));
        return told.map(says).into_iter().collect();
    }
    let Some(probe) = probed(there) else {
        return Vec::new();
    };
    let together = probe.together;
    let says = told.map_or_else(String::new, |n| format!(", and says {n}"));
    let mut all = vec![match &probe.slots {
        Slots::Exactly { n: 1 } => {
            let what = format!(
                "serial: {together} requests sent together were decoded one after another (1 slot{says})"
            );
            note(CODE, what).todo(more_slots(there, plan))
        }
        Slots::Exactly { n } => ok(
            CODE,
            format!(
                "{n} slots: of {together} requests sent together, {n} decoded side by side{says}"
            ),
        ),
        Slots::AtLeast { n } => ok(
            CODE,
            format!(
                "at least {n} slots: all {n} requests sent together decoded side by side{says}"
            ),
        ),
        Slots::Unknown { why } => {
            let told =
                told.map_or_else(String::new, |n| format!("; it says {}", plural(n, "slot")));
            let what = format!("how many requests it decodes at once cannot be told: {why}{told}");
            note(CODE, what)
        }
    }];
    let differs = |told: u64| match &probe.slots {
        // So many requests cannot fill more slots than they are.
        Slots::Exactly { n } => *n as u64 > told || (*n as u64) < told && together as u64 > told,
        Slots::AtLeast { n } => *n as u64 > told,
        Slots::Unknown { .. } => false,
    };
    if let Some(told) = told.filter(|told| differs(*told)) {
        let what = format!("it says {} and showed otherwise", plural(told, "slot"));
        let todo = "is somebody else using it? Let nobody, and ask again";
        all.push(warning(CODE, what, todo));
    }
    all
}

/// How agents that wait for one another can decode side by side.
fn more_slots(there: &There, plan: &PlanFacts) -> String {
    let agents = plan.agents.max(2);
    let simulated = there.server.is_simulator();
    let setting = there.server.slots_setting(agents as u64);
    let is_ollama = setting.as_ref().is_some_and(|s| s.starts_with("OLLAMA"));
    let architecture = there.architecture.as_ref().filter(|_| is_ollama);
    if let Some(family) = architecture.filter(|family| has_one_slot(family)) {
        return format!(
            "agents will wait for each other, and OLLAMA_NUM_PARALLEL does not change that: Ollama serves models of \
             the family {family} one request at a time; take another model, or a server for each agent"
        );
    }
    let start = match setting {
        Some(setting) if simulated => format!("use {setting}"),
        Some(setting) if is_ollama => format!(
            "start it with {setting} and ask again: of some model families Ollama serves one request at a time all \
             the same"
        ),
        Some(setting) => format!("start it with {setting}"),
        None => format!("let it serve {agents} requests at once"),
    };
    format!("agents will wait for each other; to let {agents} decode side by side, {start}")
}
