//! Findings about concurrent requests.

use document::words::plural;
use domain::backend::has_one_slot;

use super::{Case, Finding, finding};
use crate::checks::facts::{PlanFacts, ServerReport};
use crate::checks::slots::{Probe, Slots};

/// The probe's results, unless its requests were rejected for lack of a key.
fn probed(report: &ServerReport) -> Option<&Probe> {
    report.probe.as_ref().filter(|probe| !probe.key_refused)
}

pub(super) fn generates(Case { report, .. }: Case<'_>) -> Vec<Finding> {
    let Some(probe) = probed(report) else {
        return Vec::new();
    };
    let failed = |failure: &String| finding("generates.failed", &[failure]);
    match probe.tokens_per_s_alone {
        Some(rate) if probe.failures.is_empty() => {
            vec![finding("generates", &[&format_args!("{rate:.0}")])]
        }
        _ => probe.failures.iter().map(failed).collect(),
    }
}

pub(super) fn slots(Case { report, plan, .. }: Case<'_>) -> Vec<Finding> {
    let reported = report.slots_reported;
    if report.probe.is_none() {
        let reports = |n: u64| finding("slots.reported", &[&plural(n, "slot")]);
        return reported.map(reports).into_iter().collect();
    }
    let Some(probe) = probed(report) else {
        return Vec::new();
    };
    let together = probe.together;
    let reports = reported.map_or_else(String::new, |n| format!(", and it reports {n}"));
    let mut all = vec![match &probe.slots {
        Slots::Exactly { n: 1 } => {
            let more = more_slots(report, plan);
            finding("slots.serial", &[&together, &reports, &more])
        }
        Slots::Exactly { n } => finding("slots.exactly", &[n, &together, &reports]),
        Slots::AtLeast { n } => finding("slots.at_least", &[n, &reports]),
        Slots::Unknown { why } => {
            let reports = |n| format!("; it reports {}", plural(n, "slot"));
            let reports = reported.map_or_else(String::new, reports);
            finding("slots.unknown", &[why, &reports])
        }
    }];
    let differs = |slots: u64| match &probe.slots {
        // The probe cannot fill more slots than it sends requests.
        Slots::Exactly { n } => *n as u64 > slots || (*n as u64) < slots && together as u64 > slots,
        Slots::AtLeast { n } => *n as u64 > slots,
        Slots::Unknown { .. } => false,
    };
    let contradicted = reported.filter(|reported| differs(*reported));
    let contradicted = contradicted.map(|n| finding("slots.contradicted", &[&plural(n, "slot")]));
    all.extend(contradicted);
    all
}

fn more_slots(report: &ServerReport, plan: &PlanFacts) -> String {
    let agents = plan.agents.max(2);
    let setting = report.server.slots_setting(agents as u64);
    let is_ollama = setting.as_ref().is_some_and(|s| s.starts_with("OLLAMA"));
    let architecture = report.architecture.as_ref().filter(|_| is_ollama);
    if let Some(family) = architecture.filter(|family| has_one_slot(family)) {
        return format!(
            "agents will wait for each other at any OLLAMA_NUM_PARALLEL: Ollama serves models of the \
             family {family} one request at a time; use another model, or a server for each agent"
        );
    }
    let start = match setting {
        Some(setting) if report.server.is_simulator() => format!("use {setting}"),
        Some(setting) if is_ollama => format!(
            "start it with {setting} and check again: Ollama serves some model families one request at a time \
             regardless"
        ),
        Some(setting) => format!("start it with {setting}"),
        None => format!("let it serve {agents} requests at once"),
    };
    format!("agents will wait for each other; to let {agents} decode at the same time, {start}")
}
