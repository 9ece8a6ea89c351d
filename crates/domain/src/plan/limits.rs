//! Upper limits of plan files and flags. A greater number is a mistake: it would fill the memory or run for years.

use std::num::NonZeroU32;
use std::time::Duration;

/// A count with its greatest value; the least is one.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub most: u32,
    what: &'static str,
}

const fn up_to(most: u32, what: &'static str) -> Bound {
    Bound { most, what }
}

/// Arms of a plan: configurations, repetitions, topologies and arms multiplied.
pub const ARMS: Bound = up_to(1_000_000, "arms in all");
/// Agents, streams or servers at one time.
pub const AGENTS: Bound = up_to(100_000, "agents");
/// Generations of one agent, one after another.
pub const CALLS: Bound = up_to(100_000, "calls");
/// Configurations of a plan, after its axes are expanded.
pub const CONFIGS: Bound = up_to(10_000, "configurations");
/// Levels of a capacity run beyond the first that breaks the limits.
pub const LEVELS: Bound = up_to(1_000, "levels");
pub const REPETITIONS: Bound = up_to(10_000, "repetitions");
pub const REQUESTS: Bound = up_to(100_000_000, "requests");
/// Simulated servers on one machine.
pub const SERVERS: Bound = up_to(1_000, "servers");
/// Slots of a simulated model.
pub const SLOTS: Bound = up_to(100_000, "slots");
/// Threads of the client.
pub const THREADS: Bound = up_to(1_024, "threads");
/// Tokens of a prompt or an answer.
pub const TOKENS: Bound = up_to(10_000_000, "tokens");
/// Turns of a session.
pub const TURNS: Bound = up_to(10_000, "turns");

/// Characters of a name: it stands in tables, pictures and file names.
pub const NAME_CHARACTERS: usize = 100;
/// The longest timeout or pause.
pub const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

impl Bound {
    /// The count; the error has the allowed values in words.
    pub fn check(self, n: impl Into<u64>) -> Result<NonZeroU32, String> {
        let fits = u32::try_from(n.into()).ok().filter(|n| *n <= self.most);
        fits.and_then(NonZeroU32::new)
            .ok_or_else(|| format!("1 to {} {}", self.most, self.what))
    }

    /// The count that a flag gives; the error has the allowed values in words.
    pub fn parse(self, text: &str) -> Result<NonZeroU32, String> {
        let n: u64 = text.trim().parse().unwrap_or_default();
        self.check(n).map_err(|range| format!("give {range}"))
    }

    /// The greatest value, for the range of a flag that may be zero.
    pub const fn most_i64(self) -> i64 {
        self.most as i64
    }
}

/// Deserializes a number of agents; fails if it is not from 1 to [`AGENTS`].
pub fn agents<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let agents = <u32 as serde::Deserialize>::deserialize(from)?;
    let within = AGENTS.check(agents);
    within
        .map(NonZeroU32::get)
        .map_err(|range| serde::de::Error::custom(format!("give {range}, not {agents}")))
}

/// The time that a flag gives, such as `200ms`. Fails for other texts, and above the longest wait.
pub fn wait(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|e| e.to_string())?;
    if time <= LONGEST_WAIT {
        Ok(time)
    } else {
        Err(format!("give {}", longest_wait()))
    }
}

pub(super) fn longest_wait() -> String {
    format!("{} at most", humantime::format_duration(LONGEST_WAIT))
}
