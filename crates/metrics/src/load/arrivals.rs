//! Counts over time for a load of any length: fine windows for a short one, coarser ones for a long one.

use domain::{Nanos, Stamp};

const FINEST: Nanos = Nanos::from_millis(1);

/// Windows that are still little memory.
const MOST_WINDOWS: u64 = 2_000_000;

/// How many tokens arrived in each window of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals {
    width: Nanos,
    /// Place of the first window, in widths since the clock's zero.
    first: u64,
    counts: Vec<u32>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            width: FINEST,
            first: 0,
            counts: Vec::new(),
        }
    }
}

impl Arrivals {
    pub(super) fn add(&mut self, at: Stamp, n: u32) {
        let slot = self.slot(at.0);
        self.counts[slot] += n;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        while self.width < other.width {
            self.coarsen();
        }
        for (place, n) in (other.first..).zip(&other.counts) {
            if *n > 0 {
                let slot = self.slot(place * other.width.0);
                self.counts[slot] += n;
            }
        }
    }

    /// The slot of a moment, made when it is not there yet.
    fn slot(&mut self, at: u64) -> usize {
        loop {
            let place = at / self.width.0;
            if self.counts.is_empty() {
                self.first = place;
            }
            let end = self.first + self.counts.len() as u64;
            let needed = place.max(end.saturating_sub(1)) - place.min(self.first) + 1;
            if needed > MOST_WINDOWS {
                self.coarsen();
                continue;
            }
            if place < self.first {
                let before = (self.first - place) as usize;
                self.counts.splice(0..0, std::iter::repeat_n(0, before));
                self.first = place;
            } else if place >= end {
                self.counts.resize(needed as usize, 0);
            }
            return (place - self.first) as usize;
        }
    }

    fn coarsen(&mut self) {
        let wide = Nanos(self.width.0 * 10);
        let first = self.first / 10;
        // The first wide window may begin before the first fine one.
        let lead = vec![0; (self.first % 10) as usize];
        let fine = [lead, std::mem::take(&mut self.counts)].concat();
        let counts = fine.chunks(10).map(|ten| ten.iter().sum()).collect();
        (self.width, self.first, self.counts) = (wide, first, counts);
    }

    /// Width of a window: 1 ms, 10 ms, …
    pub fn width(&self) -> Nanos {
        self.width
    }

    /// The windows that hold something: their beginnings and counts, in order.
    pub fn windows(&self) -> impl Iterator<Item = (Stamp, u32)> + '_ {
        let windows = (self.first..).zip(&self.counts);
        windows
            .filter(|(_, n)| **n > 0)
            .map(|(place, n)| (Stamp(place * self.width.0), *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(of: &Arrivals) -> Vec<(u64, u32)> {
        of.windows().map(|(at, n)| (at.0 / 1_000_000, n)).collect()
    }

    #[test]
    fn arrivals_are_counted_in_any_order() {
        let mut all = Arrivals::default();
        for ms in [5_000, 4_990, 5_000, 5_003] {
            all.add(Stamp(ms * 1_000_000 + 999_999), 1);
        }
        assert_eq!(windows(&all), [(4_990, 1), (5_000, 2), (5_003, 1)]);
        let mut others = Arrivals::default();
        others.add(Stamp(4_000_000_000), 2);
        all.merge(&others);
        assert_eq!(
            windows(&all),
            [(4_000, 2), (4_990, 1), (5_000, 2), (5_003, 1)]
        );
    }

    #[test]
    fn a_long_load_is_counted_in_wide_windows_and_loses_nothing() {
        let mut all = Arrivals::default();
        all.add(Stamp(12_345_000_000), 1);
        // Far beyond what fine windows can hold, on either side of it.
        all.add(Stamp(86_400_000_000_000), 3);
        all.add(Stamp(0), 2);
        assert_eq!(all.width(), Nanos::from_millis(100));
        assert_eq!(windows(&all), [(0, 2), (12_300, 1), (86_400_000, 3)]);
        let mut fine = Arrivals::default();
        fine.add(Stamp(12_350_000_000), 4);
        fine.merge(&all);
        assert_eq!(windows(&fine), [(0, 2), (12_300, 5), (86_400_000, 3)]);
        // No stamp is too far away.
        all.add(Stamp(u64::MAX), 1);
        assert_eq!(all.windows().map(|(_, n)| n).sum::<u32>(), 7);
    }
}
