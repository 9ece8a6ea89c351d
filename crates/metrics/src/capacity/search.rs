//! Which level to look at next: doubling, then bisection, then a little way beyond.

use domain::record::capacity::{Observed, Phase, Search, SearchEnd, Verdict};
use itertools::Itertools as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Look at this many agents.
    Level(u32, Phase),
    Done(SearchEnd),
}

pub fn next(search: &Search, seen: &[Observed]) -> Next {
    if seen.is_empty() {
        return Next::Level(search.start.min(search.max_agents), Phase::Doubling);
    }
    let highest = seen.iter().map(|o| o.agents).max().unwrap_or(search.start);
    let ceiling = seen.iter().any(|o| o.failing || o.saturated);
    let Some(fail) = breaks(seen) else {
        return if seen.iter().any(|o| o.failing) {
            Next::Done(SearchEnd::Failing)
        } else if ceiling {
            Next::Done(SearchEnd::Saturated)
        } else if highest >= search.max_agents {
            Next::Done(SearchEnd::MostAgents)
        } else {
            Next::Level(twice(search, highest), Phase::Doubling)
        };
    };
    if let Some(between) = between(search, seen, fail) {
        return Next::Level(between, Phase::Bisection);
    }
    let beyond = seen.iter().filter(|o| o.agents > fail).count();
    if !ceiling && highest < search.max_agents && beyond < search.beyond as usize {
        return Next::Level(twice(search, highest), Phase::Beyond);
    }
    let open = with(seen, Verdict::Unresolved).any(|agents| agents < fail);
    let bracketed = carried(seen).is_some() || open;
    Next::Done(if bracketed {
        SearchEnd::Bracketed
    } else {
        SearchEnd::NoneCarried
    })
}

fn twice(search: &Search, agents: u32) -> u32 {
    agents.saturating_mul(2).min(search.max_agents)
}

/// The middle of the widest gap that is still too wide below the least level that fails and
/// above the most agents that pass below it.
fn between(search: &Search, seen: &[Observed], fail: u32) -> Option<u32> {
    let pass = carried(seen).unwrap_or(0);
    let known = seen.iter().map(|o| o.agents).chain([pass, fail]);
    let known = known.filter(|agents| (pass..=fail).contains(agents));
    let gaps = known
        .sorted()
        .dedup()
        .tuple_windows()
        .filter(|(low, high)| {
            // `low` is 0 while no level is known to pass: levels below the lowest are searched too.
            let allowed = (f64::from(*low) * search.precision).floor().max(1.0) as u32;
            high - low > allowed
        });
    // Of gaps as wide the lowest.
    let widest = gaps.max_by_key(|(low, high)| (high - low, std::cmp::Reverse(*low)));
    widest
        .map(|(low, high)| u32::midpoint(low, high))
        .filter(|m| *m > 0)
}

/// The agents of the levels with a verdict.
fn with(seen: &[Observed], verdict: Verdict) -> impl Iterator<Item = u32> {
    let levels = seen.iter().filter(move |o| o.verdict == verdict);
    levels.map(|o| o.agents)
}

/// The most agents that pass below every level that fails.
pub fn carried(seen: &[Observed]) -> Option<u32> {
    let fail = breaks(seen).unwrap_or(u32::MAX);
    with(seen, Verdict::Pass)
        .filter(|agents| *agents < fail)
        .max()
}

/// The fewest agents that fail.
pub fn breaks(seen: &[Observed]) -> Option<u32> {
    with(seen, Verdict::Fail).min()
}

/// Levels that pass although fewer agents fail.
pub fn out_of_order(seen: &[Observed]) -> Vec<u32> {
    let fail = breaks(seen).unwrap_or(u32::MAX);
    let above = with(seen, Verdict::Pass).filter(|agents| *agents > fail);
    above.sorted().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEARCH: Search = Search {
        start: 1,
        max_agents: 512,
        precision: 0.0,
        beyond: 0,
    };

    fn observed(agents: u32, verdict: Verdict) -> Observed {
        Observed {
            agents,
            verdict,
            failing: false,
            saturated: false,
        }
    }

    /// The levels that a search looks at, and its end.
    fn run(search: Search, server: impl Fn(u32) -> Observed) -> (Vec<Observed>, SearchEnd) {
        let mut seen = Vec::new();
        loop {
            match next(&search, &seen) {
                Next::Level(agents, _) => {
                    let mut before = seen.iter();
                    assert!(
                        before.all(|o: &Observed| o.agents != agents),
                        "{agents} again"
                    );
                    seen.push(server(agents));
                }
                Next::Done(end) => return (seen, end),
            }
        }
    }

    fn up_to(most: u32) -> impl Fn(u32) -> Observed {
        move |agents| {
            let carried = agents <= most;
            observed(
                agents,
                if carried {
                    Verdict::Pass
                } else {
                    Verdict::Fail
                },
            )
        }
    }

    /// The same, the levels in words.
    fn found(search: Search, server: impl Fn(u32) -> Observed) -> (String, SearchEnd) {
        let (seen, end) = run(search, server);
        (seen.iter().map(|o| o.agents).join(" "), end)
    }

    #[test]
    fn it_doubles_then_halves_within_its_range() {
        let [mut coarse, mut few, mut later] = [SEARCH; 3];
        (coarse.precision, coarse.beyond) = (0.25, 2);
        few.max_agents = 100;
        later.start = 16;
        for (search, most, expected, end) in [
            (SEARCH, 11, "1 2 4 8 16 12 10 11", SearchEnd::Bracketed),
            (coarse, 11, "1 2 4 8 16 12 10 32", SearchEnd::Bracketed),
            (SEARCH, 0, "1", SearchEnd::NoneCarried),
            (few, 1000, "1 2 4 8 16 32 64 100", SearchEnd::MostAgents),
            (later, 5, "16 8 4 6 5", SearchEnd::Bracketed),
        ] {
            assert_eq!(found(search, up_to(most)), (expected.to_owned(), end));
        }
    }

    #[test]
    fn saturation_and_failures_end_the_climb() {
        let saturated = |agents| Observed {
            saturated: agents >= 8,
            ..observed(agents, Verdict::Pass)
        };
        let expected = ("1 2 4 8".to_owned(), SearchEnd::Saturated);
        assert_eq!(found(SEARCH, saturated), expected);
        let failing = |agents| Observed {
            failing: agents >= 4,
            ..observed(agents, Verdict::Unresolved)
        };
        let expected = ("1 2 4".to_owned(), SearchEnd::Failing);
        assert_eq!(found(SEARCH, failing), expected);
    }

    #[test]
    fn levels_that_cannot_be_told_are_worked_around_and_disorder_is_said() {
        let (seen, end) = run(SEARCH, |agents| {
            let verdict = match agents {
                ..=9 => Verdict::Pass,
                10..=12 => Verdict::Unresolved,
                _ => Verdict::Fail,
            };
            observed(agents, verdict)
        });
        assert_eq!(end, SearchEnd::Bracketed);
        assert_eq!(carried(&seen), Some(9));
        assert_eq!(breaks(&seen), Some(13));
        let odd = [
            observed(1, Verdict::Pass),
            observed(4, Verdict::Fail),
            observed(8, Verdict::Pass),
        ];
        assert_eq!(out_of_order(&odd), [8]);
        assert_eq!(carried(&odd), Some(1));
    }

    proptest! {
        #[test]
        fn it_finds_any_boundary_once_and_in_few_levels(most in 0_u32..600) {
            let (seen, _) = run(SEARCH, up_to(most));
            let found = carried(&seen);
            prop_assert_eq!(found, (most > 0).then_some(most.min(512)));
            prop_assert!(seen.len() <= 20);
        }
    }
}
