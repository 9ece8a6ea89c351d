//! The one rule for which of several options is best: topologies of a plan and configurations alike.

use std::collections::{BTreeMap, BTreeSet};

use domain::plan::{ConfigId, Topology};
use itertools::Itertools as _;
use serde::Serialize;

use super::{Better, ConfigSummary, Quantity};
use crate::run::RunMetrics;
use crate::stats::{Estimate, Location, studentized_range_p};

/// The best configuration by one quantity, and those that are not distinguishable from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// `speedup`, `throughput_together` or `wall_s`.
    pub by: &'static str,
    pub id: ConfigId,
    pub topology: Option<Topology>,
    /// Geometric mean.
    pub value: Estimate,
    /// The others that are not distinguishable from it, and those with fewer than three runs.
    pub undistinguished: Vec<(ConfigId, Option<Topology>)>,
    /// Configurations compared, itself included.
    pub compared: u32,
}

/// Quantities by which a best configuration is named.
const BY: [&str; 3] = ["wall_s", "throughput_together", "speedup"];

/// The chance that equal options are found to differ.
pub(super) const LEVEL: f64 = 0.05;

/// The positive values of an option, by repetition.
pub(super) type Values = BTreeMap<u32, f64>;

/// `other` against `one` as the difference of logarithms: repetition by repetition where they are paired,
/// else as independent samples (Welch). None where either has fewer than three.
pub(super) fn difference(one: &Values, other: &Values, paired: bool) -> Option<Location> {
    if paired {
        let ratios = one.iter().filter_map(|(at, a)| Some(other.get(at)? / a));
        return Location::of_logs(&ratios.collect_vec());
    }
    Some(location(other)?.minus(location(one)?))
}

fn location(of: &Values) -> Option<Location> {
    Location::of_logs(&of.values().copied().collect_vec())
}

/// Which of several options is best, and how surely it differs from each of the others.
///
/// For two options it is the test of their [`difference`]. For more, Tukey's studentized range accounts
/// for having chosen the best after seeing all. Its error is the pairs' errors pooled, which for paired
/// options is the residual after the effects of options and repetitions, or the pair's own where that
/// is larger: options need not scatter alike.
pub(super) struct Ranking {
    /// Place of the best.
    pub(super) best: usize,
    /// Each option against the best.
    against: Vec<Location>,
}

impl Ranking {
    /// None for fewer than two options, or where one has fewer than three values or one that is not positive.
    pub(super) fn of(options: &[Values], paired: bool, better: Better) -> Option<Self> {
        let count = options.len();
        if count < 2 {
            return None;
        }
        let row = |one: &Values| {
            let row = options.iter().map(|other| difference(one, other, paired));
            row.collect::<Option<Vec<Location>>>()
        };
        let table = options.iter().map(row).collect::<Option<Vec<_>>>()?;
        let sign = if better == Better::Lower { 1.0 } else { -1.0 };
        let behind = |row: &Vec<Location>| -sign * row.iter().map(|to| to.centre).sum::<f64>();
        let best = table.iter().map(behind).position_min_by(f64::total_cmp)?;
        let mut against = table[best].clone();
        if count > 2 {
            let pairs = (count * (count - 1)) as f64;
            let all = table.iter().flatten();
            let squares = all.map(|pair| pair.standard_error.powi(2));
            // A pair of an option with itself has no error where it is paired.
            let itself = (0..count).map(|i| table[i][i].standard_error.powi(2));
            let pooled = ((squares.sum::<f64>() - itself.sum::<f64>()) / pairs).sqrt();
            let freedom = if paired {
                against[(best + 1) % count].freedom * (count - 1) as f64
            } else {
                let own = options.iter().map(location);
                Location::average(&own.collect::<Option<Vec<_>>>()?)?.freedom
            };
            for pair in &mut against {
                pair.standard_error = pair.standard_error.max(pooled);
                pair.freedom = freedom;
            }
        }
        Some(Self { best, against })
    }

    /// Whether the data show that an option is worse than the best.
    pub(super) fn is_worse(&self, place: usize) -> bool {
        let (pair, count) = (self.against[place], self.against.len());
        if place == self.best || pair.p(0.0) >= LEVEL {
            return false;
        }
        let q = std::f64::consts::SQRT_2 * pair.centre.abs() / pair.standard_error;
        count == 2 || studentized_range_p(q, count, pair.freedom) < LEVEL
    }
}

/// The best by each quantity that at least two configurations have three values of. `paired` where
/// repetitions were interleaved.
pub(super) fn best(configs: &[ConfigSummary], runs: &[RunMetrics], paired: bool) -> Vec<Best> {
    BY.iter()
        .filter_map(|name| best_by(Quantity::named(name)?, configs, runs, paired))
        .collect()
}

fn best_by(
    quantity: &Quantity,
    configs: &[ConfigSummary],
    runs: &[RunMetrics],
    paired: bool,
) -> Option<Best> {
    let values = |c: &ConfigSummary| -> Values {
        let own = |r: &&RunMetrics| r.config == c.id && r.topology == c.topology;
        let known = |r: &RunMetrics| Some((r.repetition, quantity.of_run(r).filter(|v| *v > 0.0)?));
        runs.iter().filter(own).filter_map(known).collect()
    };
    let known = configs.iter().map(|c| (c, values(c)));
    let known = known.filter(|(_, values)| !values.is_empty()).collect_vec();
    let enough = known.iter().filter(|(_, values)| values.len() >= 3);
    let (ranked, mut options): (Vec<&ConfigSummary>, Vec<Values>) = enough.cloned().unzip();
    // Paired are the repetitions that all have; without three of them all values count for themselves.
    let whole = |at: &u32| options.iter().all(|values| values.contains_key(at));
    let shared: BTreeSet<u32> = options.first()?.keys().copied().filter(whole).collect();
    let paired = paired && shared.len() >= 3;
    if paired {
        for values in &mut options {
            values.retain(|at, _| shared.contains(at));
        }
    }
    let ranking = Ranking::of(&options, paired, quantity.better)?;
    let apart = |c: &ConfigSummary| {
        let place = ranked.iter().position(|r| std::ptr::eq(*r, c));
        place.is_some_and(|place| place == ranking.best || ranking.is_worse(place))
    };
    let best = ranked[ranking.best];
    let of_best = options[ranking.best].values().copied().collect_vec();
    let not_apart = known.iter().filter(|(c, _)| !apart(c));
    Some(Best {
        by: quantity.name,
        id: best.id.clone(),
        topology: best.topology,
        value: Estimate::of_ratios(&of_best)?,
        undistinguished: not_apart.map(|(c, _)| (c.id.clone(), c.topology)).collect(),
        compared: known.len() as u32,
    })
}

#[cfg(test)]
mod tests;
