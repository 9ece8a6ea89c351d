//! How many requests a server decodes at the same time, from the stamps of some that were sent
//! together.

use domain::Stamp;
use serde::Serialize;

/// What short requests showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Probe {
    /// Requests that were sent together.
    pub(crate) together: usize,
    /// Most tokens of each of them.
    pub(crate) num_predict: i64,
    /// What their stamps say.
    pub(crate) slots: Slots,
    /// Tokens per second of a request alone.
    pub(crate) solo_rate: Option<f64>,
    /// From the first send to the last end, the load of the model included, seconds.
    pub(crate) took_s: f64,
    /// What went wrong, in words.
    pub(crate) failures: Vec<String>,
    /// One of them was refused for want of a key.
    pub(crate) key_refused: bool,
}

/// How many requests were decoded at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "inferred", rename_all = "snake_case")]
pub(crate) enum Slots {
    /// That many, and others waited.
    Exactly { n: usize },
    /// All that were sent.
    AtLeast { n: usize },
    /// It cannot be told.
    Unknown { why: String },
}

/// From the first token of a request to its last, and how many chunks there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) sent: Stamp,
    pub(crate) first: Stamp,
    pub(crate) last: Stamp,
    /// Chunks with text.
    pub(crate) chunks: usize,
}

/// Chunks below which a window says nothing.
const FEWEST_CHUNKS: usize = 4;

/// What is cut off at either end of a window. A slot that is handed on within the time of a chunk
/// must not look like two.
const TRIM: f64 = 0.1;

/// Infers the number of slots from requests that were sent at the same time.
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
    // At one moment, ends come before beginnings.
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
        for (spans, slots) in [
            (
                &[(10, 110), (112, 212), (214, 310)][..],
                Slots::Exactly { n: 1 },
            ),
            // The next one's first token may come with the last one's end.
            (
                &[(10, 110), (108, 212), (211, 310)],
                Slots::Exactly { n: 1 },
            ),
            (&[(10, 110), (15, 120), (121, 220)], Slots::Exactly { n: 2 }),
            (&[(10, 110), (12, 120), (30, 140)], Slots::AtLeast { n: 3 }),
            // A chain: never more than two at a time.
            (
                &[(0, 100), (50, 150), (101, 200), (151, 250)],
                Slots::Exactly { n: 2 },
            ),
        ] {
            assert_eq!(infer(&windows(spans)), slots, "{spans:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let mut late = windows(&[(10, 100), (120, 200)]);
        late[1].sent = Stamp(101_000_000);
        let mut short = windows(&[(0, 100), (0, 100)]);
        short[1].chunks = 3;
        for (windows, words) in [
            (windows(&[(0, 9)]), "too few"),
            (windows(&[(5, 5), (6, 6)]), "one piece"),
            (late, "before all of them were sent"),
            (short, "too short"),
        ] {
            let found = infer(&windows);
            assert!(
                matches!(&found, Slots::Unknown { why } if why.contains(words)),
                "{found:?}"
            );
        }
    }
}
