//! One server against one per agent, paired by repetition.

use std::collections::BTreeMap;

use domain::plan::{ConfigId, Topology};

use super::{Paired, Quantity, TopologyComparison};
use crate::run::RunMetrics;
use crate::stats::{Estimate, Location, holm};

/// The comparison of each configuration that has pairs.
pub(super) fn comparisons(ids: &[ConfigId], runs: &[RunMetrics]) -> Vec<TopologyComparison> {
    ids.iter().filter_map(|id| comparison(id, runs)).collect()
}

fn comparison(id: &ConfigId, runs: &[RunMetrics]) -> Option<TopologyComparison> {
    let mut both: BTreeMap<u32, [Option<&RunMetrics>; 2]> = BTreeMap::new();
    for run in runs
        .iter()
        .filter(|r| r.config == *id && r.excluded.is_none())
    {
        let side = match run.topology? {
            Topology::Shared => 0,
            Topology::PerAgent => 1,
        };
        both.entry(run.repetition).or_default()[side].get_or_insert(run);
    }
    let pairs: Vec<_> = both
        .into_values()
        .filter_map(|[shared, own]| Some((shared?, own?)))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let over_agents = |value: fn(&crate::run::AgentMetrics) -> Option<f64>| {
        move |run: &RunMetrics| run.over_agents(value)
    };
    let quantity = |name: &'static str| move |run: &RunMetrics| Quantity::named(name)?.of_run(run);
    let mut found = [
        paired(&pairs, quantity("wall_s")),
        paired(&pairs, quantity("throughput_together")),
        paired(&pairs, over_agents(|a| a.ttft)),
        paired(&pairs, over_agents(|a| a.rate)),
        paired(&pairs, quantity("speedup_est")),
        paired(&pairs, quantity("speedup")),
        paired(&pairs, |run| run.memory_peak_bytes),
    ];
    let tested: Vec<usize> = (0..found.len())
        .filter(|i| found[*i].is_some_and(|p| p.p_holm.is_some()))
        .collect();
    let raw: Vec<f64> = found.iter().flatten().filter_map(|p| p.p_holm).collect();
    for (i, p) in tested.into_iter().zip(holm(&raw)) {
        if let Some(paired) = &mut found[i] {
            paired.p_holm = Some(p);
        }
    }
    let [
        wall_s,
        throughput,
        ttft_s,
        rate,
        speedup_est,
        speedup,
        memory_peak_bytes,
    ] = found;
    Some(TopologyComparison {
        id: id.clone(),
        pairs: pairs.len() as u32,
        wall_s,
        throughput,
        ttft_s,
        rate,
        speedup_est,
        speedup,
        memory_peak_bytes,
    })
}

/// Over the pairs that have the value, never negative, on both sides; `p_holm` is not yet corrected.
fn paired(
    pairs: &[(&RunMetrics, &RunMetrics)],
    value: impl Fn(&RunMetrics) -> Option<f64>,
) -> Option<Paired> {
    let (shared, own): (Vec<f64>, Vec<f64>) = pairs
        .iter()
        .filter_map(|(a, b)| value(a).zip(value(b)))
        .unzip();
    let difference: Vec<f64> = shared.iter().zip(&own).map(|(a, b)| b - a).collect();
    let ratio: Vec<f64> = shared.iter().zip(&own).map(|(a, b)| b / a).collect();
    Some(Paired {
        shared: Estimate::of_sizes(&shared)?,
        per_agent: Estimate::of_sizes(&own)?,
        difference: Estimate::of(&difference)?,
        ratio: Estimate::of_ratios(&ratio),
        p_holm: Location::of(&difference).map(|d| d.p(0.0)),
    })
}
