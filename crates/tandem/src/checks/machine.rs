//! Facts about this machine.

use std::path::{Path, PathBuf};

use clock::Clock;
use domain::Nanos;
use domain::telemetry::GpuReading;

use super::facts::{ClockFacts, GpuFacts, MachineFacts, ServerFacts};
use super::memory::size;
use crate::descriptors;
use crate::process;

/// Sleeps of 1 ms that measure how late the timer is.
const SLEEPS: usize = 200;
/// Readings of the clock, to find its smallest step.
const READINGS: usize = 20_000;

/// All facts but those of the clock, which needs a test. `results` is the results folder, which need not exist.
pub(super) fn look(servers: &[ServerFacts], results: &Path) -> MachineFacts {
    let urls: Vec<_> = servers.iter().map(|server| server.url.clone()).collect();
    let (source, readings) = telemetry::gpus(&urls);
    let gpus = source.devices().into_iter().zip(readings);
    let gpus = gpus.map(|(name, reading)| gpu(name, &reading)).collect();
    let environment = telemetry::environment(source);
    MachineFacts {
        warnings: environment.warnings,
        gpus,
        memory_free_bytes: process::memory_free(),
        memory_total_bytes: Some(environment.memory_bytes).filter(|bytes| *bytes > 0),
        clock: None,
        files: descriptors::limits(),
        disk_free_bytes: disk_free(results),
    }
}

fn gpu(name: &str, reading: &GpuReading) -> GpuFacts {
    let processes = reading.processes.iter();
    let others = processes.filter(|process| process.server.is_none());
    let others = others.map(|process| {
        let name = process.name.as_deref().unwrap_or("a process");
        let memory = process.memory_bytes;
        let memory = memory.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
        format!("{name} (pid {}{memory})", process.pid)
    });
    GpuFacts {
        index: reading.index,
        memory_total_bytes: reading.memory_total_bytes,
        memory_used_bytes: reading.memory_used_bytes,
        name: name.to_owned(),
        others: others.collect(),
    }
}

/// Tests the clock and the timer of the current runtime. Takes a quarter of a second.
pub(super) async fn test_clock() -> ClockFacts {
    let clock = Clock::real();
    let stamps: Vec<_> = (0..READINGS).map(|_| clock.now()).collect();
    let steps = stamps.windows(2).map(|pair| pair[1].since(pair[0]).0);
    let step_ns = steps.filter(|step| *step > 0).min().unwrap_or(u64::MAX);
    let asked = Nanos::from_millis(1);
    let mut over = Vec::with_capacity(SLEEPS);
    for _ in 0..SLEEPS {
        let began = clock.now();
        clock.sleep(asked).await;
        let slept = clock.now().since(began);
        over.push(slept.saturating_sub(asked).as_millis_f64());
    }
    over.sort_unstable_by(f64::total_cmp);
    ClockFacts {
        step_ns,
        oversleep_p99_ms: over[SLEEPS * 99 / 100 - 1],
    }
}

/// Bytes that this user may still write on the disk of a folder, which need not exist; `None` where the system does not
/// report it.
#[cfg(target_os = "linux")]
fn disk_free(folder: &Path) -> Option<u64> {
    let absolute: PathBuf = std::path::absolute(folder).ok()?;
    let report = absolute.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(report).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn disk_free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use domain::telemetry::GpuProcess;

    use super::*;

    #[test]
    fn processes_of_no_server_are_the_others_on_a_gpu() {
        let process = |pid, name: Option<&str>, memory_bytes, server| GpuProcess {
            pid,
            name: name.map(str::to_owned),
            memory_bytes,
            server,
        };
        let reading = GpuReading {
            processes: vec![
                process(1, Some("ollama"), Some(1), Some(0)),
                process(2, Some("game"), Some(2_000_000_000), None),
                process(3, None, None, None),
            ],
            ..GpuReading::default()
        };
        let others = gpu("card", &reading).others;
        assert_eq!(others, ["game (pid 2, 2.0 GB)", "a process (pid 3)"]);
    }

    #[tokio::test]
    async fn disk_and_clock_have_plausible_values() {
        let temp = tempfile::TempDir::new().unwrap();
        // A missing folder has the free space of its parent.
        let free = disk_free(&temp.path().join("not/there/yet"));
        assert!(free.is_some_and(|bytes| bytes > 0) || cfg!(not(target_os = "linux")));
        let clock = test_clock().await;
        assert!(clock.step_ns < u64::MAX);
        assert!(clock.oversleep_p99_ms >= 0.0);
    }
}
