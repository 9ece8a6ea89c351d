//! A load's figures: counted as records arrive, so that no record is kept.

mod agents;
mod arrivals;
mod kept;
mod many;
mod parts;
mod samples;

use std::collections::BTreeMap;

use domain::cache::CacheCheck;
use domain::record::load::{Figures, Goodput, Spread};
use domain::record::{RequestRecord, RequestTimes, ResponseNote, TokenSource};
use domain::{Nanos, Outcome, OutcomeCounts, Stamp};

use crate::RequestMetrics;
use crate::limit::Objective;
use crate::stats::{mean, percentile_by, samples_needed};

pub use agents::{AgentFigures, ByAgent, Fairness};
pub use arrivals::Arrivals;
pub use kept::{End, Kept, Phases, Request};
pub use many::HISTOGRAM_ERROR;
pub use samples::Samples;

/// Tails that are printed when the sample can carry them.
const TAILS: [f64; 3] = [90.0, 95.0, 99.0];
const NAMES: [&str; 3] = ["p90", "p95", "p99"];
/// The least, the median, the tails and the most, as percentiles.
const ASKED: [f64; 6] = [0.0, 50.0, TAILS[0], TAILS[1], TAILS[2], 100.0];

/// A connection that took so long lost its first packet: systems repeat it after one second. On a
/// network that loses nothing, a listener whose accept queue is full has dropped it.
const SLOW_CONNECT: Nanos = Nanos::from_secs(1);

/// What is kept of the records so far. Latencies, in milliseconds, are those of completed requests;
/// connection times those of every request that found no connection free.
#[derive(Debug, Default)]
pub struct Collected {
    slo: Option<Objective>,
    outcomes: OutcomeCounts,
    failures: BTreeMap<String, u32>,
    tokens: u64,
    tokens_estimated: u64,
    tokens_not_completed: u64,
    notes: BTreeMap<ResponseNote, u32>,
    clock_warnings: u32,
    sent: u32,
    first_sent: Option<Stamp>,
    last_sent: Option<Stamp>,
    last_done: Option<Stamp>,
    good: u32,
    ttft: Samples,
    ttft_scheduled: Samples,
    client_queue: Samples,
    connect: Samples,
    slow_connects: u32,
    /// In milliseconds: a quotient, not a whole number of nanoseconds.
    tpot: Vec<f64>,
    /// All of them, to the nanosecond, once there are more than `limit`.
    tpot_many: Samples,
    itl: Samples,
    e2e: Samples,
    turns: parts::Turns,
    work: parts::Works,
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
        let samples = || Samples::limited(most);
        Self {
            slo,
            ttft: samples(),
            ttft_scheduled: samples(),
            client_queue: samples(),
            connect: samples(),
            tpot_many: Samples::limited(0),
            itl: samples(),
            e2e: samples(),
            work: parts::Works::limited(most),
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
            self.work.add(work);
        }
        if let Some(turn) = record.turn.filter(|_| seen.outcome.is_completed()) {
            self.turns.add(turn, of.ttft, &seen.counters, self.limit);
        }
        self.cache.add(record);
        self.count_outcome(seen);
        for note in seen.notes.iter().filter(|note| !note.is_missing()) {
            *self.notes.entry(*note).or_default() += 1;
        }
        if let Some(sent) = seen.sent {
            self.sent += 1;
            self.first_sent = earliest(self.first_sent, Some(sent));
            self.last_sent = self.last_sent.max(Some(sent));
        }
        if let Some(connect) = seen.connect {
            self.connect.push(connect);
            self.slow_connects += u32::from(connect >= SLOW_CONNECT);
        }
        if !seen.outcome.is_completed() {
            add_to(&mut self.tokens_not_completed, seen.tokens);
            return;
        }
        self.last_done = self.last_done.max(seen.done);
        add_to(&mut self.tokens, seen.tokens);
        if seen.tokens_from == TokenSource::Estimated {
            add_to(&mut self.tokens_estimated, seen.tokens);
        }
        self.clock_warnings += u32::try_from(of.clock_warnings.len()).unwrap_or(u32::MAX);
        if self
            .slo
            .as_ref()
            .is_some_and(|slo| slo.is_met(of, seen.tokens))
        {
            self.good += 1;
        }
        for (into, time) in [
            (&mut self.ttft, of.ttft),
            (&mut self.ttft_scheduled, of.ttft_scheduled),
            (&mut self.client_queue, of.client_queue),
            (&mut self.e2e, of.e2e),
        ] {
            if let Some(time) = time {
                into.push(time);
            }
        }
        if let Some(tpot) = of.tpot {
            self.add_tpot(tpot);
        }
        for gap in of.itl.iter().flatten() {
            self.itl.push(*gap);
        }
    }

    /// Counts in what `other` has counted under the same limits; the order of merging does not matter.
    pub fn merge(&mut self, other: Self) {
        let sum = |a: &mut u32, b| *a += b;
        self.outcomes += other.outcomes;
        sum(&mut self.clock_warnings, other.clock_warnings);
        sum(&mut self.sent, other.sent);
        sum(&mut self.good, other.good);
        sum(&mut self.slow_connects, other.slow_connects);
        for (words, count) in other.failures {
            self.count_failure(words, count);
        }
        add_to(&mut self.tokens, other.tokens);
        add_to(&mut self.tokens_estimated, other.tokens_estimated);
        add_to(&mut self.tokens_not_completed, other.tokens_not_completed);
        for (note, count) in other.notes {
            *self.notes.entry(note).or_default() += count;
        }
        self.first_sent = earliest(self.first_sent, other.first_sent);
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_done = self.last_done.max(other.last_done);
        self.ttft.merge(other.ttft);
        self.ttft_scheduled.merge(other.ttft_scheduled);
        self.client_queue.merge(other.client_queue);
        self.connect.merge(other.connect);
        for ms in other.tpot {
            self.add_tpot(ms / 1e3);
        }
        self.tpot_many.merge(other.tpot_many);
        self.turns.merge(other.turns);
        self.work.merge(other.work);
        self.cache.merge(other.cache);
        self.itl.merge(other.itl);
        self.e2e.merge(other.e2e);
    }

    /// The gaps between consecutive chunks with output, of all completed requests.
    pub fn into_itl(self) -> Samples {
        self.itl
    }

    /// `tpot` in seconds.
    fn add_tpot(&mut self, tpot: f64) {
        let full = self.limit.is_some_and(|limit| self.tpot.len() >= limit);
        if !full && self.tpot_many.is_empty() {
            self.tpot.push(tpot * 1e3);
            return;
        }
        for ms in std::mem::take(&mut self.tpot) {
            self.tpot_many.push(Nanos::from_millis_f64(ms));
        }
        self.tpot_many.push(Nanos::from_secs_f64(tpot));
    }

    /// Servers may put an id into their words, so that no two are alike.
    fn count_failure(&mut self, words: String, count: u32) {
        let known = self.failures.contains_key(&words) || self.failures.len() < MOST_FAILURES;
        let words = if known { words } else { OTHERS.to_owned() };
        *self.failures.entry(words).or_default() += count;
    }

    fn count_outcome(&mut self, seen: &RequestTimes) {
        self.outcomes.count(&seen.outcome);
        match &seen.outcome {
            Outcome::Failed { message, .. } => self.count_failure(message.clone(), 1),
            Outcome::TimedOut { phase } => {
                self.count_failure(format!("timed out ({phase:?})"), 1);
            }
            Outcome::Incomplete => {
                let missing = seen.notes.iter().find(|note| note.is_missing());
                if let Some(missing) = missing {
                    self.count_failure(missing.in_words().to_owned(), 1);
                }
            }
            Outcome::Completed | Outcome::Cancelled => {}
        }
    }

    pub fn figures(&self) -> Figures {
        let wall_s = self
            .last_done
            .zip(self.first_sent)
            .map(|(done, sent)| done.since(sent).as_secs_f64())
            .filter(|wall| *wall > 0.0);
        let per_s = |count: f64| wall_s.map(|wall| count / wall);
        let total = self.outcomes.total();
        let sending_s = self
            .last_sent
            .zip(self.first_sent)
            .map(|(last, first)| last.since(first).as_secs_f64())
            .filter(|s| *s > 0.0);
        Figures {
            outcomes: self.outcomes,
            failures: self.failures.clone(),
            wall_s,
            tokens: self.tokens,
            tokens_estimated: self.tokens_estimated,
            tokens_not_completed: self.tokens_not_completed,
            requests_per_s: per_s(f64::from(self.outcomes.completed)),
            tokens_per_s: per_s(self.tokens as f64),
            sent_per_s: sending_s.map(|s| f64::from(self.sent - 1) / s),
            ttft_ms: spread(&self.ttft),
            ttft_scheduled_ms: spread(&self.ttft_scheduled),
            client_queue_ms: spread(&self.client_queue),
            connect_ms: spread(&self.connect),
            slow_connects: self.slow_connects,
            tpot_ms: if self.tpot_many.is_empty() {
                spread_of_values(&self.tpot)
            } else {
                spread(&self.tpot_many)
            },
            itl_ms: spread(&self.itl),
            e2e_ms: spread(&self.e2e),
            slo: self.slo.as_ref().map(|slo| Goodput {
                limits: slo.text().to_owned(),
                good: self.good,
                share: (total > 0).then(|| f64::from(self.good) / f64::from(total)),
                per_s: per_s(f64::from(self.good)),
            }),
            notes: self.notes.clone(),
            clock_warnings: self.clock_warnings,
            turns: self.turns.figures(),
            work: self.work.figures(),
            cache: Some(self.cache),
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
    let [min, p50, p90, p95, p99, max] = times.percentiles_ms(&ASKED).try_into().ok()?;
    let asked = [min, p50, p90, p95, p99, max];
    let spread = spread_of_parts(times.len(), times.mean_ms()?, asked)?;
    Some(Spread {
        relative_error: (!times.is_exact()).then_some(HISTOGRAM_ERROR),
        ..spread
    })
}

/// None without values.
fn spread_of_values(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let asked = ASKED.map(|p| percentile_by(sorted.len(), p, |rank| sorted[rank]));
    spread_of_parts(sorted.len(), mean(&sorted)?, asked)
}

/// Leaves out the tails that `n` cannot carry.
fn spread_of_parts(n: usize, mean: f64, asked: [Option<f64>; 6]) -> Option<Spread> {
    let [min, p50, tails @ .., max] = asked;
    let mut needs = BTreeMap::new();
    let mut shown = [None; 3];
    for (((shown, tail), p), name) in shown.iter_mut().zip(tails).zip(TAILS).zip(NAMES) {
        let needed = samples_needed(p)?;
        if n >= needed {
            *shown = tail;
        } else {
            needs.insert(name.to_owned(), needed);
        }
    }
    let [p90, p95, p99] = shown;
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
