//! Findings about the plan and this machine.

use document::words::plural;
use itertools::Itertools as _;

use super::{Finding, finding};
use crate::checks::facts::{ClockFacts, Facts, MachineFacts, PlanFacts, ServerFacts};
use crate::checks::memory::size;
use crate::descriptors::{self, FileLimit};
use crate::target;

/// Timer lateness above which the client starts requests visibly late.
const LATE_MS: f64 = 5.0;

/// Free space below which a sweep may fail, and below which that is possible.
const DISK_LEAST: u64 = 100_000_000;
const DISK_LITTLE: u64 = 1_000_000_000;

pub(super) fn plan(Facts { plan, servers, .. }: &Facts) -> impl Iterator<Item = Finding> {
    let mut reports = servers.iter().filter_map(ServerFacts::report);
    let loads = reports.any(|report| report.loads_on_demand);
    let reloads = (plan.reloading > 0 && loads).then(|| {
        let configs = plural(plan.configs as u64, "configuration");
        let options = plan.reloading_options.join(", ");
        finding("reloads", &[&plan.reloading, &configs, &options])
    });
    let urls = servers.iter().map(|s| target::under_one_name(&s.url));
    let (needs, named) = (plan.servers, urls.unique().count());
    let endpoints = (needs > named).then(|| finding("endpoints", &[&needs, &named]));
    reloads.into_iter().chain(endpoints)
}

pub(super) fn machine(machine: &MachineFacts, plan: &PlanFacts) -> Vec<Finding> {
    let condition = |words: &String| finding("conditions.bad", &[words, &remedy(words)]);
    let mut all: Vec<_> = machine.warnings.iter().map(condition).collect();
    if all.is_empty() {
        all.push(finding("conditions", &[]));
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
    let is_late = clock.oversleep_p99_ms > LATE_MS || clock.step_ns > 1_000_000;
    let name = if is_late { "clock.late" } else { "clock" };
    let late_ms = clock.oversleep_p99_ms;
    finding(name, &[&clock.step_ns, &format_args!("{late_ms:.1}")])
}

fn open_files(files: FileLimit, agents: u64) -> Finding {
    let needed = agents + descriptors::RESERVED;
    let short = |limit: Option<u64>| limit.is_some_and(|limit| limit < needed);
    let any = || "any number of".to_owned();
    let soft = files.soft.map_or_else(any, |n| n.to_string());
    let name = match (short(files.soft), short(files.hard)) {
        (false, _) => "files",
        (true, false) => "files.soft_limit",
        (true, true) => "files.hard_limit",
    };
    finding(name, &[&soft, &plural(agents, "agent"), &needed])
}

fn disk(free: u64) -> Finding {
    let name = match free {
        ..DISK_LEAST => "disk.least",
        DISK_LEAST..DISK_LITTLE => "disk.little",
        DISK_LITTLE.. => "disk",
    };
    finding(name, &[&size(free)])
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
