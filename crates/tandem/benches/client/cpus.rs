//! Which processor runs what.

/// A processor for the server and another for the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpus {
    pub(crate) server: u32,
    pub(crate) client: u32,
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::Cpus;

    /// The first and the last processor that this process may use, or why there are no two.
    pub(crate) fn choose() -> Result<Cpus, String> {
        let allowed = sched_getaffinity(None).map_err(|e| e.to_string())?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        match (usable.next(), usable.next_back()) {
            (Some(server), Some(client)) => Ok(Cpus {
                server: u32::try_from(server).map_err(|e| e.to_string())?,
                client: u32::try_from(client).map_err(|e| e.to_string())?,
            }),
            _ => Err("this process has one processor only".to_owned()),
        }
    }

    /// Runs `what` on one processor. What it starts stays there; this thread goes back.
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
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// Only Linux is asked.
    pub(crate) fn choose() -> Result<super::Cpus, String> {
        Err("processes are held to processors on Linux only".to_owned())
    }

    /// Runs `what` wherever the system likes.
    pub(crate) fn on<T>(_cpu: Option<u32>, what: impl FnOnce() -> T) -> T {
        what()
    }
}

pub(crate) use system::{choose, on};
