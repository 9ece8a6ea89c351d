//! Findings about the memory of models.

use document::words::plural;

use super::{Case, Finding, note, ok, problem, warning};
use crate::checks::facts::{Facts, MachineFacts, ServerReport, ServerState};
use crate::checks::memory::{Need, size};

/// Share of a device's memory that Ollama fills before it keeps layers on the CPU.
const GPU_SHARE: f64 = 0.8;

/// Compares the memory of the largest configuration with the device's memory, or the host's.
pub(super) fn fits(case: Case<'_>) -> Option<Finding> {
    let Case {
        report, machine, ..
    } = case;
    if report.server.holds_model() {
        let what = "the model and the cache of all slots are in memory already";
        return Some(ok(what));
    }
    let Some((bytes, how)) = needed(report) else {
        let what = "memory cannot be estimated: the server does not report the model's dimensions";
        return report.loads_on_demand.then(|| note(what));
    };
    let needs = format!("needs {} ({how})", size(bytes));
    let Some(machine) = machine else {
        let whose = if report.server.is_simulator() {
            "the simulated device decides whether it fits"
        } else {
            "the server is on another machine, whose memory is unknown"
        };
        return Some(note(format!("{needs}; {whose}")));
    };
    let gpu = gpu_memory(machine);
    if gpu > 0 {
        let gpu_size = size(gpu);
        return Some(if bytes as f64 <= gpu as f64 * GPU_SHARE {
            ok(format!("{needs} of {gpu_size} on the GPU"))
        } else {
            let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, or take a smaller model";
            let what =
                format!("{needs}, the GPU has {gpu_size}: part of the model will run on the CPU");
            warning(what, todo)
        });
    }
    let loaded = report.loaded.as_ref();
    if loaded.is_some_and(|loaded| loaded.size_vram_bytes.is_some_and(|bytes| bytes > 0)) {
        let what = "the memory of the server's GPU cannot be read here";
        return Some(note(format!("{needs}; {what}")));
    }
    // The memory of loaded models is available to this one.
    let loaded = report.loaded_before.iter().flatten();
    let held: u64 = loaded.filter_map(|m| m.size_bytes).sum();
    let Some(free) = machine.memory_free_bytes.map(|free| free + held) else {
        let what = "free memory is unknown on this system";
        return Some(note(format!("{needs}; {what}")));
    };
    let free_size = size(free);
    Some(if bytes <= free {
        let what = "of host memory are free, and no GPU was found";
        ok(format!("{needs}; {free_size} {what}"))
    } else {
        let what = format!("{needs}, only {free_size} of host memory are free");
        let todo = "lower num_ctx or OLLAMA_NUM_PARALLEL, take a smaller model, or free memory";
        problem(what, todo)
    })
}

/// Compares the total memory of the plan's local servers with the GPU: each may fit alone but not together.
pub(super) fn together(facts: &Facts) -> Option<Finding> {
    let gpu = gpu_memory(facts.machine.as_ref()?);
    let used = facts.servers.iter().take(facts.plan.servers);
    let local: Vec<_> = used.filter(|server| server.local).collect();
    let needs = local.iter().filter_map(|server| match &server.state {
        ServerState::Answers(report) => Some(needed(report)?.0),
        ServerState::Absent { .. } => None,
    });
    let needs: Vec<u64> = needs.collect();
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
        let what = what + ": part of a model will run on the CPU";
        return Some(warning(what, todo));
    }
    (needs.len() == local.len()).then(|| ok(what))
}

fn gpu_memory(machine: &MachineFacts) -> u64 {
    let gpus = machine.gpus.iter();
    gpus.filter_map(|gpu| gpu.memory_total_bytes).sum()
}

/// Memory of the largest configuration, bytes, and its source.
fn needed(report: &ServerReport) -> Option<(u64, String)> {
    if let Some(loaded) = &report.loaded
        && let Some(bytes) = loaded.size_bytes
    {
        let context = loaded.context_length;
        let context = context.map_or_else(String::new, |n| format!(", context {n}"));
        return Some((bytes, format!("as the server reports it{context}")));
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
