//! The requests of a level that count, and what each limit sees of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::record::RequestRecord;
use domain::record::capacity::Window;
use domain::{Nanos, Outcome, Stamp};

use super::bound::Item;
use crate::RequestMetrics;
use crate::limit::Objective;
use crate::request::LatencyFigure;

/// The window in which a level was steady: from the end of the last agent's warm-up to the moment up to which
/// every request that began has ended, given that each agent begins its next request `think` after its last one
/// ended. `stopped` is that moment where it is known: when nothing new began any more and all ended.
///
/// None while an agent is still warming up, or when nothing lies between.
pub fn steady_window(
    records: &[RequestRecord],
    agents: u32,
    warmup: u32,
    think: Nanos,
    stopped: Option<Stamp>,
) -> Option<Window> {
    let mut ends: BTreeMap<u32, Vec<Stamp>> = BTreeMap::new();
    for record in records {
        ends.entry(record.agent)
            .or_default()
            .push(record.times.ended);
    }
    if ends.len() < agents as usize {
        return None;
    }
    let mut from = Stamp::ZERO;
    let mut known = Stamp(u64::MAX);
    for ends in ends.values_mut() {
        ends.sort_unstable();
        from = match warmup.checked_sub(1) {
            Some(last) => from.max(*ends.get(last as usize)?),
            None => from,
        };
        known = known.min(*ends.last()? + think);
    }
    if warmup == 0 {
        from = records.iter().map(|r| r.times.scheduled).min()?;
    }
    let to = stopped.unwrap_or(known);
    (from < to).then_some(Window { from, to })
}

/// The requests that began in a window.
#[derive(Debug)]
pub struct Sample<'r> {
    pub window: Window,
    /// The requests with their figures, in the order of the records.
    pub(super) counted: Vec<(&'r RequestRecord, RequestMetrics)>,
}

/// An agent, the start of its request, and a latency of it in seconds.
pub(super) type Latency = (u32, Stamp, f64);

impl<'r> Sample<'r> {
    pub fn of(records: &'r [RequestRecord], window: Window) -> Self {
        let counted = records
            .iter()
            .filter(|r| window.holds(r.times.scheduled))
            .map(|r| (r, RequestMetrics::of(&r.times)))
            .collect();
        Self { window, counted }
    }

    pub fn len(&self) -> usize {
        self.counted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    pub(super) fn agents(&self) -> usize {
        let agents: BTreeSet<u32> = self.counted.iter().map(|(r, _)| r.agent).collect();
        agents.len()
    }

    /// The latencies of completed requests, those of one request together.
    pub(super) fn latencies(&self, figure: LatencyFigure) -> Vec<Latency> {
        let completed = self
            .counted
            .iter()
            .filter(|(r, _)| r.times.outcome.is_completed());
        completed
            .flat_map(|(r, of)| {
                of.latencies(figure)
                    .map(|value| (r.agent, r.times.scheduled, value))
            })
            .collect()
    }

    /// For each request, how many of its latencies lie below a limit. One that did not complete
    /// breaks it; one that we cancelled counts only when it had broken it before.
    pub(super) fn within(&self, figure: LatencyFigure, below: f64) -> Vec<Item> {
        self.counted
            .iter()
            .filter_map(|(r, of)| {
                let item = |n: usize, ok: usize| Item {
                    agent: r.agent,
                    at: r.times.scheduled,
                    n: u32::try_from(n).unwrap_or(u32::MAX),
                    ok: u32::try_from(ok).unwrap_or(u32::MAX),
                };
                match r.times.outcome {
                    Outcome::Completed => {
                        let (n, ok) = of.latencies(figure).fold((0, 0), |(n, ok), value| {
                            (n + 1, ok + usize::from(value < below))
                        });
                        (n > 0).then(|| item(n, ok))
                    }
                    Outcome::Cancelled => {
                        let waited = match figure {
                            LatencyFigure::Ttft if r.times.first_token.is_none() => r.times.sent,
                            LatencyFigure::TtftScheduled if r.times.first_token.is_none() => {
                                Some(r.times.scheduled)
                            }
                            LatencyFigure::E2e => r.times.sent,
                            _ => None,
                        };
                        let broken =
                            waited.is_some_and(|s| r.times.ended.since(s).as_secs_f64() >= below);
                        broken.then(|| item(1, 0))
                    }
                    _ => Some(item(1, 0)),
                }
            })
            .collect()
    }

    /// Whether each request keeps every limit on its own latency. One that we cancelled is left out.
    pub(super) fn good(&self, objective: &Objective) -> Vec<Item> {
        self.each(|(r, of)| r.times.outcome.is_completed() && objective.is_met(of, r.times.tokens))
    }

    /// Whether each request completed. One that we cancelled is left out.
    pub(super) fn completed(&self) -> Vec<Item> {
        self.each(|(r, _)| r.times.outcome.is_completed())
    }

    fn each(&self, ok: impl Fn(&(&RequestRecord, RequestMetrics)) -> bool) -> Vec<Item> {
        self.counted
            .iter()
            .filter(|(r, _)| r.times.outcome != Outcome::Cancelled)
            .map(|one| Item {
                agent: one.0.agent,
                at: one.0.times.scheduled,
                n: 1,
                ok: u32::from(ok(one)),
            })
            .collect()
    }
}
