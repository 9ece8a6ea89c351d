//! Best configurations, with those that cannot be told apart from them.

use super::{Best, Better, ConfigSummary, Quantity};
use crate::run::RunMetrics;
use crate::stats::{Location, holm};

/// Quantities by which a best configuration is named.
const BY: [&str; 4] = ["speedup", "throughput_together", "wall_s", "speedup_est"];

/// Level of the corrected tests.
const LEVEL: f64 = 0.05;

/// The best by each quantity that at least two configurations have.
pub(super) fn best(configs: &[ConfigSummary], runs: &[RunMetrics]) -> Vec<Best> {
    BY.iter()
        .filter_map(|name| best_by(Quantity::named(name)?, configs, runs))
        .collect()
}

fn best_by(quantity: &Quantity, configs: &[ConfigSummary], runs: &[RunMetrics]) -> Option<Best> {
    let known: Vec<_> = configs
        .iter()
        .filter_map(|c| Some((c, quantity.of(&c.stats)?)))
        .collect();
    if known.len() < 2 {
        return None;
    }
    let rank = |mean: f64| match quantity.better {
        Better::Lower => -mean,
        Better::Higher | Better::Neither => mean,
    };
    // The first of equals, so that the order of configurations decides and nothing else.
    let (best, value) = known
        .iter()
        .rev()
        .max_by(|a, b| rank(a.1.mean).total_cmp(&rank(b.1.mean)))?;
    let values = |c: &ConfigSummary| -> Vec<f64> {
        runs.iter()
            .filter(|r| r.config == c.id && r.topology == c.topology)
            .filter_map(|r| quantity.of_run(r))
            .collect()
    };
    let others: Vec<_> = known
        .iter()
        .map(|(c, _)| *c)
        .filter(|c| !std::ptr::eq(*c, *best))
        .collect();
    let of_best = values(best);
    // Without three runs of each nothing can be told apart.
    let p_values: Vec<f64> = others
        .iter()
        .map(|c| {
            let (best, other) = (Location::of(&of_best), Location::of(&values(c)));
            best.zip(other)
                .map_or(1.0, |(best, other)| best.minus(other).p(0.0))
        })
        .collect();
    let not_told_apart = others
        .iter()
        .zip(holm(&p_values))
        .filter(|(_, p)| *p >= LEVEL)
        .map(|(c, _)| (c.id.clone(), c.topology))
        .collect();
    Some(Best {
        by: quantity.name,
        id: best.id.clone(),
        topology: best.topology,
        value: *value,
        not_told_apart,
        compared: known.len() as u32,
    })
}
