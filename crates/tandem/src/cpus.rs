//! The CPUs that this process may use, by number. Only Linux reports and restricts them.

use std::io;

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Kernels number CPUs below this.
pub(crate) const MOST_CPUS: u32 = 8192;

/// CPUs that this thread may use. Empty where this is not available on the system.
#[cfg(target_os = "linux")]
pub(crate) fn usable() -> Vec<u32> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let known = (0..MOST_CPUS).take(CpuSet::MAX_CPU);
    known.filter(|cpu| allowed.is_set(*cpu as usize)).collect()
}

/// Holds the calling thread, and those it starts, to these CPUs. Fails when the system refuses it.
#[cfg(target_os = "linux")]
pub(crate) fn hold_to(cpus: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu as usize);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn usable() -> Vec<u32> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn hold_to(_: &[u32]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
