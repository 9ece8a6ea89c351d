//! The requests of a level that count, and what each limit sees of them.

use domain::record::RequestRecord;
use domain::record::capacity::Window;
use domain::{Nanos, Outcome, Stamp};
use itertools::Itertools as _;

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
    let ends = records.iter().map(|r| (r.agent, r.times.ended));
    let ends = ends.into_group_map();
    if ends.len() < agents as usize {
        return None;
    }
    let (mut from, mut known) = (Stamp::ZERO, Stamp(u64::MAX));
    for mut ends in ends.into_values() {
        ends.sort_unstable();
        if let Some(last) = warmup.checked_sub(1) {
            from = from.max(*ends.get(last as usize)?);
        }
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
        self.counted.iter().map(|(r, _)| r.agent).unique().count()
    }

    /// The latencies of completed requests, those of one request together.
    pub(super) fn latencies(&self, figure: LatencyFigure) -> Vec<Latency> {
        let completed = self.counted.iter();
        let completed = completed.filter(|(r, _)| r.times.outcome.is_completed());
        let latencies = completed.flat_map(|(r, of)| {
            let values = of.latencies(figure);
            values.map(|value| (r.agent, r.times.scheduled, value))
        });
        latencies.collect()
    }

    /// For each request, how many of its latencies lie below a limit. One that did not complete
    /// breaks it; one that we cancelled counts only when it had broken it before.
    pub(super) fn within(&self, figure: LatencyFigure, below: f64) -> Vec<Item> {
        let items = self.counted.iter().filter_map(|(r, of)| {
            let times = &r.times;
            let (n, ok) = match times.outcome {
                Outcome::Completed => of.latencies(figure).fold((0, 0), |(n, ok), value| {
                    (n + 1, ok + u32::from(value < below))
                }),
                Outcome::Cancelled => {
                    let has_token = times.first_token.is_some();
                    let since = match figure {
                        LatencyFigure::E2e => times.sent,
                        LatencyFigure::Ttft if !has_token => times.sent,
                        LatencyFigure::TtftScheduled if !has_token => Some(times.scheduled),
                        _ => None,
                    };
                    let waited = since.map(|since| times.ended.since(since).as_secs_f64());
                    (u32::from(waited.is_some_and(|waited| waited >= below)), 0)
                }
                _ => (1, 0),
            };
            (n > 0).then_some(Item {
                agent: r.agent,
                at: times.scheduled,
                n,
                ok,
            })
        });
        items.collect()
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
        let counted = self.counted.iter();
        let counted = counted.filter(|(r, _)| r.times.outcome != Outcome::Cancelled);
        let items = counted.map(|one| Item {
            agent: one.0.agent,
            at: one.0.times.scheduled,
            n: 1,
            ok: u32::from(ok(one)),
        });
        items.collect()
    }
}
