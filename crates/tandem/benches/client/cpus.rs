//! Which processor runs what. Only Linux holds processes to processors.

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A processor for the server and another for the client, the first and the last that this process may use; or why
/// there are no two.
#[cfg(target_os = "linux")]
pub(crate) fn choose() -> Result<(u32, u32), String> {
    let allowed = sched_getaffinity(None).map_err(|e| e.to_string())?;
    let mut usable = (0..CpuSet::MAX_CPU as u32).filter(|cpu| allowed.is_set(*cpu as usize));
    let ends = usable.next().zip(usable.next_back());
    ends.ok_or_else(|| "this process has one processor only".to_owned())
}

/// Runs `what` on one processor. What it starts stays there; this thread goes back.
#[cfg(target_os = "linux")]
pub(crate) fn on<T>(cpu: Option<u32>, what: impl FnOnce() -> T) -> T {
    let before = cpu.and_then(|cpu| {
        let before = sched_getaffinity(None).ok()?;
        let mut one = CpuSet::new();
        one.set(cpu as usize);
        sched_setaffinity(None, &one).ok()?;
        Some(before)
    });
    let result = what();
    if let Some(before) = before {
        // It was allowed before, so it is now.
        let _ = sched_setaffinity(None, &before);
    }
    result
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn choose() -> Result<(u32, u32), String> {
    Err("processes are held to processors on Linux only".to_owned())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn on<T>(_cpu: Option<u32>, what: impl FnOnce() -> T) -> T {
    what()
}
