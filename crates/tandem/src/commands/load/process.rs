//! What this process costs, where the system tells.

use std::fs;

use domain::Nanos;

/// CPU time of all threads of this process so far. Linux's scheduler counts it in nanoseconds, by
/// thread; what threads that have ended used is not in it. `None` on other systems.
pub(crate) fn cpu_time() -> Option<Nanos> {
    let mut sum = Nanos::ZERO;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread may end between being listed and being read.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else {
            continue;
        };
        sum += Nanos(text.split(' ').next()?.parse().ok()?);
    }
    // Kernels that keep no such counters write zeros; nothing runs without CPU time.
    (sum > Nanos::ZERO).then_some(sum)
}

/// The most memory this process has held at one time, bytes. `None` on systems other than Linux.
pub(crate) fn peak_memory() -> Option<u64> {
    kib_in(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The memory that this process holds now, bytes. `None` on systems other than Linux.
pub(crate) fn memory() -> Option<u64> {
    kib_in(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

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
    fn work_shows_in_the_cpu_time_where_there_is_one() {
        let Some(before) = cpu_time() else {
            println!(
                "skipped: this system does not tell a thread's CPU time (needs Linux's /proc)"
            );
            return;
        };
        let mut spent = Nanos::ZERO;
        let mut sum = 0_u64;
        // Counters move at the scheduler's ticks, so work until they do.
        while spent == Nanos::ZERO {
            sum = (0..1_000_000).fold(sum, |a, n| std::hint::black_box(a ^ n));
            spent = cpu_time().unwrap().saturating_sub(before);
        }
        assert!(spent > Nanos::ZERO);
    }
}
