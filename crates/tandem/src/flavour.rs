//! What the client runs on: the async runtime's flavour, its threads, and the CPUs it is held to.

use std::num::NonZeroU32;

use domain::exit::{Fatal, OrFatal as _};
use domain::record::{RuntimeFacts, RuntimeFlavour};
use tokio::runtime::{Builder, Runtime};

use crate::flags::{CpuList, HttpFlags, MOST_CPUS, RuntimeArg, RuntimeFlags};
use crate::target::Target;

impl RuntimeFlags {
    /// Holds the process to its CPUs and starts the runtime that a target needs, with what there is
    /// to record of it. Virtual time has one flavour only and nothing to record. Call it before any
    /// other thread is started: threads stay where the one was that started them.
    pub(crate) fn start(
        &self,
        target: &Target,
        http: &HttpFlags,
    ) -> Result<(Runtime, Option<RuntimeFacts>), Fatal> {
        if let (Some(RuntimeArg::Current), Some(workers)) = (self.runtime, self.workers) {
            return Err(Fatal::usage(format!(
                "--workers {workers} needs --runtime multi; `current` is one thread"
            ))
            .hint("leave one of the two out"));
        }
        let simulated = !target.is_real();
        if simulated && self.workers.is_some() {
            return Err(Fatal::usage("simulated time runs on one thread always")
                .hint("leave --workers out"));
        }
        let pinned = match &self.pin {
            None => Vec::new(),
            Some(CpuList(cpus)) => {
                pin(cpus)?;
                cpus.clone()
            }
        };
        let failed = "the async runtime could not be started";
        if simulated {
            let runtime = clock::virtual_runtime().or_environment(failed)?;
            return Ok((runtime, None));
        }
        let (runtime, flavour, workers) = match self.flavour() {
            RuntimeArg::Multi => {
                let workers = self.workers.map_or_else(usable_cpus, NonZeroU32::get);
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers as usize);
                (builder.enable_all().build(), RuntimeFlavour::Multi, workers)
            }
            RuntimeArg::Current => {
                let runtime = Builder::new_current_thread().enable_all().build();
                (runtime, RuntimeFlavour::Current, 1)
            }
        };
        let runtime = runtime.or_environment(failed)?;
        let facts = RuntimeFacts {
            flavour,
            workers,
            pinned,
            http: http.client(),
            proxy: http.proxy.as_ref().map(ToString::to_string),
        };
        Ok((runtime, Some(facts)))
    }

    /// A runtime of one worker does what `current` does and wakes a thread besides
    /// (docs/performance.md).
    fn flavour(&self) -> RuntimeArg {
        let alone = self.workers.is_none() && usable_cpus() == 1;
        self.runtime.unwrap_or(if alone {
            RuntimeArg::Current
        } else {
            RuntimeArg::Multi
        })
    }
}

/// The facts for a person: `2 threads, CPUs 0 and 1`.
pub(crate) fn in_words(facts: &RuntimeFacts) -> String {
    let threads = match (facts.flavour, facts.workers) {
        (RuntimeFlavour::Current, _) => "one thread for all agents".to_owned(),
        (RuntimeFlavour::Multi, 1) => "multi-thread runtime of 1 thread".to_owned(),
        (RuntimeFlavour::Multi, n) => format!("multi-thread runtime of {n} threads"),
    };
    let http = facts.http_in_words();
    let http = http.map_or_else(String::new, |http| format!(", through {http}"));
    let cpus: Vec<_> = facts.pinned.iter().map(u32::to_string).collect();
    let pinned = match cpus.as_slice() {
        [] => String::new(),
        [cpu] => format!(", held to CPU {cpu}"),
        _ => format!(", held to CPUs {}", cpus.join(", ")),
    };
    format!("{threads}{pinned}{http}")
}

/// CPUs that this process may use, which a pin and a container narrow.
pub(crate) fn usable_cpus() -> u32 {
    std::thread::available_parallelism()
        .ok()
        .and_then(|cpus| u32::try_from(cpus.get()).ok())
        .unwrap_or(1)
}

/// Holds the calling thread, and those it starts, to these CPUs.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cpus: &[u32]) -> Result<(), Fatal> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let usable = usable();
    if let Some(cpu) = cpus.iter().find(|cpu| !usable.contains(cpu)) {
        let usable: Vec<_> = usable.iter().map(u32::to_string).collect();
        return Err(
            Fatal::usage(format!("--pin: this process may not use CPU {cpu}"))
                .hint(format!("it may use {}", usable.join(", "))),
        );
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu as usize);
    }
    sched_setaffinity(None, &set).or_environment("the process could not be held to its CPUs")
}

/// CPUs that this thread may use, by number. Empty where the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn usable() -> Vec<u32> {
    use rustix::thread::{CpuSet, sched_getaffinity};

    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let known = (0..MOST_CPUS).take(CpuSet::MAX_CPU);
    known.filter(|cpu| allowed.is_set(*cpu as usize)).collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_cpus: &[u32]) -> Result<(), Fatal> {
    Err(Fatal::usage("--pin works on Linux only")
        .hint("leave it out, or use the system's own tool"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn usable() -> Vec<u32> {
    Vec::new()
}

#[cfg(test)]
mod tests;
