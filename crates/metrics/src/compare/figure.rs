//! The figures that comparisons know, of sweeps, loads and capacity runs.

use crate::limit::{Statistic, latency};
use crate::stats::NOT_NEGATIVE;
use crate::summary::{Better, QUANTITIES, Quantity};

/// A figure that each run has one value of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// Its name in `report.json`, or one of the names below.
    pub(super) name: &'static str,
    /// Its unit; empty for a ratio or a count.
    pub(super) unit: &'static str,
    pub(super) better: Better,
    /// The percentile of the run's requests that it is.
    pub(super) percentile: Option<f64>,
}

/// The percentiles of each latency, after its mean.
pub(super) const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// Latencies of a run's completed requests, seconds: the mean and then [`PERCENTILES`].
pub(super) const LATENCIES: [[&str; 5]; 5] = [
    ["ttft_s", "ttft_p50", "ttft_p90", "ttft_p95", "ttft_p99"],
    [
        "ttft_scheduled_s",
        "ttft_scheduled_p50",
        "ttft_scheduled_p90",
        "ttft_scheduled_p95",
        "ttft_scheduled_p99",
    ],
    ["tpot_s", "tpot_p50", "tpot_p90", "tpot_p95", "tpot_p99"],
    ["itl_s", "itl_p50", "itl_p90", "itl_p95", "itl_p99"],
    ["e2e_s", "e2e_p50", "e2e_p90", "e2e_p95", "e2e_p99"],
];

/// Further figures of loads and of a capacity run's levels, and how many agents it found to be carried.
const OTHERS: [(&str, &str, Better); 5] = [
    ("tokens_per_s", "tok/s", Better::Higher),
    ("requests_per_s", "1/s", Better::Higher),
    ("good_per_s", "1/s", Better::Higher),
    ("failed_share", "", Better::Lower),
    ("agents_carried", "", Better::Higher),
];

/// The figures that are tested without being named.
pub(super) const PRIMARY: [&str; 5] = [
    "wall_s",
    "ttft_s",
    "throughput_together",
    "tokens_per_s",
    "agents_carried",
];

impl Figure {
    /// Every figure, in the order in which rows show them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let figure = |name, unit, better, percentile| Self {
            name,
            unit,
            better,
            percentile,
        };
        let of_runs = QUANTITIES.iter();
        let of_runs = of_runs.map(move |q| figure(q.name, q.unit, q.better, None));
        let latencies = LATENCIES.into_iter().flat_map(move |names| {
            let percentiles = std::iter::once(None).chain(PERCENTILES.map(Some));
            let both = names.into_iter().zip(percentiles);
            both.map(move |(name, p)| figure(name, "s", Better::Lower, p))
        });
        let others = OTHERS.map(|(name, unit, better)| figure(name, unit, better, None));
        of_runs.chain(latencies).chain(others)
    }

    /// Fails with the names that there are.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let name = match latency(name) {
            Some((figure, Some(Statistic::Mean))) => &format!("{}_s", figure.name()),
            _ if name == "failed" => "failed_share",
            _ => name,
        };
        Self::all().find(|f| f.name == name).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(|figure| figure.name).collect();
            format!("unknown figure `{name}`; known are {}", known.join(", "))
        })
    }

    /// The values it can have, both ends included.
    pub(super) fn range(&self) -> (f64, f64) {
        Quantity::named(self.name).map_or(NOT_NEGATIVE, Quantity::range)
    }
}
