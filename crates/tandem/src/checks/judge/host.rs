//! Findings about the plan and this machine.

use document::words::plural;

use super::{Finding, note, ok, problem, warning};
use crate::checks::facts::{ClockFacts, MachineFacts, PlanFacts};
use crate::checks::memory::size;
use crate::descriptors::{self, FileLimit};

/// Timer lateness above which the client starts requests visibly late.
const LATE_MS: f64 = 5.0;

/// Free space below which a sweep may fail, and below which that is possible.
const DISK_LEAST: u64 = 100_000_000;
const DISK_LITTLE: u64 = 1_000_000_000;

pub(super) fn of_plan(
    plan: &PlanFacts,
    endpoints: usize,
    loads: bool,
) -> impl Iterator<Item = Finding> {
    let reloads = (plan.reloading > 0 && loads).then(|| {
        let what = format!(
            "in {} of {} the agents differ in {}: a shared server reloads the model between their requests",
            plan.reloading,
            plural(plan.configs as u64, "configuration"),
            plan.reloading_options.join(", ")
        );
        let todo = "to avoid measuring reloads, give all agents the same values";
        note("reloads", what).todo(todo)
    });
    let short = (plan.servers > endpoints).then(|| {
        let (needs, named) = (plan.servers, endpoints);
        let what = format!(
            "the plan needs {needs} servers and --endpoint names {named}: a sweep would fail"
        );
        warning("endpoints", what, "give --endpoint once for each server")
    });
    reloads.into_iter().chain(short)
}

pub(super) fn of_machine(machine: &MachineFacts, plan: &PlanFacts) -> Vec<Finding> {
    let condition = |words: &String| warning("conditions", words, remedy(words));
    let mut all: Vec<_> = machine.warnings.iter().map(condition).collect();
    if all.is_empty() {
        all.push(ok("conditions", "load, governor and power supply are fine"));
    }
    all.extend(machine.clock.map(clock));
    all.extend(
        machine
            .files
            .map(|files| open_files(files, plan.agents as u64)),
    );
    all.extend(machine.disk_free_bytes.map(disk));
    all
}

fn clock(clock: ClockFacts) -> Finding {
    let what = format!(
        "clock resolution {} ns; a 1 ms timer is up to {:.1} ms late (p99)",
        clock.step_ns, clock.oversleep_p99_ms
    );
    if clock.oversleep_p99_ms > LATE_MS || clock.step_ns > 1_000_000 {
        let todo = "stop other work on this machine, or measure from an idle one";
        warning("clock", what, todo)
    } else {
        ok("clock", what)
    }
}

fn open_files(files: FileLimit, agents: u64) -> Finding {
    const CODE: &str = "files";
    let needed = agents + descriptors::BESIDE;
    let short = |limit: Option<u64>| limit.is_some_and(|limit| limit < needed);
    let any = || "any number of".to_owned();
    let soft = files.soft.map_or_else(any, |n| n.to_string());
    let what = format!("this process may open {soft} files");
    if !short(files.soft) {
        return ok(CODE, what);
    }
    let what = format!("{what}, {} need {needed}", plural(agents, "agent"));
    let todo = format!("`ulimit -n {needed}`");
    if short(files.hard) {
        problem(CODE, what, todo)
    } else {
        warning(CODE, what, todo)
    }
}

fn disk(free: u64) -> Finding {
    let what = format!("{} free in the results folder", size(free));
    let todo = "free some space, or choose another folder with --out";
    match free {
        ..DISK_LEAST => problem("disk", what, todo),
        DISK_LEAST..DISK_LITTLE => warning("disk", what, todo),
        DISK_LITTLE.. => ok("disk", what),
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
