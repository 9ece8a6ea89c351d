//! Times by the million: four bytes each, and exact percentiles without sorting them all.

use domain::Nanos;

use crate::stats::percentile_by;

/// Bits of a short time that one counting pass tells apart.
const BITS: u32 = 16;

/// Lengths of time, in no order. One below 4.29 s takes four bytes, a longer one eight; none is
/// rounded.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    short: Vec<u32>,
    long: Vec<u64>,
    sum: u128,
}

impl Samples {
    /// Takes a time in.
    pub fn push(&mut self, time: Nanos) {
        self.sum += u128::from(time.0);
        match u32::try_from(time.0) {
            Ok(short) => self.short.push(short),
            Err(_) => self.long.push(time.0),
        }
    }

    /// Takes in everything that `other` holds.
    pub fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        if self.short.is_empty() {
            self.short = other.short;
        } else {
            self.short.extend_from_slice(&other.short);
        }
        self.long.extend_from_slice(&other.long);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Arithmetic mean in milliseconds; none of nothing.
    pub fn mean_ms(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum as f64 / self.len() as f64 / 1e6)
    }

    /// Percentiles in milliseconds, by the one rule of [`crate::stats::percentile`]; each is none
    /// of nothing and for a `p` out of 0..=100.
    pub fn percentiles_ms(&self, ps: &[f64]) -> Vec<Option<f64>> {
        let n = self.len();
        let mut wanted = Vec::new();
        for p in ps {
            // Runs the rule once to learn which ranks it looks at.
            percentile_by(n, *p, |rank| {
                wanted.push(rank);
                0.0
            });
        }
        wanted.sort_unstable();
        wanted.dedup();
        let values = self.at(&wanted);
        ps.iter()
            .map(|p| {
                percentile_by(n, *p, |rank| {
                    let place = wanted.partition_point(|other| *other < rank);
                    Nanos(values[place]).as_millis_f64()
                })
            })
            .collect()
    }

    /// The values at `ranks` (from 0, ascending, each once) of all in ascending order.
    fn at(&self, ranks: &[usize]) -> Vec<u64> {
        let bin = |time: u32| (time >> BITS) as usize;
        let mut counts = vec![0_usize; 1 << BITS];
        for time in &self.short {
            counts[bin(*time)] += 1;
        }
        // Only values that share a bin with a rank asked for are sorted.
        let (short, long) = ranks.split_at(ranks.partition_point(|r| *r < self.short.len()));
        let mut kept = vec![false; counts.len()];
        let mut places = Vec::with_capacity(ranks.len());
        let (mut bins, mut below, mut dropped) = (0..counts.len(), 0, 0);
        let mut current = bins.next();
        for rank in short {
            while let Some(at) = current
                && below + counts[at] <= *rank
            {
                if !kept[at] {
                    dropped += counts[at];
                }
                below += counts[at];
                current = bins.next();
            }
            if let Some(at) = current {
                kept[at] = true;
            }
            places.push(rank - dropped);
        }
        let mut sorted: Vec<u32> = self
            .short
            .iter()
            .copied()
            .filter(|t| kept[bin(*t)])
            .collect();
        sorted.sort_unstable();
        let mut values: Vec<u64> = places.iter().map(|at| u64::from(sorted[*at])).collect();
        if !long.is_empty() {
            let mut sorted = self.long.clone();
            sorted.sort_unstable();
            values.extend(long.iter().map(|rank| sorted[rank - self.short.len()]));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::percentile;

    #[test]
    fn nothing_has_neither_mean_nor_percentile() {
        let none = Samples::default();
        assert_eq!((none.mean_ms(), none.len()), (None, 0));
        assert_eq!(none.percentiles_ms(&[0.0, 50.0]), [None, None]);
    }

    proptest! {
        /// Times on both sides of what four bytes hold, close together and far apart.
        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            times in proptest::collection::vec(
                prop_oneof![0..2_000_u64, 19_900_000..20_100_000_u64, 0..=20_000_000_000_u64],
                1..200,
            ),
            split in 0..200_usize,
        ) {
            let (mut samples, mut rest) = (Samples::default(), Samples::default());
            for (at, time) in times.iter().enumerate() {
                if at < split { &mut samples } else { &mut rest }.push(Nanos(*time));
            }
            samples.merge(rest);
            let ms: Vec<f64> = times.iter().map(|t| Nanos(*t).as_millis_f64()).collect();
            let ps = [0.0, 1.0, 50.0, 90.0, 99.9, 100.0, 101.0];
            let expected: Vec<_> = ps.iter().map(|p| percentile(&ms, *p)).collect();
            prop_assert_eq!(samples.percentiles_ms(&ps), expected);
            let mean = times.iter().sum::<u64>() as f64 / times.len() as f64 / 1e6;
            prop_assert!((samples.mean_ms().unwrap() - mean).abs() <= 1e-12 * mean.max(1.0));
        }
    }
}
