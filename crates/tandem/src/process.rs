//! What this process costs, where the system tells.

use std::fs;

use domain::Nanos;

/// CPU time of all threads of this process so far, those that have ended included. Linux's scheduler
/// counts it in nanoseconds. `None` on other systems.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_time() -> Option<Nanos> {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    Some(Nanos::from_secs(seconds) + Nanos(nanos))
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time() -> Option<Nanos> {
    None
}

/// The most memory this process has held at one time, bytes. `None` on systems other than Linux.
pub(crate) fn peak_memory() -> Option<u64> {
    kib_in(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The memory that this process holds now, bytes. `None` on systems other than Linux.
pub(crate) fn memory() -> Option<u64> {
    kib_in(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Memory of this machine that can be had without swapping, bytes. `None` on systems other than Linux.
pub(crate) fn memory_free() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    kib_in(&memory, "MemAvailable:")
}

/// A line's kibibytes as bytes.
fn kib_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\ttandem\nVmPeak:\t  99 kB\nVmHWM:\t   12340 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(kib_in(status, "VmHWM:"), Some(12_340 * 1024));
        assert_eq!(kib_in("Name:\ttandem\n", "VmHWM:"), None);
    }

    #[test]
    fn work_shows_in_the_cpu_time_though_its_thread_has_ended() {
        let Some(before) = cpu_time() else {
            println!("skipped: this system does not tell a process's CPU time (needs Linux)");
            return;
        };
        // So much CPU time as the thread itself has counted.
        let worked = std::thread::spawn(move || {
            let mut sum = 0_u64;
            while cpu_time().unwrap().saturating_sub(before) < Nanos::from_millis(20) {
                sum = (0..100_000).fold(sum, |a, n| std::hint::black_box(a ^ n));
            }
        });
        worked.join().unwrap();
        let after = cpu_time().unwrap();
        assert!(after.saturating_sub(before) >= Nanos::from_millis(20));
    }
}
