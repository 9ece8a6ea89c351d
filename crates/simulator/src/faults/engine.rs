//! Decides, request by request, which fault is played.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::Stamp;
use domain::hash::derive;

use super::{FaultKind, FaultRule, FaultRules};

#[derive(Debug)]
pub(crate) struct Engine {
    rules: Vec<(FaultRule, AtomicU64)>,
    seed: String,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestFacts<'a> {
    pub(crate) at: Stamp,
    pub(crate) server: usize,
    pub(crate) path: &'a str,
    pub(crate) model: &'a str,
    pub(crate) agents: [&'a str; 2],
    /// A generation or an embedding.
    pub(crate) inference: bool,
}

fn in_window(rule: &FaultRule, at: Stamp) -> bool {
    let since = at.since(Stamp(rule.from.unwrap_or_default().0));
    rule.from.is_none_or(|from| at.0 >= from.0) && rule.lasts.is_none_or(|lasts| since < lasts)
}

impl Engine {
    pub(crate) fn new(rules: FaultRules, seed: u64) -> Self {
        let rules = rules.rules.into_iter();
        Self {
            rules: rules.map(|rule| (rule, AtomicU64::new(0))).collect(),
            seed: seed.to_string(),
        }
    }

    /// The fault for a request, if any. Counts the request for every rule whose conditions it meets.
    pub(crate) fn pick(&self, seen: &RequestFacts<'_>) -> Option<FaultRule> {
        let mut hit = None;
        for (index, (rule, count)) in self.rules.iter().enumerate() {
            let path = match &rule.path {
                None => seen.inference,
                Some(path) => path == seen.path,
            };
            let by_agent = |agent: &String| seen.agents.iter().any(|name| name.contains(agent));
            let meets = path
                && rule.kind != FaultKind::Refuse
                && rule.model.as_ref().is_none_or(|model| model == seen.model)
                && rule.server.is_none_or(|server| server == seen.server)
                && rule.agent.as_ref().is_none_or(by_agent)
                && in_window(rule, seen.at);
            if !meets {
                continue;
            }
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let picked = (rule.requests.is_empty() || rule.requests.contains(&number))
                && rule.every.is_none_or(|every| number.is_multiple_of(every))
                && (rule.share).is_none_or(|share| self.draw(index, number) < share);
            if picked && hit.is_none() {
                hit = Some(rule.clone());
            }
        }
        hit
    }

    /// Uniform from 0 to 1.
    fn draw(&self, rule: usize, number: u64) -> f64 {
        let bits = derive(&["fault", &self.seed, &rule.to_string(), &number.to_string()]);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn refuses(&self, server: usize, at: Stamp) -> bool {
        self.refusals(server).any(|rule| in_window(rule, at))
    }

    /// The next time at which a server may start or stop refusing connections.
    pub(crate) fn next_refusal_edge(&self, server: usize, after: Stamp) -> Option<Stamp> {
        self.refusals(server)
            .flat_map(|rule| {
                let from = Stamp(rule.from.unwrap_or_default().0);
                [Some(from), rule.lasts.map(|lasts| from + lasts)]
            })
            .flatten()
            .filter(|edge| *edge > after)
            .min()
    }

    fn refusals(&self, server: usize) -> impl Iterator<Item = &FaultRule> {
        self.rules.iter().map(|(rule, _)| rule).filter(move |rule| {
            rule.kind == FaultKind::Refuse && rule.server.is_none_or(|only| only == server)
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::Nanos;

    use super::*;

    /// Which requests to these paths are hit by a rule.
    fn hits<'a>(rule: FaultRule, paths: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
        let engine = Engine::new(FaultRules { rules: vec![rule] }, 7);
        let facts = |path| RequestFacts {
            at: Stamp::ZERO,
            server: 0,
            path,
            model: "m",
            agents: ["", "python/1"],
            inference: true,
        };
        let paths = paths.into_iter();
        paths
            .map(|path| engine.pick(&facts(path)).is_some())
            .collect()
    }

    #[test]
    fn numbers_count_only_what_the_other_conditions_let_through() {
        let rule = FaultRule {
            path: Some("/b".into()),
            requests: vec![2],
            agent: Some("python".into()),
            ..FaultRule::always(FaultKind::Busy)
        };
        let hits = hits(rule, ["/b", "/a", "/b", "/b"]);
        assert_eq!(hits, [false, false, true, false]);
    }

    #[test]
    fn a_rate_is_kept_and_repeats_with_the_seed() {
        let rule = FaultRule {
            share: Some(0.2),
            ..FaultRule::always(FaultKind::Busy)
        };
        let drawn = hits(rule.clone(), vec!["/"; 5000]);
        let share = drawn.iter().filter(|hit| **hit).count() as f64 / 5000.0;
        assert!((0.18..0.22).contains(&share), "{share}");
        assert_eq!(drawn, hits(rule, vec!["/"; 5000]));
    }

    #[test]
    fn windows_open_and_close() {
        let rule = FaultRule {
            from: Some(Nanos(10)),
            lasts: Some(Nanos(5)),
            ..FaultRule::always(FaultKind::Refuse)
        };
        let engine = Engine::new(FaultRules { rules: vec![rule] }, 7);
        let refused = [9, 10, 14, 15].map(|at| engine.refuses(0, Stamp(at)));
        assert_eq!(refused, [false, true, true, false]);
        for (after, edge) in [(0, Some(10)), (10, Some(15)), (15, None)] {
            let found = engine.next_refusal_edge(0, Stamp(after));
            assert_eq!(found, edge.map(Stamp), "after {after}");
        }
    }
}
