//! Times by the billion: a histogram of bounded size.

use hdrhistogram::Histogram;

/// Most that a percentile taken from the histogram differs from the exact one, as a share of it. Bins at three
/// significant digits are at most 1/1024 of their value wide, and a value is given as the middle of its bin.
pub const HISTOGRAM_ERROR: f64 = 0.0005;

/// Counts of whole nanoseconds at three significant digits; number, sum, least and most are exact.
#[derive(Debug, Clone)]
pub(super) struct Many {
    counts: Histogram<u64>,
    sum: u128,
    least: u64,
    most: u64,
}

impl Many {
    pub(super) fn new() -> Self {
        Self {
            counts: Histogram::new(3).expect("three significant digits are allowed"),
            sum: 0,
            least: u64::MAX,
            most: 0,
        }
    }

    pub(super) fn push(&mut self, time: u64) {
        self.counts
            .record(time)
            .expect("it grows with what it is given");
        self.sum += u128::from(time);
        self.least = self.least.min(time);
        self.most = self.most.max(time);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts
            .add(&other.counts)
            .expect("it grows with what it is given");
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.counts.len()).unwrap_or(usize::MAX)
    }

    pub(super) fn sum(&self) -> u128 {
        self.sum
    }

    /// The values at `ranks` (from 0, ascending) of all in ascending order.
    pub(super) fn at(&self, ranks: &[usize]) -> Vec<u64> {
        let last = self.len().saturating_sub(1);
        let mut ranks = ranks.iter().peekable();
        let mut values = Vec::with_capacity(ranks.len());
        let mut below = 0_u64;
        for bin in self.counts.iter_recorded() {
            below += bin.count_since_last_iteration();
            let middle = self.counts.median_equivalent(bin.value_iterated_to());
            while let Some(rank) = ranks.next_if(|rank| (**rank as u64) < below) {
                values.push(match *rank {
                    0 => self.least,
                    rank if rank == last => self.most,
                    _ => middle.clamp(self.least, self.most),
                });
            }
        }
        values
    }
}
