//! Conditions that spoil a benchmark, as far as records show them. `document` puts them in words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use domain::Stamp;
use domain::record::Provenance;
use domain::telemetry::{GpuProcess, Sample};
use itertools::Itertools as _;

use crate::arms::ArmTimes;
use crate::observation::{Dataset, RunObservation};
use crate::spans::Spans;
use crate::stats::mean;
use crate::throttle::{is_thermal_or_power, throttled_intervals};

/// The CPU counts as full from here on, percent over all cores.
pub const CPU_FULL: f64 = 90.0;
/// A CPU that is full for less of the time than this spoils little, share.
const CPU_FULL_OFTEN: f64 = 0.05;
/// Swap that grows by less than this is the system's own housekeeping, bytes.
const SWAP_GROWTH: u64 = 64 << 20;

/// A condition that spoils a benchmark.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Condition {
    /// What the environment warned of before the start, in its words.
    Machine(String),
    /// Heat or power held the clocks of a GPU down while arms ran.
    Throttled {
        /// How long.
        throttled_s: f64,
        /// How long arms ran in all.
        measured_s: f64,
        /// The devices' reasons, each once.
        reasons: Vec<String>,
    },
    /// Processes other than the servers use the GPU; each with the most memory seen, the largest first.
    GpuShared(Vec<GpuProcess>),
    CpuFull {
        /// In which share of the samples, 0 to 1.
        share: f64,
        /// A server's process shares cores with the client.
        shared_cores: bool,
    },
    /// Bytes by which swap in use grew.
    Swapping(u64),
}

/// What was wrong with the machine while servers answered in real time: what the environment warned
/// of before the start, and what telemetry saw while arms ran. Empty for simulated time, which a
/// busy machine cannot change, and for imported data, which know no machine.
pub fn conditions(data: &Dataset) -> Vec<Condition> {
    let mut headers = data.manifest.iter().map(|m| &m.header);
    let in_real_time = match data.provenance {
        Provenance::Measured => true,
        Provenance::Simulated => headers.any(|header| !header.is_in_simulated_time()),
        Provenance::Imported => false,
    };
    if !in_real_time {
        return Vec::new();
    }
    let warnings = data.environment.iter().flat_map(|e| &e.warnings);
    let arms = Arms::of(data);
    let seen = [
        throttled(&data.telemetry, &arms),
        gpu_shared(&data.telemetry),
        cpu_full(data, &arms),
        swapping(&data.telemetry),
    ];
    let warned = warnings.cloned().map(Condition::Machine);
    warned.chain(seen.into_iter().flatten()).collect()
}

/// When arms ran.
struct Arms(Spans);

impl Arms {
    fn of(data: &Dataset) -> Self {
        let arms = data.runs.iter().flat_map(RunObservation::arms);
        let times = arms.filter_map(ArmTimes::clocked);
        Self(Spans::union(
            times.map(|arm| (arm.begin, arm.begin + arm.wall)),
        ))
    }

    /// The samples taken while arms ran.
    fn samples<'a>(&self, samples: &'a [Sample]) -> impl Iterator<Item = &'a Sample> {
        let holds = |at: Stamp| self.0.within(at, Stamp(at.0.saturating_add(1))) > 0;
        samples.iter().filter(move |sample| holds(sample.at))
    }
}

fn throttled(samples: &[Sample], arms: &Arms) -> Option<Condition> {
    let spans = throttled_intervals(samples).into_iter();
    let seconds = spans.map(|(from, to)| arms.0.within(from, to) as f64 / 1e9);
    let (seconds, measured) = (seconds.sum::<f64>(), arms.0.total() as f64 / 1e9);
    if seconds <= 0.0 || measured <= 0.0 {
        return None;
    }
    let gpus = arms.samples(samples).flat_map(|s| &s.gpus);
    let reasons = gpus.flat_map(|gpu| &gpu.throttle_reasons);
    let reasons = reasons.filter(|reason| is_thermal_or_power(reason));
    Some(Condition::Throttled {
        throttled_s: seconds,
        measured_s: measured,
        reasons: reasons.unique().cloned().sorted().collect(),
    })
}

/// Other processes on the devices. Without a known server no process can be distinguished from it.
fn gpu_shared(samples: &[Sample]) -> Option<Condition> {
    if samples.iter().all(|sample| sample.servers.is_empty()) {
        return None;
    }
    let mut others: BTreeMap<u32, GpuProcess> = BTreeMap::new();
    let gpus = samples.iter().flat_map(|s| &s.gpus);
    for process in gpus.flat_map(|g| &g.processes) {
        if process.server.is_none() {
            let other = others.entry(process.pid).or_insert_with(|| process.clone());
            other.name = other.name.take().or_else(|| process.name.clone());
            other.memory_bytes = other.memory_bytes.max(process.memory_bytes);
        }
    }
    let largest_first = |process: &GpuProcess| (Reverse(process.memory_bytes), process.pid);
    let others = others.into_values().sorted_by_key(largest_first);
    let others = others.collect_vec();
    (!others.is_empty()).then_some(Condition::GpuShared(others))
}

/// A full CPU on which client and server get into each other's way, or other work into theirs.
fn cpu_full(data: &Dataset, arms: &Arms) -> Option<Condition> {
    let hosts = arms
        .samples(&data.telemetry)
        .filter_map(|s| s.host.as_ref());
    let is_full = hosts.map(|host| f64::from(host.cpu_percent >= CPU_FULL));
    let share = mean(&is_full.collect_vec()).unwrap_or(0.0);
    if share < CPU_FULL_OFTEN {
        return None;
    }
    let facts = data.environment.as_ref().map(|e| &e.facts);
    let shared_cores = facts.is_some_and(|facts| {
        let mut keys = facts.keys();
        keys.any(|key| key.starts_with("server_") && key.ends_with("_cores_shared"))
    });
    Some(Condition::CpuFull {
        share,
        shared_cores,
    })
}

fn swapping(samples: &[Sample]) -> Option<Condition> {
    let used = || {
        let hosts = samples.iter().filter_map(|s| s.host.as_ref());
        hosts.filter_map(|host| host.swap_used_bytes)
    };
    let grown = used().max()?.saturating_sub(used().next()?);
    (grown >= SWAP_GROWTH).then_some(Condition::Swapping(grown))
}

#[cfg(test)]
mod tests;
