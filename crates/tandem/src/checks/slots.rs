//! Infers how many requests a server decodes at the same time from the timestamps of concurrent requests.

use domain::Stamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// Number of concurrent requests.
    pub(crate) together: usize,
    pub(crate) num_predict: i64,
    pub(crate) slots: Slots,
    pub(crate) tokens_per_s_alone: Option<f64>,
    /// From the first send to the last end, including the load of the model, seconds.
    pub(crate) took_s: f64,
    pub(crate) failures: Vec<String>,
    pub(crate) key_refused: bool,
}

/// Number of requests that were decoded at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "inferred", rename_all = "snake_case")]
pub(crate) enum Slots {
    /// This many; further requests waited.
    Exactly {
        n: usize,
    },
    /// All of them.
    AtLeast {
        n: usize,
    },
    Unknown {
        why: String,
    },
}

impl Default for Slots {
    fn default() -> Self {
        let why = "no request completed".to_owned();
        Self::Unknown { why }
    }
}

impl Slots {
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Exactly { n } | Self::AtLeast { n } => Some(*n as u64),
            Self::Unknown { .. } => None,
        }
    }
}

/// The time of a request from its first token to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) sent: Stamp,
    pub(crate) first: Stamp,
    pub(crate) last: Stamp,
    /// Chunks with text.
    pub(crate) chunks: usize,
}

/// Windows with fewer chunks are inconclusive.
const FEWEST_CHUNKS: usize = 4;

/// Share trimmed from each end of a window, so that two requests that use one slot in turn do not overlap.
const TRIM: f64 = 0.1;

pub(crate) fn infer(windows: &[Window]) -> Slots {
    let unknown = |why: &str| Slots::Unknown {
        why: why.to_owned(),
    };
    if windows.len() < 2 {
        return unknown("too few requests completed");
    }
    if windows.iter().any(|w| w.chunks < FEWEST_CHUNKS) {
        return unknown("the answers were too short to overlap");
    }
    let last_sent = windows.iter().map(|w| w.sent).max();
    let first_end = windows.iter().map(|w| w.last).min();
    if last_sent >= first_end {
        return unknown("one had ended before all of them were sent");
    }
    // Sorted so that ends come before starts at the same time.
    let mut edges = Vec::new();
    for window in windows {
        let length = window.last.since(window.first).0;
        let trim = (length as f64 * TRIM) as u64;
        if length <= 2 * trim {
            return unknown("the answers came in one piece");
        }
        edges.push((window.first.0 + trim, 1_i32));
        edges.push((window.last.0 - trim, -1));
    }
    edges.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, edge) in edges {
        now += edge;
        most = most.max(now);
    }
    let n = most.unsigned_abs() as usize;
    if n == windows.len() {
        Slots::AtLeast { n }
    } else {
        Slots::Exactly { n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(spans: &[(u64, u64)]) -> Vec<Window> {
        let window = |(first, last): &(u64, u64)| Window {
            sent: Stamp::ZERO,
            first: Stamp(first * 1_000_000),
            last: Stamp(last * 1_000_000),
            chunks: 32,
        };
        spans.iter().map(window).collect()
    }

    #[test]
    fn as_many_slots_as_windows_overlap() {
        let (exactly, at_least) = (|n| Slots::Exactly { n }, |n| Slots::AtLeast { n });
        let cases: [(&[(u64, u64)], Slots); 5] = [
            (&[(10, 110), (112, 212), (214, 310)], exactly(1)),
            // The next request's first token may arrive with the last one's end.
            (&[(10, 110), (108, 212), (211, 310)], exactly(1)),
            (&[(10, 110), (15, 120), (121, 220)], exactly(2)),
            (&[(10, 110), (12, 120), (30, 140)], at_least(3)),
            // A chain: never more than two at the same time.
            (&[(0, 100), (50, 150), (101, 200), (151, 250)], exactly(2)),
        ];
        for (spans, slots) in cases {
            assert_eq!(infer(&windows(spans)), slots, "{spans:?}");
        }
    }

    #[test]
    fn inconclusive_windows_give_a_reason() {
        let mut late = windows(&[(10, 100), (120, 200)]);
        late[1].sent = Stamp(101_000_000);
        let mut short = windows(&[(0, 100), (0, 100)]);
        short[1].chunks = 3;
        for (windows, why) in [
            (windows(&[(0, 9)]), "too few requests completed"),
            (windows(&[(5, 5), (6, 6)]), "the answers came in one piece"),
            (late, "one had ended before all of them were sent"),
            (short, "the answers were too short to overlap"),
        ] {
            let why = why.to_owned();
            assert_eq!(infer(&windows), Slots::Unknown { why });
        }
    }
}
