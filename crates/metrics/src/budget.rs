//! The client's error budget: how it follows from what a client saw and what a server did, up to
//! which load it holds, and what it means for a run. `docs/calibration.md` is the same in prose.

mod compare;

use domain::record::{BudgetStep, ClientBudget};
use domain::{Nanos, Stamp};

use crate::observation::Dataset;

pub use compare::{Compared, Truth};

/// A client is calibrated up to the load at which the mean bias of its stamps reaches this.
pub const LIMIT: Nanos = Nanos::from_millis(1);

/// The window in which the busiest rate of a run is counted.
const WINDOW: Nanos = Nanos::from_secs(1);

/// True when every token of the step could be compared and the mean bias is below [`LIMIT`].
pub fn is_within(step: &BudgetStep) -> bool {
    step.left_out == 0
        && step
            .token_bias
            .is_some_and(|bias| bias.mean_ns < LIMIT.0.cast_signed())
}

/// The highest rate up to which a budget holds: that of the last step before the first whose mean
/// bias is not below [`LIMIT`]. None when not even the first is.
pub fn calibrated_to(budget: &ClientBudget) -> Option<&BudgetStep> {
    let rising = rising(budget);
    rising.into_iter().take_while(|step| is_within(step)).last()
}

fn rising(budget: &ClientBudget) -> Vec<&BudgetStep> {
    let mut steps: Vec<_> = budget.steps.iter().collect();
    steps.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    steps
}

/// The mean bias of a stamp at a rate, nanoseconds and never below zero: linear between the steps to either side, and
/// that of the nearest step beyond the first and the last. None when no step has one.
pub fn bias_at(budget: &ClientBudget, tokens_per_s: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = rising(budget)
        .into_iter()
        .filter_map(|step| {
            let bias = step.token_bias?.mean_ns.max(0);
            Some((step.tokens_per_s, bias as f64))
        })
        .collect();
    let above = points.iter().position(|(rate, _)| *rate >= tokens_per_s);
    match above {
        None => points.last().map(|(_, bias)| *bias),
        Some(0) => points.first().map(|(_, bias)| *bias),
        Some(i) => {
            let ((r0, b0), (r1, b1)) = (points[i - 1], points[i]);
            Some(b0 + (b1 - b0) * (tokens_per_s - r0) / (r1 - r0))
        }
    }
}

/// A run that received more than its client is calibrated to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beyond {
    /// Tokens per second.
    pub received: f64,
    /// Tokens per second; none when the budget holds nowhere.
    pub calibrated: Option<f64>,
    /// The TTFT bias of the first step at or above that rate, else of the last step: its 99th
    /// percentile, or the most where there are too few for one. Nanoseconds.
    pub ttft_late_ns: Option<i64>,
    /// No step came up to the rate: the figure may be later still.
    pub off_the_scale: bool,
}

/// None when the rate is within the budget.
pub fn beyond(budget: &ClientBudget, received: f64) -> Option<Beyond> {
    let calibrated = calibrated_to(budget).map(|step| step.tokens_per_s);
    if calibrated.is_some_and(|rate| received <= rate) {
        return None;
    }
    let rising = rising(budget);
    let reached = rising.iter().find(|step| step.tokens_per_s >= received);
    let at = reached.or(rising.last());
    Some(Beyond {
        received,
        calibrated,
        ttft_late_ns: at
            .and_then(|step| step.ttft_bias)
            .map(|bias| bias.p99_ns.unwrap_or(bias.max_ns)),
        off_the_scale: reached.is_none(),
    })
}

/// The rate at which a data set's tokens came in their busiest second, tok/s: the most chunks with
/// text that any arm received within one. None where no arrival is known.
pub fn busiest(set: &Dataset) -> Option<f64> {
    let arms = set
        .runs
        .iter()
        .flat_map(|run| [&run.together, &run.sequential].into_iter().flatten());
    arms.filter_map(|arm| {
        let requests = arm.agents.iter().flat_map(|agent| &agent.requests);
        busiest_second(requests.flat_map(|r| r.chunks.iter().copied()).collect())
    })
    .max()
    .map(|count| count as f64)
}

/// The most arrivals within one second, of chunks in any order; none without chunks.
pub fn busiest_second(mut arrivals: Vec<Stamp>) -> Option<u64> {
    arrivals.sort_unstable();
    let mut most = 0;
    let mut from = 0;
    for (to, at) in arrivals.iter().enumerate() {
        while at.since(arrivals[from]) >= WINDOW {
            from += 1;
        }
        most = most.max(to - from + 1);
    }
    (most > 0).then_some(most as u64)
}

#[cfg(test)]
mod tests;
