//! The verdict of a configuration (section 4).

use super::{Verdict, VerdictCounts};
use crate::cause::SERIAL_BELOW;
use crate::stats::Estimate;

/// Below this a gain is none worth the name.
const GAIN: f64 = 1.05;
/// Below this a loss is one.
const LOSS: f64 = 0.95;

impl Verdict {
    /// From the mean overlap and the measured speedup.
    ///
    /// `degraded` goes before `serial`: agents that take turns and lose by it are worse than
    /// serial. An interval that reaches from below 0.95 to above 1.05 decides nothing.
    pub fn of(decode_overlap: Option<f64>, speedup: Option<Estimate>) -> Self {
        let interval = speedup.and_then(|s| s.interval());
        if interval.is_some_and(|i| i.hi < LOSS) {
            return Self::Degraded;
        }
        if decode_overlap.is_some_and(|o| o < SERIAL_BELOW) {
            return Self::Serial;
        }
        match (speedup, interval) {
            (None, _) => Self::Unknown,
            (_, Some(i)) if i.lo > GAIN => Self::Parallel,
            (_, Some(i)) if (i.lo >= LOSS && i.contains(1.0)) || i.hi <= GAIN => Self::Shared,
            _ => Self::Undecided,
        }
    }

    /// As in `report.json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Shared => "shared",
            Self::Parallel => "parallel",
            Self::Degraded => "degraded",
            Self::Undecided => "undecided",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl VerdictCounts {
    pub(super) fn of(verdicts: impl Iterator<Item = Verdict>) -> Self {
        let mut counts = Self::default();
        for verdict in verdicts {
            *match verdict {
                Verdict::Serial => &mut counts.serial,
                Verdict::Shared => &mut counts.shared,
                Verdict::Parallel => &mut counts.parallel,
                Verdict::Degraded => &mut counts.degraded,
                Verdict::Undecided => &mut counts.undecided,
                Verdict::Unknown => &mut counts.unknown,
            } += 1;
        }
        counts
    }
}
