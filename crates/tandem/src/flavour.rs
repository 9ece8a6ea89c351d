//! The client's async runtime: its flavour, its threads, and the CPUs it is pinned to.

use std::num::NonZeroU32;

use document::words::plural;
use domain::exit::{Fatal, OrFatal as _};
use domain::record::{RuntimeFacts, RuntimeFlavour};
use itertools::Itertools as _;
use tokio::runtime::{Builder, Runtime};

use crate::cpus;
use crate::flags::{CpuList, HttpFlags, RuntimeFlags};
use crate::target::Target;

impl RuntimeFlags {
    /// Pins the process to its CPUs and starts the runtime that a target needs, with its facts for the record.
    /// Virtual time has one flavour only and no facts. Call it before any other thread is started: a thread
    /// inherits its CPUs. Fails when flags contradict each other or a CPU cannot be used.
    pub(crate) fn start(
        &self,
        target: &Target,
        http: &HttpFlags,
    ) -> Result<(Runtime, Option<RuntimeFacts>), Fatal> {
        if let (Some(RuntimeFlavour::Current), Some(workers)) = (self.runtime, self.workers) {
            let what =
                format!("--workers {workers} needs --runtime multi; `current` is one thread");
            return Err(Fatal::usage(what).hint("leave one of the two out"));
        }
        let simulated = !target.is_real();
        if simulated && self.workers.is_some() {
            let what = "simulated time runs on one thread always";
            return Err(Fatal::usage(what).hint("leave --workers out"));
        }
        let pinned = self.pin.as_ref().map_or(&[][..], |CpuList(cpus)| cpus);
        if !pinned.is_empty() {
            pin(pinned)?;
        }
        // A `multi` runtime of one worker does the work of `current` and wakes a thread as well
        // (docs/performance.md).
        let alone = self.workers.is_none() && usable_cpus() == 1;
        let usual = if alone {
            RuntimeFlavour::Current
        } else {
            RuntimeFlavour::Multi
        };
        let flavour = self.runtime.unwrap_or(usual);
        let (mut builder, workers) = match flavour {
            _ if simulated => (None, 1),
            RuntimeFlavour::Current => (Some(Builder::new_current_thread()), 1),
            RuntimeFlavour::Multi => {
                let workers = self.workers.map_or_else(usable_cpus, NonZeroU32::get);
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers as usize);
                (Some(builder), workers)
            }
        };
        let runtime = match &mut builder {
            Some(builder) => builder.enable_all().build(),
            None => clock::virtual_runtime(),
        };
        let facts = RuntimeFacts {
            flavour,
            workers,
            pinned: pinned.to_vec(),
            http: http.http.unwrap_or_default(),
            proxy: http.proxy.as_ref().map(ToString::to_string),
        };
        let runtime = runtime.or_environment("the async runtime could not be started")?;
        Ok((runtime, (!simulated).then_some(facts)))
    }
}

/// The facts in words: `multi-thread runtime of 2 threads, held to CPUs 0, 1`.
pub(crate) fn in_words(facts: &RuntimeFacts) -> String {
    let threads = match (facts.flavour, facts.workers) {
        (RuntimeFlavour::Current, _) => "one thread for all agents".to_owned(),
        (RuntimeFlavour::Multi, n) => format!("multi-thread runtime of {}", plural(n, "thread")),
    };
    let http = facts.http_in_words();
    let http = http.map_or_else(String::new, |http| format!(", through {http}"));
    let cpus = facts.pinned.iter().join(", ");
    let pinned = match facts.pinned.len() {
        0 => String::new(),
        1 => format!(", held to CPU {cpus}"),
        _ => format!(", held to CPUs {cpus}"),
    };
    format!("{threads}{pinned}{http}")
}

/// Number of CPUs that this process may use; a pin or a container can restrict it.
pub(crate) fn usable_cpus() -> u32 {
    std::thread::available_parallelism()
        .ok()
        .and_then(|cpus| u32::try_from(cpus.get()).ok())
        .unwrap_or(1)
}

/// Pins the calling thread, and those it starts, to these CPUs. Fails when it may not use one of them.
fn pin(wanted: &[u32]) -> Result<(), Fatal> {
    if !cfg!(target_os = "linux") {
        return Err(Fatal::usage("--pin works on Linux only")
            .hint("leave it out, or use the system's own tool"));
    }
    let usable = cpus::usable();
    if let Some(cpu) = wanted.iter().find(|cpu| !usable.contains(cpu)) {
        let what = format!("--pin: this process may not use CPU {cpu}");
        let hint = format!("it may use {}", usable.iter().join(", "));
        return Err(Fatal::usage(what).hint(hint));
    }
    cpus::hold_to(wanted).or_environment("the process could not be held to its CPUs")
}

#[cfg(test)]
mod tests;
