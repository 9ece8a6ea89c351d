//! Findings about the memory of models.

use document::words::plural;
use itertools::Itertools as _;

use super::{Case, Finding, finding};
use crate::checks::facts::{Facts, MachineFacts, ServerReport};
use crate::checks::memory::{Need, size};

/// Share of a device's memory that Ollama fills before it keeps layers on the CPU.
const GPU_SHARE: f64 = 0.8;

/// Compares the memory of the largest configuration with the device's memory, or the host's.
pub(super) fn fits(case: Case<'_>) -> Option<Finding> {
    let Case {
        report, machine, ..
    } = case;
    if report.server.holds_model() {
        return Some(finding("memory.held", &[]));
    }
    let Some((bytes, how)) = needed(report) else {
        let loads = report.loads_on_demand;
        return loads.then(|| finding("memory.unknown", &[]));
    };
    let needs = format!("{} ({how})", size(bytes));
    let Some(machine) = machine else {
        let is_simulator = report.server.is_simulator();
        let name = if is_simulator {
            "memory.simulated"
        } else {
            "memory.elsewhere"
        };
        return Some(finding(name, &[&needs]));
    };
    let gpu = gpu_memory(machine);
    if gpu > 0 {
        let fits = bytes as f64 <= gpu as f64 * GPU_SHARE;
        let name = if fits {
            "memory.gpu"
        } else {
            "memory.beyond_gpu"
        };
        return Some(finding(name, &[&needs, &size(gpu)]));
    }
    let loaded = report.loaded.as_ref();
    if loaded.is_some_and(|loaded| loaded.size_vram_bytes.is_some_and(|bytes| bytes > 0)) {
        return Some(finding("memory.gpu_unknown", &[&needs]));
    }
    // The memory of loaded models is available to this one.
    let loaded = report.loaded_before.iter().flatten();
    let held: u64 = loaded.filter_map(|m| m.size_bytes).sum();
    let Some(free) = machine.memory_free_bytes.map(|free| free + held) else {
        return Some(finding("memory.host_unknown", &[&needs]));
    };
    let name = if bytes <= free {
        "memory.host"
    } else {
        "memory.beyond_host"
    };
    Some(finding(name, &[&needs, &size(free)]))
}

/// Compares the total memory of the plan's local servers with the GPU: each may fit alone but not together.
pub(super) fn together(facts: &Facts) -> Option<Finding> {
    let gpu = gpu_memory(facts.machine.as_ref()?);
    let used = facts.servers.iter().take(facts.plan.servers);
    let local: Vec<_> = used.filter(|server| server.local).collect();
    let needs = local.iter().filter_map(|server| needed(server.report()?));
    let needs: Vec<u64> = needs.map(|(bytes, _)| bytes).collect();
    let total: u64 = needs.iter().sum();
    let is_beyond = total as f64 > gpu as f64 * GPU_SHARE;
    if gpu == 0 || needs.len() < 2 || !is_beyond && needs.len() < local.len() {
        return None;
    }
    let name = if is_beyond {
        "memory_together.beyond"
    } else {
        "memory_together"
    };
    let each = needs.iter().map(|bytes| size(*bytes)).join(" + ");
    Some(finding(
        name,
        &[&needs.len(), &size(total), &each, &size(gpu)],
    ))
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
