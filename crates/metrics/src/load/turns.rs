//! A load turn by turn.

use std::collections::BTreeMap;

use domain::Nanos;
use domain::record::load::TurnFigures;
use domain::record::{ServerCounters, Turn};

use super::{Samples, spread};

#[derive(Debug, Clone, Default)]
pub(super) struct Turns(BTreeMap<u32, Tally>);

#[derive(Debug, Clone, Default)]
struct Tally {
    ttft: Samples,
    prompt: Mean,
    cached: Mean,
}

/// Values of which only the mean is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: u128,
    n: u64,
}

impl Mean {
    pub(super) fn push(&mut self, value: Option<u64>) {
        self.sum += u128::from(value.unwrap_or(0));
        self.n += u64::from(value.is_some());
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.n += other.n;
    }

    /// The mean in multiples of `unit`; none without values.
    pub(super) fn of(self, unit: f64) -> Option<f64> {
        (self.n > 0).then(|| self.sum as f64 / unit / self.n as f64)
    }
}

impl Turns {
    /// Counts a completed request in.
    pub(super) fn add(
        &mut self,
        turn: Turn,
        ttft: Option<Nanos>,
        counters: &ServerCounters,
        limit: Option<usize>,
    ) {
        let tally = self.0.entry(turn.turn).or_insert_with(|| Tally {
            ttft: limit.map_or_else(Samples::default, Samples::limited),
            ..Tally::default()
        });
        if let Some(ttft) = ttft {
            tally.ttft.push(ttft);
        }
        tally.prompt.push(counters.prompt_eval_count);
        tally.cached.push(counters.prompt_eval_cached_count);
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (turn, more) in other.0 {
            let tally = self.0.entry(turn).or_default();
            tally.ttft.merge(more.ttft);
            tally.prompt.merge(more.prompt);
            tally.cached.merge(more.cached);
        }
    }

    pub(super) fn figures(&self) -> Vec<TurnFigures> {
        let figures = self.0.iter().map(|(turn, tally)| TurnFigures {
            turn: *turn,
            ttft_ms: spread(&tally.ttft),
            prompt_tokens_mean: tally.prompt.of(1.0),
            cached_tokens_mean: tally.cached.of(1.0),
        });
        figures.collect()
    }
}
