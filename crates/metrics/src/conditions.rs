//! Conditions that spoil a benchmark, as far as records show them.

use std::collections::{BTreeMap, BTreeSet};

use domain::Stamp;
use domain::record::Provenance;
use domain::telemetry::Sample;
use serde::Serialize;

use crate::arms::ArmTimes;
use crate::observation::Dataset;
use crate::spans::Spans;
use crate::throttle::{is_thermal_or_power, throttled_intervals};

/// The CPU counts as full from here on, percent over all cores.
const CPU_FULL: f64 = 90.0;
/// A CPU that is full for less of the time than this spoils little, share.
const CPU_FULL_OFTEN: f64 = 0.05;
/// Swap that grows by less than this is the system's own housekeeping, bytes.
const SWAP_GROWTH: u64 = 64 << 20;
/// Processes named one by one; the others are counted.
const MOST_NAMED: usize = 3;

/// One condition, in words for a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What kind: `machine` (as the environment warned before the start), `throttled`,
    /// `gpu_shared`, `cpu_full`, `swapping`.
    pub kind: &'static str,
    /// What was seen, and what it does to the figures.
    pub sentence: String,
}

/// What was wrong with the machine while a real server was measured: what the environment warned
/// of before the start, and what telemetry saw while arms ran. Empty for simulated time, which a
/// busy machine cannot change, and for imported data, which know no machine.
pub fn conditions(data: &Dataset) -> Vec<Condition> {
    if data.provenance != Provenance::Measured {
        return Vec::new();
    }
    let warnings = data.environment.iter().flat_map(|e| &e.warnings);
    let mut all: Vec<Condition> = warnings
        .map(|warning| Condition {
            kind: "machine",
            sentence: warning.clone(),
        })
        .collect();
    let arms = Arms::of(data);
    let seen = [
        throttled(&data.telemetry, &arms),
        gpu_shared(&data.telemetry),
        cpu_full(data, &arms),
        swapping(&data.telemetry),
    ];
    all.extend(seen.into_iter().flatten());
    all
}

/// When arms ran.
struct Arms {
    spans: Spans,
    seconds: f64,
}

impl Arms {
    fn of(data: &Dataset) -> Self {
        let arms = data
            .runs
            .iter()
            .flat_map(|run| [&run.together, &run.sequential]);
        let times = arms.flatten().filter_map(ArmTimes::clocked);
        let spans = Spans::union(times.map(|arm| (arm.begin, arm.begin + arm.wall)));
        Self {
            seconds: spans.within(Stamp::ZERO, Stamp(u64::MAX)) as f64 / 1e9,
            spans,
        }
    }

    fn holds(&self, at: Stamp) -> bool {
        self.spans.within(at, Stamp(at.0.saturating_add(1))) > 0
    }

    /// The samples taken while arms ran.
    fn samples<'a>(&self, samples: &'a [Sample]) -> impl Iterator<Item = &'a Sample> {
        samples.iter().filter(|sample| self.holds(sample.at))
    }
}

fn throttled(samples: &[Sample], arms: &Arms) -> Option<Condition> {
    let spans = throttled_intervals(samples);
    let seconds = spans
        .iter()
        .map(|(from, to)| arms.spans.within(*from, *to) as f64 / 1e9)
        .sum::<f64>();
    if seconds <= 0.0 || arms.seconds <= 0.0 {
        return None;
    }
    let reasons: BTreeSet<&str> = arms
        .samples(samples)
        .flat_map(|s| &s.gpus)
        .flat_map(|gpu| &gpu.throttle_reasons)
        .map(String::as_str)
        .filter(|reason| is_thermal_or_power(reason))
        .collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    Some(Condition {
        kind: "throttled",
        sentence: format!(
            "GPU throttled: heat or power held its clocks down for {seconds:.1} s of {:.1} s \
             measured ({:.0} %): {}",
            arms.seconds,
            100.0 * seconds / arms.seconds,
            reasons.join(", ")
        ),
    })
}

/// Other processes on the devices. Without a known server nobody can be told from it.
fn gpu_shared(samples: &[Sample]) -> Option<Condition> {
    if samples.iter().all(|sample| sample.servers.is_empty()) {
        return None;
    }
    let mut others: BTreeMap<u32, (Option<&str>, Option<u64>)> = BTreeMap::new();
    let processes = samples
        .iter()
        .flat_map(|s| &s.gpus)
        .flat_map(|g| &g.processes);
    for process in processes.filter(|p| p.server.is_none()) {
        let (name, most) = others.entry(process.pid).or_default();
        *name = name.or(process.name.as_deref());
        *most = (*most).max(process.memory_bytes);
    }
    let mut others: Vec<_> = others.into_iter().collect();
    others.sort_by_key(|(pid, (_, most))| (std::cmp::Reverse(*most), *pid));
    let named: Vec<String> = others
        .iter()
        .take(MOST_NAMED)
        .map(|(pid, (name, most))| {
            let name = name.unwrap_or("name not visible here");
            let most = most.map_or_else(
                || "memory unknown".to_owned(),
                |bytes| format!("up to {} MiB", bytes >> 20),
            );
            format!("pid {pid} ({name}), {most}")
        })
        .collect();
    if named.is_empty() {
        return None;
    }
    let more = others.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    let who = if others.len() == 1 {
        "another process uses the GPU"
    } else {
        "other processes use the GPU"
    };
    Some(Condition {
        kind: "gpu_shared",
        sentence: format!("{who}: {}{more}", named.join("; ")),
    })
}

/// A full CPU on which client and server get into each other's way, or other work into theirs.
fn cpu_full(data: &Dataset, arms: &Arms) -> Option<Condition> {
    let cpu: Vec<f64> = arms
        .samples(&data.telemetry)
        .filter_map(|s| Some(s.host.as_ref()?.cpu_percent))
        .collect();
    let full = cpu.iter().filter(|percent| **percent >= CPU_FULL).count();
    let share = full as f64 / cpu.len().max(1) as f64;
    if share < CPU_FULL_OFTEN {
        return None;
    }
    let facts = data.environment.as_ref().map(|e| &e.facts);
    let shared = facts.is_some_and(|facts| {
        let mut keys = facts.keys();
        keys.any(|key| key.starts_with("server_") && key.ends_with("_cores_shared"))
    });
    let what = if shared {
        "the server's CPU shares cores with the client, and they were"
    } else {
        "this machine's CPU was"
    };
    Some(Condition {
        kind: "cpu_full",
        sentence: format!(
            "{what} full (at {CPU_FULL:.0} % or more) in {:.0} % of the samples while arms ran: \
             the client's stamps may be late",
            100.0 * share
        ),
    })
}

fn swapping(samples: &[Sample]) -> Option<Condition> {
    let used = || {
        let hosts = samples.iter().filter_map(|s| s.host.as_ref());
        hosts.filter_map(|host| host.swap_used_bytes)
    };
    let grown = used().max()?.saturating_sub(used().next()?);
    (grown >= SWAP_GROWTH).then(|| Condition {
        kind: "swapping",
        sentence: format!(
            "swap in use grew by {:.1} GB while this ran: memory was short",
            grown as f64 / 1e9
        ),
    })
}

#[cfg(test)]
mod tests;
