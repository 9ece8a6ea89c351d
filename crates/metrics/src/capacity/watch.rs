//! When a level that runs is looked at, and when it has been seen enough of.

use domain::Nanos;
use domain::record::RequestRecord;
use domain::record::capacity::{CapacitySettings, Decision, Verdict, Window};

use super::{LevelFigures, Objective, Rule, Sample, steady_window};

/// Requests that count before the first look, at least.
const FIRST_LOOK: u32 = 32;

/// A level's throughput is known when its interval is this share of it, either way.
const KNOWN_TO: f64 = 0.02;

/// Requests of each agent after which a level is not kept on for its throughput alone.
const ROUNDS: u32 = 16;

/// Decides while a level runs when to look at it and when it has been seen enough of.
#[derive(Debug)]
pub struct Watch<'a> {
    asked: &'a CapacitySettings,
    objective: &'a Objective,
    agents: u32,
    budget: u32,
    next: u32,
    looks: Vec<u32>,
    /// The next look waits for this many records, because counting them is not free.
    wait_for: usize,
}

/// Whether a level goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    On,
    /// It is decided, by this look.
    Decided(Window, Decision),
    /// Its budget is used up.
    Budget,
}

impl<'a> Watch<'a> {
    pub fn new(asked: &'a CapacitySettings, objective: &'a Objective, agents: u32) -> Self {
        let budget = asked.budget.requests(agents);
        let next = FIRST_LOOK.max(agents.saturating_mul(2)).min(budget.max(1));
        let warmup = agents.saturating_mul(asked.warmup);
        Self {
            asked,
            objective,
            agents,
            budget,
            next,
            looks: Vec::new(),
            wait_for: warmup.saturating_add(next) as usize,
        }
    }

    /// Requests that counted at each look that did not decide.
    pub fn looks(&self) -> &[u32] {
        &self.looks
    }

    /// Looks at all requests that have ended by now, in the order of their ends, if it is time to.
    pub fn see(&mut self, records: &[RequestRecord]) -> Watched {
        if records.len() < self.wait_for {
            return Watched::On;
        }
        let think = Nanos::from_secs_f64(self.asked.think_s);
        let window = steady_window(records, self.agents, self.asked.warmup, think, None);
        let sample = window.map(|window| (window, Sample::of(records, window)));
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let counted = sample.as_ref().map_or(0, |(_, sample)| count(sample.len()));
        if let Some((window, sample)) = &sample
            && counted >= self.next
            && counted < self.budget
        {
            let error_probability = self.asked.error_probability;
            let rule = Rule { error_probability };
            let decision = rule.judge(sample, self.objective, &self.looks);
            let decided = decision.verdict != Verdict::Unresolved;
            if decided && self.is_known(records, *window, counted) {
                return Watched::Decided(*window, decision);
            }
            self.looks.push(counted);
            self.next = counted.saturating_mul(2).min(self.budget);
        }
        // One agent that is never answered must not keep a level open: what was taken counts.
        let warmup = self.agents.saturating_mul(self.asked.warmup);
        let taken = count(records.len()).saturating_sub(warmup);
        if counted >= self.budget || taken >= self.budget.saturating_add(self.agents) {
            return Watched::Budget;
        }
        self.wait_for = records.len() + self.next.saturating_sub(counted).max(1) as usize;
        Watched::On
    }

    /// True when throughput is known well enough to be compared, or after [`ROUNDS`] requests of each agent.
    fn is_known(&self, records: &[RequestRecord], window: Window, counted: u32) -> bool {
        if counted >= self.agents.max(FIRST_LOOK / 4).saturating_mul(ROUNDS) {
            return true;
        }
        let figures = LevelFigures::of(records, self.agents, window, self.objective);
        let (mean, interval) = (figures.tokens_per_s.mean, figures.tokens_per_s.interval());
        interval.is_some_and(|i| i.hi - i.lo <= 2.0 * KNOWN_TO * mean)
    }
}
