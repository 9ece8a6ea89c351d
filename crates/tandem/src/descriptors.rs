//! File descriptors: every request in flight holds one.

use domain::exit::Fatal;
use serde::Serialize;

/// What the process opens beside its connections: files, timers, the runtime's own.
const BESIDE: u64 = 64;

/// Raises the limit to the most that this process may have, as programs in Go do when they start.
/// Where that is not allowed, or there is no such limit, all stays as it is.
#[cfg(unix)]
pub(crate) fn raise() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if most.current != limit.current
        && let Err(error) = setrlimit(Resource::Nofile, most)
    {
        tracing::debug!(%error, "the limit of open files could not be raised");
    }
}

#[cfg(not(unix))]
pub(crate) fn raise() {}

/// The limit of open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct FileLimit {
    /// What holds now; none is no limit.
    pub(crate) soft: Option<u64>,
    /// What this user may raise it to; none is no limit.
    pub(crate) hard: Option<u64>,
}

/// How many files this process may have open; `None` where the system does not tell.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
pub(crate) fn limits() -> Option<FileLimit> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(FileLimit {
        soft: limit.current,
        hard: limit.maximum,
    })
}

#[cfg(not(unix))]
pub(crate) fn limits() -> Option<FileLimit> {
    None
}

/// The most files that this process may have open; `None` where there is no limit.
pub(crate) fn limit() -> Option<u64> {
    limits()?.soft
}

/// Refuses `agents` whose connections cannot all be open at once. With the simulator in the same
/// process each connection has both its ends here.
pub(crate) fn enough_for(agents: u32, simulated: bool) -> Result<(), Fatal> {
    check(agents, simulated, limit())
}

fn check(agents: u32, simulated: bool, limit: Option<u64>) -> Result<(), Fatal> {
    let ends = if simulated { 2 } else { 1 };
    let needed = u64::from(agents) * ends + BESIDE;
    match limit {
        Some(limit) if limit < needed => {
            let room = limit.saturating_sub(BESIDE) / ends;
            Err(Fatal::usage(format!(
                "{agents} agents need about {needed} open files, and this process may have {limit}"
            ))
            .hint(format!(
                "raise the hard limit (`ulimit -Hn`, or LimitNOFILE of a service), or run at most \
                 {room} agents"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_held_against_the_limit_with_both_ends_of_simulated_connections() {
        assert!(check(936, false, Some(1000)).is_ok());
        assert!(check(937, false, Some(1000)).is_err());
        assert!(check(468, true, Some(1000)).is_ok());
        assert!(check(469, true, Some(1000)).is_err());
        assert!(check(u32::MAX, true, None).is_ok());
    }
}
