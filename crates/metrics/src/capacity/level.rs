//! A level's figures over its steady window.

use domain::record::RequestRecord;
use domain::record::capacity::Window;
use domain::record::load::Figures;
use domain::{Nanos, Stamp};
use serde::Serialize;

use super::bunches::{BLOCKS, block_means};
use super::sample::Sample;
use crate::Estimate;
use crate::limit::Objective;
use crate::load::Collected;
use crate::request::LatencyFigure;
use crate::stats::{bounds, jain, mean, median};

/// An agent below this share of the median agent's throughput starves.
const STARVED_BELOW: f64 = 0.5;

/// What a level did while it was steady.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelFigures {
    pub agents: u32,
    pub window: Window,
    /// Recorded in all.
    pub requests: u32,
    /// Of those: began before the window, to warm up.
    pub warmup: u32,
    /// Of those: began after the window, while the level ended.
    pub after: u32,
    /// Tokens that arrived in the window, per second.
    pub tokens_per_s: Estimate,
    /// The same of ten equal stretches of the window.
    pub block_tokens_per_s: Vec<f64>,
    /// Completed requests among those that count, over the window's length.
    pub requests_per_s: f64,
    /// Requests that keep every limit on a request's own latency, over the window's length.
    pub goodput_per_s: f64,
    /// Their share of the requests that count; none without any.
    pub good_share: Option<f64>,
    /// Mean end-to-end time with its interval over stretches of time, seconds.
    pub e2e_s: Option<Estimate>,
    pub fairness: Fairness,
    /// Outcomes and latencies of the requests that count.
    pub load: Figures,
}

/// How evenly the agents were served in the window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fairness {
    /// Jain's index of the agents' throughputs; none when no token arrived.
    pub jain: Option<f64>,
    /// The least throughput over the greatest.
    pub min_over_max: Option<f64>,
    /// The least agent's throughput.
    pub least_tokens_per_s: f64,
    /// The median agent's.
    pub median_tokens_per_s: f64,
    /// The greatest agent's.
    pub most_tokens_per_s: f64,
    /// Agents with less than half of the median throughput.
    pub starved: u32,
    /// The longest that an agent with an open request waited for a token, seconds.
    pub longest_wait_s: f64,
    pub longest_wait_agent: u32,
}

impl LevelFigures {
    pub fn of(
        records: &[RequestRecord],
        agents: u32,
        window: Window,
        objective: &Objective,
    ) -> Self {
        let sample = Sample::of(records, window);
        let mut collected = Collected::new(None);
        for (record, _) in &sample.counted {
            collected.add(record);
        }
        let seconds = window.seconds();
        let block_s = seconds / BLOCKS as f64;
        let mut blocks = vec![0.0; BLOCKS as usize];
        let mut per_agent = vec![0.0; agents as usize];
        for record in records {
            for (at, tokens) in arrivals(record) {
                if window.holds(at) {
                    blocks[window.block(at, BLOCKS)] += tokens / block_s;
                    if let Some(agent) = per_agent.get_mut(record.agent as usize) {
                        *agent += tokens / seconds;
                    }
                }
            }
        }
        let good = sample.good(objective);
        let good_count = good.iter().filter(|i| i.ok > 0).count() as f64;
        let load = collected.figures();
        let scheduled = || records.iter().map(|r| r.times.scheduled);
        let count = |requests: usize| u32::try_from(requests).unwrap_or(u32::MAX);
        Self {
            agents,
            window,
            requests: count(records.len()),
            warmup: count(scheduled().filter(|at| *at < window.from).count()),
            after: count(scheduled().filter(|at| *at >= window.to).count()),
            tokens_per_s: Estimate::of_blocks(&blocks).expect("ten finite numbers have a mean"),
            block_tokens_per_s: blocks,
            requests_per_s: f64::from(load.outcomes.completed) / seconds,
            goodput_per_s: good_count / seconds,
            good_share: (!good.is_empty()).then(|| good_count / good.len() as f64),
            e2e_s: e2e(&sample),
            fairness: fairness(records, &per_agent, window),
            load,
        }
    }
}

fn e2e(sample: &Sample<'_>) -> Option<Estimate> {
    let values = sample.latencies(LatencyFigure::E2e);
    let all: Vec<f64> = values.iter().map(|(_, _, v)| *v).collect();
    let mut estimate = Estimate::of_blocks(&block_means(&values, sample.window, BLOCKS))?;
    estimate.mean = mean(&all)?;
    Some(estimate.within((f64::NEG_INFINITY, f64::INFINITY)))
}

/// A request's tokens dealt evenly to its chunks, since servers count tokens and stamp chunks.
fn arrivals(record: &RequestRecord) -> impl Iterator<Item = (Stamp, f64)> + '_ {
    let times = &record.times;
    let each = times.tokens as f64 / times.chunks.len().max(1) as f64;
    times.chunks.iter().map(move |at| (*at, each))
}

fn fairness(records: &[RequestRecord], per_agent: &[f64], window: Window) -> Fairness {
    let (least, most) = bounds(per_agent).unwrap_or_default();
    let middle = median(per_agent).unwrap_or(0.0);
    let starved = per_agent.iter().filter(|x| **x < STARVED_BELOW * middle);
    let (wait, agent) = longest_wait(records, window);
    Fairness {
        jain: jain(per_agent),
        min_over_max: (most > 0.0).then(|| least / most),
        least_tokens_per_s: least,
        median_tokens_per_s: middle,
        most_tokens_per_s: most,
        starved: starved.count() as u32,
        longest_wait_s: wait.as_secs_f64(),
        longest_wait_agent: agent,
    }
}

/// The longest time from the window's beginning on that an agent with an open request got no token, and that agent.
fn longest_wait(records: &[RequestRecord], window: Window) -> (Nanos, u32) {
    let open = |r: &&RequestRecord| r.times.ended > window.from && r.times.scheduled < window.to;
    let waits = records.iter().filter(open).map(|record| {
        let times = &record.times;
        let mut last = times.scheduled.max(window.from);
        let moments = times.chunks.iter().copied().chain([times.ended]);
        let waits = moments.map(|at| {
            let wait = at.since(last);
            last = last.max(at);
            wait
        });
        (waits.max().unwrap_or_default(), record.agent)
    });
    // Of agents that waited as long the first.
    let longest = waits.max_by_key(|(wait, agent)| (*wait, std::cmp::Reverse(*agent)));
    longest.unwrap_or_default()
}
