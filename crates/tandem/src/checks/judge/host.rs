//! Findings about the plan and this machine.

use std::collections::BTreeSet;

use document::words::plural;

use super::{Finding, Findings, note, ok, problem, warning};
use crate::checks::facts::{ClockFacts, Facts, MachineFacts, PlanFacts, ServerFacts, ServerState};
use crate::checks::memory::size;
use crate::descriptors::{self, FileLimit};
use crate::target;

/// Timer lateness above which the client starts requests visibly late.
const LATE_MS: f64 = 5.0;

/// Free space below which a sweep may fail, and below which that is possible.
const DISK_LEAST: u64 = 100_000_000;
const DISK_LITTLE: u64 = 1_000_000_000;

pub(super) fn add_plan(found: &mut Findings, Facts { plan, servers, .. }: &Facts) {
    let loads = |server: &ServerFacts| matches!(&server.state, ServerState::Answers(report) if report.loads_on_demand);
    let reloads = plan.reloading > 0 && servers.iter().any(loads);
    let what = format!(
        "in {} of {} the agents differ in {}: a shared server reloads the model between their requests",
        plan.reloading,
        plural(plan.configs as u64, "configuration"),
        plan.reloading_options.join(", ")
    );
    let todo = "to avoid measuring reloads, give all agents the same values";
    found.add("reloads", reloads.then(|| note(what).todo(todo)));

    let urls = servers.iter().map(|s| target::under_one_name(&s.url));
    let (needs, named) = (plan.servers, urls.collect::<BTreeSet<_>>().len());
    let what =
        format!("the plan needs {needs} servers and --endpoint names {named}: a sweep would fail");
    let todo = "give --endpoint once for each server";
    found.add("endpoints", (needs > named).then(|| warning(what, todo)));
}

pub(super) fn add_machine(found: &mut Findings, machine: &MachineFacts, plan: &PlanFacts) {
    let condition = |words: &String| warning(words, remedy(words));
    found.add("conditions", machine.warnings.iter().map(condition));
    let fine = ok("load, governor and power supply are fine");
    found.add("conditions", machine.warnings.is_empty().then_some(fine));
    found.add("clock", machine.clock.map(clock));
    let agents = plan.agents as u64;
    let files = machine.files.map(|files| open_files(files, agents));
    found.add("files", files);
    found.add("disk", machine.disk_free_bytes.map(disk));
}

fn clock(clock: ClockFacts) -> Finding {
    let what = format!(
        "clock resolution {} ns; a 1 ms timer is up to {:.1} ms late (p99)",
        clock.step_ns, clock.oversleep_p99_ms
    );
    if clock.oversleep_p99_ms > LATE_MS || clock.step_ns > 1_000_000 {
        let todo = "stop other work on this machine, or measure from an idle one";
        warning(what, todo)
    } else {
        ok(what)
    }
}

fn open_files(files: FileLimit, agents: u64) -> Finding {
    let needed = agents + descriptors::RESERVED;
    let short = |limit: Option<u64>| limit.is_some_and(|limit| limit < needed);
    let any = || "any number of".to_owned();
    let soft = files.soft.map_or_else(any, |n| n.to_string());
    let what = format!("this process may open {soft} files");
    if !short(files.soft) {
        return ok(what);
    }
    let what = format!("{what}, {} need {needed}", plural(agents, "agent"));
    let report = if short(files.hard) { problem } else { warning };
    report(what, format!("`ulimit -n {needed}`"))
}

fn disk(free: u64) -> Finding {
    let what = format!("{} free in the results folder", size(free));
    let todo = "free some space, or choose another folder with --out";
    match free {
        ..DISK_LEAST => problem(what, todo),
        DISK_LEAST..DISK_LITTLE => warning(what, todo),
        DISK_LITTLE.. => ok(what),
    }
}

fn remedy(warning: &str) -> &'static str {
    if warning.contains("governor") {
        "`cpupower frequency-set --governor performance`"
    } else if warning.contains("battery") {
        "plug it in"
    } else if warning.contains("load") {
        "wait until it ends; otherwise durations include its load"
    } else {
        "change it; otherwise it affects every figure"
    }
}
