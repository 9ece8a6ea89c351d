//! Sets of time as sorted, disjoint, half-open stretches.

use domain::Stamp;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// The union of stretches, in any order; empty and backward ones are left out.
    pub(crate) fn union(stretches: impl IntoIterator<Item = (Stamp, Stamp)>) -> Self {
        let mut all: Vec<(u64, u64)> = stretches
            .into_iter()
            .map(|(from, to)| (from.0, to.0))
            .filter(|(from, to)| from < to)
            .collect();
        all.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (from, to) in all {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    /// Nanoseconds of the set within `from..to`.
    pub(crate) fn within(&self, from: Stamp, to: Stamp) -> u64 {
        let first = self.0.partition_point(|(_, end)| *end <= from.0);
        self.0[first..]
            .iter()
            .take_while(|(begin, _)| *begin < to.0)
            .map(|(begin, end)| (*end).min(to.0).saturating_sub((*begin).max(from.0)))
            .sum()
    }

    /// The parts of this set that do not lie in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(from, to) in &self.0 {
            let mut at = from;
            for &(begin, end) in &other.0 {
                if end <= at || begin >= to {
                    continue;
                }
                if begin > at {
                    left.push((at, begin));
                }
                at = at.max(end);
            }
            if at < to {
                left.push((at, to));
            }
        }
        Self(left)
    }

    /// The parts of this set that lie in `other` too.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// The moments that at least `count` of the sets hold; `count` is 1 or more.
    pub(crate) fn at_least(count: usize, sets: &[Self]) -> Self {
        let mut edges: Vec<(u64, bool)> = sets
            .iter()
            .flat_map(|set| set.0.iter())
            .flat_map(|(from, to)| [(*from, true), (*to, false)])
            .collect();
        // Ends sort before beginnings at the same moment; neither takes time, so order is free.
        edges.sort_unstable();
        let (mut held, mut since, mut found) = (0, 0, Vec::new());
        for (at, begins) in edges {
            if begins {
                held += 1;
                if held == count {
                    since = at;
                }
            } else {
                if held == count {
                    found.push((Stamp(since), Stamp(at)));
                }
                held -= 1;
            }
        }
        Self::union(found)
    }

    /// Nanoseconds of the whole set.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(stretches: &[(u64, u64)]) -> Spans {
        Spans::union(stretches.iter().map(|(a, b)| (Stamp(*a), Stamp(*b))))
    }

    #[test]
    fn unions_and_parts() {
        let s = spans(&[(5, 9), (0, 3), (3, 4), (8, 12), (20, 20), (30, 25)]);
        assert_eq!(s, spans(&[(0, 4), (5, 12)]));
        assert_eq!(s.within(Stamp(2), Stamp(7)), 4);
        assert_eq!(s.within(Stamp(7), Stamp(2)), 0);
        assert_eq!(
            s.without(&spans(&[(1, 2), (6, 40)])),
            spans(&[(0, 1), (2, 4), (5, 6)])
        );
    }

    #[test]
    fn depth_by_hand() {
        let sets = [
            spans(&[(0, 10)]),
            spans(&[(5, 15)]),
            spans(&[(9, 20), (30, 31)]),
        ];
        let at_least = |count| Spans::at_least(count, &sets);
        assert_eq!(at_least(1), spans(&[(0, 20), (30, 31)]));
        assert_eq!(at_least(2), spans(&[(5, 15)]));
        assert_eq!(at_least(3), spans(&[(9, 10)]));
        assert_eq!(at_least(1).total(), 21);
        assert_eq!(at_least(1).and(&spans(&[(4, 7), (31, 40)])).total(), 3);
        let touching = [spans(&[(0, 5)]), spans(&[(5, 9)])];
        assert_eq!(Spans::at_least(1, &touching), spans(&[(0, 9)]));
        assert_eq!(Spans::at_least(2, &touching), Spans::default());
    }
}
