//! Times by the million: four bytes each, and exact percentiles without sorting them all.

use domain::Nanos;

use super::many::Many;
use crate::stats::percentile_by;

/// Bits of a short time that one counting pass distinguishes.
const BITS: u32 = 16;

/// Lengths of time, in no order. One below 4.29 s takes four bytes, a longer one eight; none is
/// rounded, unless their number is limited: beyond it they are counted in a histogram.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    short: Vec<u32>,
    long: Vec<u64>,
    sum: u128,
    /// Most that are kept exactly.
    limit: Option<usize>,
    many: Option<Box<Many>>,
}

impl Samples {
    /// Keeps `most` exactly; once there are more, all of them are counted in a histogram whose size does not grow,
    /// and percentiles are within [`HISTOGRAM_ERROR`](super::HISTOGRAM_ERROR) of the exact ones.
    pub fn limited(most: usize) -> Self {
        Self {
            limit: Some(most),
            ..Self::default()
        }
    }

    /// False once times are counted in a histogram.
    pub fn is_exact(&self) -> bool {
        self.many.is_none()
    }

    fn spill(&mut self) -> &mut Many {
        let (short, long) = (&mut self.short, &mut self.long);
        self.sum = 0;
        self.many.get_or_insert_with(|| {
            let mut many = Box::new(Many::new());
            let short = std::mem::take(short).into_iter().map(u64::from);
            for time in short.chain(std::mem::take(long)) {
                many.push(time);
            }
            many
        })
    }

    pub fn push(&mut self, time: Nanos) {
        if let Some(many) = &mut self.many {
            many.push(time.0);
            return;
        }
        if self.limit.is_some_and(|limit| self.len() >= limit) {
            self.spill().push(time.0);
            return;
        }
        self.sum += u128::from(time.0);
        match u32::try_from(time.0) {
            Ok(short) => self.short.push(short),
            Err(_) => self.long.push(time.0),
        }
    }

    pub fn merge(&mut self, mut other: Self) {
        let too_many = |limit| self.len() + other.len() > limit;
        if !self.is_exact() || !other.is_exact() || self.limit.is_some_and(too_many) {
            let other = other.spill();
            self.spill().merge(other);
            return;
        }
        self.sum += other.sum;
        if self.short.is_empty() {
            self.short = other.short;
        } else {
            self.short.extend_from_slice(&other.short);
        }
        self.long.extend_from_slice(&other.long);
    }

    pub fn len(&self) -> usize {
        if let Some(many) = &self.many {
            return many.len();
        }
        self.short.len() + self.long.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn mean_ms(&self) -> Option<f64> {
        let sum = self.many.as_ref().map_or(self.sum, |many| many.sum());
        (!self.is_empty()).then(|| sum as f64 / self.len() as f64 / 1e6)
    }

    /// Percentiles in milliseconds, by the one rule of [`crate::stats::percentile`].
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
        if let Some(many) = &self.many {
            return many.at(ranks);
        }
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
        let short = self.short.iter().copied();
        let mut sorted: Vec<u32> = short.filter(|t| kept[bin(*t)]).collect();
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
    fn beyond_the_limit_percentiles_stay_within_the_stated_error() {
        let mut exact = Samples::default();
        let mut limited = Samples::limited(1000);
        let mut time = 17_u64;
        for n in 0..50_000_u64 {
            // Spread over six orders of magnitude, in no order.
            time = time.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n);
            let time = Nanos(1 + (time >> 24) % 10_u64.pow(4 + (n % 6) as u32));
            exact.push(time);
            limited.push(time);
            assert_eq!(limited.is_exact(), n < 1000);
        }
        assert_eq!(limited.len(), 50_000);
        assert_eq!(limited.mean_ms(), exact.mean_ms());
        let ps = [0.0, 1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0];
        let (limited, exact) = (limited.percentiles_ms(&ps), exact.percentiles_ms(&ps));
        assert_eq!((limited[0], limited[8]), (exact[0], exact[8]));
        for (a, b) in limited.iter().zip(&exact) {
            let (a, b) = (a.unwrap(), b.unwrap());
            // A nanosecond more: the smallest values are integers.
            let error = b * crate::load::HISTOGRAM_ERROR + 1e-6;
            assert!((a - b).abs() <= error, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn merging_counts_everything_on_either_side_of_the_limit(
            a in proptest::collection::vec(0..10_000_000_000_u64, 0..60),
            b in proptest::collection::vec(0..10_000_000_000_u64, 0..60),
            limit in 1..100_usize,
        ) {
            let of = |times: &[u64], limit: Option<usize>| {
                let mut samples = limit.map_or_else(Samples::default, Samples::limited);
                for time in times {
                    samples.push(Nanos(*time));
                }
                samples
            };
            let mut merged = of(&a, Some(limit));
            merged.merge(of(&b, Some(limit)));
            let all = of(&[a, b].concat(), None);
            prop_assert_eq!(merged.len(), all.len());
            prop_assert_eq!(merged.mean_ms(), all.mean_ms());
            prop_assert_eq!(merged.percentiles_ms(&[0.0, 100.0]), all.percentiles_ms(&[0.0, 100.0]));
            prop_assert_eq!(merged.is_exact(), all.len() <= limit);
        }

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
