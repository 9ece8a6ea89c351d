//! What the plan and this machine mean.

use document::words::plural;

use super::{Findings, Level};
use crate::checks::facts::{MachineFacts, PlanFacts};
use crate::checks::memory::size;

/// Later than this and the client starts requests visibly late.
const LATE_MS: f64 = 5.0;

/// Free space below which a sweep may not end.
const DISK_LEAST: u64 = 100_000_000;
const DISK_LITTLE: u64 = 1_000_000_000;

/// Files beside the agents' connections: records, telemetry, the runtime's own.
const FILES_BESIDE: u64 = 64;

pub(super) fn of_plan(findings: &mut Findings, plan: &PlanFacts, endpoints: usize, loads: bool) {
    if plan.reloading > 0 && loads {
        findings
            .note("reloads",
                format!(
                    "in {} of {} the agents differ in {}: a server that they share reloads the model between them",
                    plan.reloading,
                    plural(plan.configs as u64, "configuration"),
                    plan.reloading_options.join(", ")
                ),
            )
            .todo("if that is not what you want to measure, give all agents the same");
    }
    if plan.servers > endpoints && endpoints == 1 {
        findings
            .warning(
                "endpoints",
                format!(
                    "the plan has a server for each of {} agents, and one is named",
                    plan.servers
                ),
            )
            .todo("give --endpoint once for each");
    }
}

pub(super) fn of_machine(findings: &mut Findings, machine: &MachineFacts, plan: &PlanFacts) {
    for warning in &machine.warnings {
        let (what, todo) = remedy(warning);
        findings.warning("conditions", what).todo(todo);
    }
    if machine.warnings.is_empty() {
        findings.ok(
            "conditions",
            "nothing seen that spoils a benchmark: load, governor, power",
        );
    }
    if let Some(clock) = machine.clock {
        let what = format!(
            "the clock tells {} ns apart; a 1 ms timer rings up to {:.1} ms late (99 %)",
            clock.step_ns, clock.oversleep_p99_ms
        );
        if clock.oversleep_p99_ms > LATE_MS || clock.step_ns > 1_000_000 {
            findings
                .warning("clock", what)
                .todo("end other work on this machine, or measure from a quieter one");
        } else {
            findings.ok("clock", what);
        }
    }
    if let Some(files) = machine.files {
        let needed = plan.agents as u64 + FILES_BESIDE;
        let short = |limit: Option<u64>| limit.is_some_and(|limit| limit < needed);
        if short(files.soft) {
            let level = if short(files.hard) {
                Level::Problem
            } else {
                Level::Warning
            };
            let soft = files.soft.unwrap_or_default();
            findings
                .add(
                    level,
                    "files",
                    format!(
                        "this process may open {soft} files, {} need {needed}",
                        plural(plan.agents as u64, "agent")
                    ),
                )
                .todo(format!("`ulimit -n {needed}`"));
        } else {
            let soft = files
                .soft
                .map_or_else(|| "any number of".to_owned(), |n| n.to_string());
            findings.ok("files", format!("this process may open {soft} files"));
        }
    }
    if let Some(free) = machine.disk_free_bytes {
        let what = format!("{} free where results go", size(free));
        if free < DISK_LEAST {
            findings
                .problem("disk", what)
                .todo("free some, or name another place with --out");
        } else if free < DISK_LITTLE {
            findings
                .warning("disk", what)
                .todo("free some, or name another place with --out");
        } else {
            findings.ok("disk", what);
        }
    }
}

/// What to do about a condition that telemetry put into words.
fn remedy(warning: &str) -> (String, &'static str) {
    let todo = if warning.contains("governor") {
        "`cpupower frequency-set --governor performance`"
    } else if warning.contains("battery") {
        "plug it in"
    } else if warning.contains("load") {
        "wait until it has ended: durations would hold its share"
    } else {
        "change it, or know that it is in every figure"
    };
    (warning.to_owned(), todo)
}
