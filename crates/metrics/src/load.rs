//! A load's figures: counted as records arrive, so that no record is kept.

mod agents;
mod arrivals;
mod kept;
mod many;
mod samples;
mod turns;

use std::collections::BTreeMap;

use domain::cache::CacheCheck;
use domain::record::load::{Figures, Goodput, Spread, WorkFigures};
use domain::record::{RequestRecord, RequestTimes, TokenSource};
use domain::{Nanos, Outcome, Stamp};

use crate::RequestMetrics;
use crate::limit::Objective;
use crate::stats::{mean, percentile_by, samples_needed};

pub use agents::{AgentFigures, ByAgent, Fairness};
pub use arrivals::Arrivals;
pub use kept::{End, Kept, Phases, Request};
pub use many::HISTOGRAM_ERROR;
pub use samples::Samples;
use turns::Turns;

/// The least, the median, the tails and the most, as percentiles.
const PERCENTILES: [f64; 6] = [0.0, 50.0, 90.0, 95.0, 99.0, 100.0];

/// A connection that took so long lost its first packet: systems repeat it after one second. On a
/// network that loses nothing, a listener whose accept queue is full has dropped it.
const SLOW_CONNECT: Nanos = Nanos::from_secs(1);

/// The lengths of time that are collected, as places in [`Collected::times`].
#[derive(Debug, Clone, Copy)]
enum Time {
    Ttft,
    TtftScheduled,
    ClientQueue,
    E2e,
    Itl,
    Connect,
    /// All TPOTs to the nanosecond, once there are more than `limit`.
    TpotMany,
    /// Of the agents' own work between requests: in the queue, on the CPU, on files.
    WorkQueue,
    WorkCpu,
    WorkFile,
}

/// What is kept of the records so far. Latencies, in milliseconds, are those of completed requests;
/// connection times those of every request that found no connection free.
#[derive(Debug, Default)]
pub struct Collected {
    slo: Option<Objective>,
    /// What is counted as it comes; the other figures are made at the end.
    counts: Figures,
    sent: u32,
    first_sent: Option<Stamp>,
    last_sent: Option<Stamp>,
    last_done: Option<Stamp>,
    good: u32,
    times: [Samples; 10],
    /// A quotient, not a whole number of nanoseconds.
    tpot_ms: Vec<f64>,
    turns: Turns,
    cache: CacheCheck,
    /// Most times of each kind that are kept exactly.
    limit: Option<usize>,
}

/// Failure messages that are counted one by one.
const MOST_FAILURES: usize = 100;
const OTHERS: &str = "other failures";

impl Collected {
    pub fn new(slo: Option<Objective>) -> Self {
        Self {
            slo,
            ..Self::default()
        }
    }

    /// Once there are more than `most` times of each kind, memory stops growing; see [`Samples::limited`].
    pub fn limited(slo: Option<Objective>, most: usize) -> Self {
        let mut times = std::array::from_fn(|_| Samples::limited(most));
        times[Time::TpotMany as usize] = Samples::limited(0);
        Self {
            slo,
            times,
            limit: Some(most),
            ..Self::default()
        }
    }

    pub fn add(&mut self, record: &RequestRecord) {
        self.add_known(record, &RequestMetrics::of(&record.times));
    }

    /// `of` are the figures of the request.
    pub fn add_known(&mut self, record: &RequestRecord, of: &RequestMetrics) {
        let seen = &record.times;
        if let Some(work) = &record.work {
            self.push(Time::WorkQueue, Some(work.queue_ns));
            self.push(Time::WorkCpu, work.cpu_ns);
            self.push(Time::WorkFile, work.file_ns);
        }
        if let Some(turn) = record.turn.filter(|_| seen.outcome.is_completed()) {
            self.turns.add(turn, of.ttft, &seen.counters, self.limit);
        }
        self.cache.add(record);
        self.count_outcome(seen);
        for note in seen.notes.iter().filter(|note| !note.is_missing()) {
            *self.counts.notes.entry(*note).or_default() += 1;
        }
        if let Some(sent) = seen.sent {
            self.sent += 1;
            self.first_sent = earliest(self.first_sent, Some(sent));
            self.last_sent = self.last_sent.max(Some(sent));
        }
        self.push(Time::Connect, seen.connect);
        self.counts.slow_connects +=
            u32::from(seen.connect.is_some_and(|took| took >= SLOW_CONNECT));
        if !seen.outcome.is_completed() {
            add_to(&mut self.counts.tokens_not_completed, seen.tokens);
            return;
        }
        self.last_done = self.last_done.max(seen.done);
        add_to(&mut self.counts.tokens, seen.tokens);
        if seen.tokens_from == TokenSource::Estimated {
            add_to(&mut self.counts.tokens_estimated, seen.tokens);
        }
        self.counts.clock_warnings += u32::try_from(of.clock_warnings.len()).unwrap_or(u32::MAX);
        let slo = self.slo.as_ref();
        self.good += u32::from(slo.is_some_and(|slo| slo.is_met(of, seen.tokens)));
        self.push(Time::Ttft, of.ttft);
        self.push(Time::TtftScheduled, of.ttft_scheduled);
        self.push(Time::ClientQueue, of.client_queue);
        self.push(Time::E2e, of.e2e);
        self.push(Time::Itl, of.itl.iter().flatten().copied());
        if let Some(tpot) = of.tpot_s {
            self.add_tpot(tpot);
        }
    }

    fn push(&mut self, which: Time, times: impl IntoIterator<Item = Nanos>) {
        for time in times {
            self.times[which as usize].push(time);
        }
    }

    /// Counts in what `other` has counted under the same limits; the order of merging does not matter.
    pub fn merge(&mut self, other: Self) {
        let (counts, more) = (&mut self.counts, other.counts);
        counts.outcomes += more.outcomes;
        counts.clock_warnings += more.clock_warnings;
        counts.slow_connects += more.slow_connects;
        add_to(&mut counts.tokens, more.tokens);
        add_to(&mut counts.tokens_estimated, more.tokens_estimated);
        add_to(&mut counts.tokens_not_completed, more.tokens_not_completed);
        for (note, count) in more.notes {
            *counts.notes.entry(note).or_default() += count;
        }
        self.sent += other.sent;
        self.good += other.good;
        for (words, count) in more.failures {
            self.count_failure(words, count);
        }
        self.first_sent = earliest(self.first_sent, other.first_sent);
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_done = self.last_done.max(other.last_done);
        for ms in other.tpot_ms {
            self.add_tpot(ms / 1e3);
        }
        for (own, more) in self.times.iter_mut().zip(other.times) {
            own.merge(more);
        }
        self.turns.merge(other.turns);
        self.cache.merge(other.cache);
    }

    /// The gaps between consecutive chunks with output, of all completed requests.
    pub fn into_itl(mut self) -> Samples {
        std::mem::take(&mut self.times[Time::Itl as usize])
    }

    /// `tpot` in seconds.
    fn add_tpot(&mut self, tpot: f64) {
        let full = self.limit.is_some_and(|limit| self.tpot_ms.len() >= limit);
        if !full && self.times[Time::TpotMany as usize].is_empty() {
            self.tpot_ms.push(tpot * 1e3);
            return;
        }
        let exact = std::mem::take(&mut self.tpot_ms).into_iter();
        self.push(Time::TpotMany, exact.map(Nanos::from_millis_f64));
        self.push(Time::TpotMany, Some(Nanos::from_secs_f64(tpot)));
    }

    /// Servers may put an id into their words, so that no two are alike.
    fn count_failure(&mut self, words: String, count: u32) {
        let known =
            self.counts.failures.contains_key(&words) || self.counts.failures.len() < MOST_FAILURES;
        let words = if known { words } else { OTHERS.to_owned() };
        *self.counts.failures.entry(words).or_default() += count;
    }

    fn count_outcome(&mut self, seen: &RequestTimes) {
        self.counts.outcomes.count(&seen.outcome);
        match &seen.outcome {
            Outcome::Failed { message, .. } => self.count_failure(message.clone(), 1),
            Outcome::TimedOut { phase } => {
                self.count_failure(format!("timed out {phase}"), 1);
            }
            Outcome::Incomplete => {
                if let Some(missing) = seen.notes.iter().find(|note| note.is_missing()) {
                    self.count_failure(missing.in_words().to_owned(), 1);
                }
            }
            Outcome::Completed | Outcome::Cancelled => {}
        }
    }

    pub fn figures(&self) -> Figures {
        let seconds = |to: Option<Stamp>| {
            let seconds = to?.since(self.first_sent?).as_secs_f64();
            Some(seconds).filter(|s| *s > 0.0)
        };
        let wall_s = seconds(self.last_done);
        let per_s = |count: f64| wall_s.map(|wall| count / wall);
        let total = self.counts.outcomes.total();
        let good = f64::from(self.good);
        let spread = |which: Time| spread(&self.times[which as usize]);
        let has_work = !self.times[Time::WorkQueue as usize].is_empty();
        Figures {
            wall_s,
            requests_per_s: per_s(f64::from(self.counts.outcomes.completed)),
            tokens_per_s: per_s(self.counts.tokens as f64),
            sent_per_s: seconds(self.last_sent).map(|s| f64::from(self.sent - 1) / s),
            ttft_ms: spread(Time::Ttft),
            ttft_scheduled_ms: spread(Time::TtftScheduled),
            client_queue_ms: spread(Time::ClientQueue),
            connect_ms: spread(Time::Connect),
            tpot_ms: spread(Time::TpotMany).or_else(|| spread_of_values(&self.tpot_ms)),
            itl_ms: spread(Time::Itl),
            e2e_ms: spread(Time::E2e),
            slo: self.slo.as_ref().map(|slo| Goodput {
                limits: slo.text().to_owned(),
                good: self.good,
                share: (total > 0).then(|| good / f64::from(total)),
                per_s: per_s(good),
            }),
            turns: self.turns.figures(),
            work: has_work.then(|| WorkFigures {
                queue_ms: spread(Time::WorkQueue),
                cpu_ms: spread(Time::WorkCpu),
                file_ms: spread(Time::WorkFile),
            }),
            cache: Some(self.cache),
            ..self.counts.clone()
        }
    }
}

/// Servers report the counts, so the sum saturates.
fn add_to(sum: &mut u64, tokens: u64) {
    *sum = sum.saturating_add(tokens);
}

fn earliest(a: Option<Stamp>, b: Option<Stamp>) -> Option<Stamp> {
    a.zip(b).map_or(a.or(b), |(a, b)| Some(a.min(b)))
}

/// In milliseconds; none without times.
fn spread(times: &Samples) -> Option<Spread> {
    let percentiles = times.percentiles_ms(&PERCENTILES).try_into().ok()?;
    let mut spread = spread_of_parts(times.len(), times.mean_ms()?, percentiles)?;
    spread.relative_error = (!times.is_exact()).then_some(HISTOGRAM_ERROR);
    Some(spread)
}

/// None without values.
fn spread_of_values(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let percentiles = PERCENTILES.map(|p| percentile_by(sorted.len(), p, |rank| sorted[rank]));
    spread_of_parts(sorted.len(), mean(&sorted)?, percentiles)
}

/// Leaves out the tails that `n` cannot carry.
fn spread_of_parts(n: usize, mean: f64, percentiles: [Option<f64>; 6]) -> Option<Spread> {
    let [min, p50, p90, p95, p99, max] = percentiles;
    let mut needs = BTreeMap::new();
    let [p90, p95, p99] =
        [("p90", 90.0, p90), ("p95", 95.0, p95), ("p99", 99.0, p99)].map(|(name, p, tail)| {
            let needed = samples_needed(p).expect("every tail has a sample that carries it");
            if n < needed {
                needs.insert(name.to_owned(), needed);
            }
            tail.filter(|_| n >= needed)
        });
    Some(Spread {
        n,
        mean,
        min: min?,
        p50: p50?,
        p90,
        p95,
        p99,
        max: max?,
        needs,
        relative_error: None,
    })
}

#[cfg(test)]
mod tests;
