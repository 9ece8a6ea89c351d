//! A load agent by agent: who was served how fast, and who was not served.

use std::collections::BTreeMap;

use domain::Nanos;
use domain::record::RequestRecord;
use serde::{Deserialize, Serialize};

use super::turns::Mean;
use crate::RequestMetrics;
use crate::stats::{bounds, jain};

#[derive(Debug, Clone, Default)]
pub struct ByAgent(BTreeMap<u32, Tally>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    requests: u32,
    completed: u32,
    tokens: u64,
    asking: Nanos,
    ttft: Mean,
    longest_ttft: Option<Nanos>,
    e2e: Mean,
}

/// Nanoseconds of a millisecond.
const MS: f64 = 1e6;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentFigures {
    /// Its number, from 0.
    pub agent: u32,
    /// However they ended.
    pub requests: u32,
    pub completed: u32,
    /// All its tokens, those of requests that did not complete as well.
    pub tokens: u64,
    /// Its time in requests: from each planned start to the end, summed, seconds.
    pub asking_s: f64,
    /// `tokens` over `asking_s`: how fast it was served. None when it has spent no time.
    pub tokens_per_s: Option<f64>,
    /// Mean time from the planned start to the first token, ms; of completed requests.
    pub ttft_scheduled_mean_ms: Option<f64>,
    /// The longest of them, ms.
    pub ttft_scheduled_max_ms: Option<f64>,
    /// Mean time from the send to the final object, ms; of completed requests.
    pub e2e_mean_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// Agents that made a request.
    pub agents: u32,
    /// Those of them with no completed request.
    pub starved: u32,
    pub slowest_tokens_per_s: f64,
    pub fastest_tokens_per_s: f64,
    /// Slowest over fastest: 1 when all were served alike, 0 when one was not served. None when no agent was.
    pub fairness: Option<f64>,
    /// Jain's index of `tokens_per_s`.
    pub jain: Option<f64>,
}

impl ByAgent {
    pub fn add(&mut self, record: &RequestRecord, of: &RequestMetrics) {
        let seen = &record.times;
        let tally = self.0.entry(record.agent).or_default();
        tally.requests += 1;
        tally.tokens = tally.tokens.saturating_add(seen.tokens);
        tally.asking += seen.ended.since(seen.scheduled);
        if seen.outcome.is_completed() {
            tally.completed += 1;
            tally.ttft.push(of.ttft_scheduled.map(|time| time.0));
            tally.longest_ttft = tally.longest_ttft.max(of.ttft_scheduled);
            tally.e2e.push(of.e2e.map(|time| time.0));
        }
    }

    pub fn merge(&mut self, other: Self) {
        for (agent, more) in other.0 {
            let tally = self.0.entry(agent).or_default();
            tally.requests += more.requests;
            tally.completed += more.completed;
            tally.tokens = tally.tokens.saturating_add(more.tokens);
            tally.asking += more.asking;
            tally.ttft.merge(more.ttft);
            tally.longest_ttft = tally.longest_ttft.max(more.longest_ttft);
            tally.e2e.merge(more.e2e);
        }
    }

    /// In the order of their numbers.
    pub fn figures(&self) -> Vec<AgentFigures> {
        let figures = self.0.iter().map(|(agent, tally)| AgentFigures {
            agent: *agent,
            requests: tally.requests,
            completed: tally.completed,
            tokens: tally.tokens,
            asking_s: tally.asking.as_secs_f64(),
            tokens_per_s: tally.tokens_per_s(),
            ttft_scheduled_mean_ms: tally.ttft.of(MS),
            ttft_scheduled_max_ms: tally.longest_ttft.map(Nanos::as_millis_f64),
            e2e_mean_ms: tally.e2e.of(MS),
        });
        figures.collect()
    }

    /// How evenly the agents were served. None for fewer than two agents, or where none made a second request: there
    /// every request is an agent of its own, and the spread of the latencies says all there is to say.
    pub fn fairness(&self) -> Option<Fairness> {
        let tallies = || self.0.values();
        if self.0.len() < 2 || tallies().all(|tally| tally.requests <= 1) {
            return None;
        }
        let rates = tallies().map(|tally| tally.tokens_per_s().unwrap_or(0.0));
        let rates: Vec<f64> = rates.collect();
        let (slowest, fastest) = bounds(&rates)?;
        let starved = tallies().filter(|tally| tally.completed == 0).count();
        Some(Fairness {
            agents: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
            starved: u32::try_from(starved).unwrap_or(u32::MAX),
            slowest_tokens_per_s: slowest,
            fastest_tokens_per_s: fastest,
            fairness: (fastest > 0.0).then(|| slowest / fastest),
            jain: jain(&rates),
        })
    }
}

impl Tally {
    fn tokens_per_s(&self) -> Option<f64> {
        (self.asking > Nanos::ZERO).then(|| self.tokens as f64 / self.asking.as_secs_f64())
    }
}
