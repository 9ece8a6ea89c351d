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
    let Some(fail) = fewest_failing(seen) else {
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
    let bracketed = most_passing(seen).is_some() || open;
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
    let pass = most_passing(seen).unwrap_or(0);
    let known = seen.iter().map(|o| o.agents).chain([pass, fail]);
    let known = known.filter(|agents| (pass..=fail).contains(agents));
    let gaps = known
        .sorted()
        .dedup()
        .tuple_windows()
        .filter(|(low, high)| {
            // `low` is 0 while no level is known to pass: levels below the lowest are searched too.
            let allowed = (f64::from(*low) * search.precision_share).floor().max(1.0) as u32;
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
pub fn most_passing(seen: &[Observed]) -> Option<u32> {
    let fail = fewest_failing(seen).unwrap_or(u32::MAX);
    with(seen, Verdict::Pass)
        .filter(|agents| *agents < fail)
        .max()
}

/// The fewest agents that fail.
pub fn fewest_failing(seen: &[Observed]) -> Option<u32> {
    with(seen, Verdict::Fail).min()
}

/// Levels that pass although fewer agents fail.
pub fn out_of_order(seen: &[Observed]) -> Vec<u32> {
    let fail = fewest_failing(seen).unwrap_or(u32::MAX);
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
        precision_share: 0.0,
        beyond: 0,
    };

    /// A level that `p`asses, `f`ails or is `u`nresolved; `s` is one that passes and is saturated, and `x` an unresolved
    /// one whose requests fail.
    fn observed(agents: u32, says: char) -> Observed {
        Observed {
            agents,
            verdict: match says {
                'p' | 's' => Verdict::Pass,
                'f' => Verdict::Fail,
                _ => Verdict::Unresolved,
            },
            failing: says == 'x',
            saturated: says == 's',
        }
    }

    /// The levels that a search looks at, and its end.
    fn run(search: Search, server: impl Fn(u32) -> char) -> (Vec<Observed>, SearchEnd) {
        let mut seen: Vec<Observed> = Vec::new();
        loop {
            match next(&search, &seen) {
                Next::Level(agents, _) => {
                    assert!(seen.iter().all(|o| o.agents != agents), "{agents} again");
                    seen.push(observed(agents, server(agents)));
                }
                Next::Done(end) => return (seen, end),
            }
        }
    }

    #[test]
    fn it_doubles_then_halves_within_its_range() {
        use SearchEnd::{Bracketed, Failing, MostAgents, NoneCarried, Saturated};
        let of = |start, max_agents, precision, beyond| Search {
            start,
            max_agents,
            precision_share: precision,
            beyond,
        };
        let coarse = of(1, 512, 0.25, 2);
        let (few, later) = (of(1, 100, 0.0, 0), of(16, 512, 0.0, 0));
        // What levels of as many agents say, and of more.
        for (search, (says, most, beyond), levels, end) in [
            (SEARCH, ('p', 11, 'f'), "1 2 4 8 16 12 10 11", Bracketed),
            (coarse, ('p', 11, 'f'), "1 2 4 8 16 12 10 32", Bracketed),
            (SEARCH, ('p', 0, 'f'), "1", NoneCarried),
            (few, ('p', 1000, 'f'), "1 2 4 8 16 32 64 100", MostAgents),
            (later, ('p', 5, 'f'), "16 8 4 6 5", Bracketed),
            (SEARCH, ('p', 7, 's'), "1 2 4 8", Saturated),
            (SEARCH, ('u', 3, 'x'), "1 2 4", Failing),
        ] {
            let (seen, found) = run(search, |n| if n <= most { says } else { beyond });
            let seen = seen.iter().map(|o| o.agents).join(" ");
            assert_eq!((seen.as_str(), found), (levels, end));
        }
    }

    #[test]
    fn levels_that_cannot_be_told_are_worked_around_and_disorder_is_said() {
        let (seen, end) = run(SEARCH, |agents| match agents {
            ..=9 => 'p',
            10..=12 => 'u',
            _ => 'f',
        });
        assert_eq!(end, SearchEnd::Bracketed);
        assert_eq!(
            (most_passing(&seen), fewest_failing(&seen)),
            (Some(9), Some(13))
        );
        let odd = [(1, 'p'), (4, 'f'), (8, 'p')].map(|(agents, says)| observed(agents, says));
        assert_eq!((out_of_order(&odd), most_passing(&odd)), (vec![8], Some(1)));
    }

    proptest! {
        #[test]
        fn it_finds_any_boundary_once_and_in_few_levels(most in 0_u32..600) {
            let (seen, _) = run(SEARCH, |n| if n <= most { 'p' } else { 'f' });
            prop_assert_eq!(most_passing(&seen), (most > 0).then_some(most.min(512)));
            prop_assert!(seen.len() <= 20);
        }
    }
}
