//! CPU time and memory of this process, on Linux.

use std::fs;
use std::path::Path;

use domain::Nanos;

/// CPU time of all threads of this process so far, including ended ones. `None` except on Linux.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_time() -> Option<Nanos> {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    Some(Nanos::from_secs(seconds) + Nanos(nanos))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time() -> Option<Nanos> {
    None
}

/// Peak resident memory of this process, bytes. `None` except on Linux.
pub(crate) fn peak_memory() -> Option<u64> {
    bytes_in(Path::new("/proc/self/status"), "VmHWM:")
}

/// Resident memory of this process, bytes. `None` except on Linux.
pub(crate) fn memory() -> Option<u64> {
    bytes_in(Path::new("/proc/self/status"), "VmRSS:")
}

/// Available memory of this machine, bytes. `None` except on Linux.
pub(crate) fn memory_free() -> Option<u64> {
    bytes_in(Path::new("/proc/meminfo"), "MemAvailable:")
}

/// The value of a line of such a file, bytes.
pub(crate) fn bytes_in(file: &Path, name: &str) -> Option<u64> {
    kib_in(&fs::read_to_string(file).ok()?, name)
}

/// The value of a line in kB, as bytes.
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
    fn cpu_time_includes_ended_threads() {
        let Some(before) = cpu_time() else {
            println!("skipped: CPU time of a process needs Linux");
            return;
        };
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
