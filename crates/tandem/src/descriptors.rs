//! File descriptors: every request in flight holds one.

use document::words::plural;
use domain::exit::Fatal;
use serde::{Deserialize, Serialize};

/// Descriptors besides those of connections: records, telemetry, the runtime's own.
pub(crate) const RESERVED: u64 = 64;

/// Raises the soft limit to the hard limit, as Go programs do at their start, where the system allows it.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileLimit {
    /// The limit in force; none is no limit.
    pub(crate) soft: Option<u64>,
    /// The highest value of `soft`; none is no limit.
    pub(crate) hard: Option<u64>,
}

/// The limit of open files; `None` on systems without one.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "none on other systems")]
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

/// The soft limit of open files; `None` for no limit.
pub(crate) fn limit() -> Option<u64> {
    limits()?.soft
}

/// Refuses more agents than connections can be open at once. With the simulator in the same process each
/// connection takes two descriptors.
pub(crate) fn enough_for(agents: u32, simulated: bool) -> Result<(), Fatal> {
    check(agents, simulated, limit())
}

fn check(agents: u32, simulated: bool, limit: Option<u64>) -> Result<(), Fatal> {
    let ends = if simulated { 2 } else { 1 };
    let needed = u64::from(agents) * ends + RESERVED;
    let Some(limit) = limit.filter(|limit| *limit < needed) else {
        return Ok(());
    };
    let raise = "raise the hard limit (`ulimit -Hn`, or LimitNOFILE of a service)";
    let hint = match room(ends, Some(limit)) {
        0 => raise.to_owned(),
        room => format!("{raise}, or run at most {room} agents"),
    };
    let agents = plural(agents, "agent");
    let what = format!(
        "about {needed} open files are needed for {agents} at the same time, and this process may have {limit}"
    );
    Err(Fatal::usage(what).hint(hint))
}

/// Connections that fit into the limit when each takes `ends` descriptors.
pub(crate) fn room(ends: u64, limit: Option<u64>) -> u32 {
    let files = limit.unwrap_or(u64::MAX).saturating_sub(RESERVED);
    u32::try_from(files / ends).unwrap_or(u32::MAX)
}

/// Connections that fit into the limit when both ends of each are in this process.
pub(crate) fn most_with_both_ends() -> u32 {
    room(2, limit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_connections_take_two_descriptors() {
        for (agents, simulated, limit, is_enough) in [
            (936, false, Some(1000), true),
            (937, false, Some(1000), false),
            (468, true, Some(1000), true),
            (469, true, Some(1000), false),
            (u32::MAX, true, None, true),
        ] {
            assert_eq!(check(agents, simulated, limit).is_ok(), is_enough);
        }
        let rooms =
            [(2, Some(1000)), (2, Some(64)), (1, None)].map(|(ends, limit)| room(ends, limit));
        assert_eq!(rooms, [468, 0, u32::MAX]);
    }
}
