//! The client's error budget: how it follows from what a client saw and what a server did, up to
//! which load it holds, and what it means for a run. `docs/calibration.md` is the same in prose.

mod compare;

use domain::record::{BudgetStep, ClientBudget};
use domain::{Nanos, Stamp};
use itertools::Itertools as _;

use crate::observation::{Dataset, RunObservation};

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
    rising(budget).take_while(|step| is_within(step)).last()
}

/// The steps in the order of their rates.
fn rising(budget: &ClientBudget) -> impl Iterator<Item = &BudgetStep> {
    let steps = budget.steps.iter();
    steps.sorted_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s))
}

/// The mean bias of a stamp at a rate, nanoseconds and never below zero: linear between the steps to either side, and
/// that of the nearest step beyond the first and the last. None when no step has one.
pub fn bias_at(budget: &ClientBudget, tokens_per_s: f64) -> Option<f64> {
    let points = rising(budget)
        .filter_map(|step| Some((step.tokens_per_s, step.token_bias?.mean_ns.max(0) as f64)))
        .collect_vec();
    let above = points.partition_point(|(rate, _)| *rate < tokens_per_s);
    let (below, above) = (
        above.saturating_sub(1),
        above.min(points.len().checked_sub(1)?),
    );
    let ((r0, b0), (r1, b1)) = (points[below], points[above]);
    Some(if below < above {
        b0 + (b1 - b0) * (tokens_per_s - r0) / (r1 - r0)
    } else {
        b1
    })
}

/// A run that received more than its client is calibrated to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beyond {
    pub received_tokens_per_s: f64,
    /// None when the budget holds nowhere.
    pub calibrated_tokens_per_s: Option<f64>,
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
    let reached = rising(budget).find(|step| step.tokens_per_s >= received);
    let at = reached.or(rising(budget).last());
    let ttft = at.and_then(|step| step.ttft_bias);
    Some(Beyond {
        received_tokens_per_s: received,
        calibrated_tokens_per_s: calibrated,
        ttft_late_ns: ttft.map(|bias| bias.p99_ns.unwrap_or(bias.max_ns)),
        off_the_scale: reached.is_none(),
    })
}

/// The rate at which a data set's tokens came in their busiest second, tok/s: the most chunks with
/// text that any arm received within one. None where no arrival is known.
pub fn busiest(set: &Dataset) -> Option<f64> {
    let arms = set.runs.iter().flat_map(RunObservation::arms);
    let counts = arms.filter_map(|arm| {
        let chunks = arm.requests().flat_map(|r| &r.chunks);
        busiest_second(chunks.copied().collect())
    });
    counts.max().map(|count| count as f64)
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
