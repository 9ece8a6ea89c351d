//! The quantities that runs, configurations, scenarios and comparisons share, in one table.

use itertools::Itertools as _;

use super::Statistics;
use crate::run::RunMetrics;
use crate::stats::{Estimate, NOT_NEGATIVE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    Neither,
}

/// One quantity: its name in `report.json`, its unit, and where it is kept.
#[derive(Clone, Copy)]
pub struct Quantity {
    /// Name in `report.json`.
    pub name: &'static str,
    /// Unit; empty for a ratio.
    pub unit: &'static str,
    pub better: Better,
    run: fn(&RunMetrics) -> Option<f64>,
    read: fn(&Statistics) -> Option<Estimate>,
    slot: fn(&mut Statistics) -> &mut Option<Estimate>,
}

impl std::fmt::Debug for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quantity")
            .field("name", &self.name)
            .field("unit", &self.unit)
            .field("better", &self.better)
            .finish_non_exhaustive()
    }
}

/// How values make an estimate.
type EstimateOf = fn(&[f64]) -> Option<Estimate>;

impl Quantity {
    pub fn named(name: &str) -> Option<&'static Self> {
        QUANTITIES.iter().find(|q| q.name == name)
    }

    /// The values it can have, both ends included.
    pub fn range(&self) -> (f64, f64) {
        match self.name {
            "ttft_delta_ms" | "tp_delta" => (f64::NEG_INFINITY, f64::INFINITY),
            "fairness" | "jain" | "decode_overlap" => (0.0, 1.0),
            _ => NOT_NEGATIVE,
        }
    }

    /// Its value in one run; none where it is unknown or the run is left out.
    pub fn of_run(&self, run: &RunMetrics) -> Option<f64> {
        (self.run)(run).filter(|_| run.excluded.is_none())
    }

    pub fn of(&self, statistics: &Statistics) -> Option<Estimate> {
        (self.read)(statistics)
    }

    /// True for a ratio, which is averaged geometrically; TR113's own ratios are averaged as TR113 does.
    fn is_ratio(&self) -> bool {
        let ratios = "speedup speedup_raw speedup_upper_bound efficiency stp antt fairness";
        ratios.split(' ').contains(&self.name)
    }

    /// The estimate from its values in repeated runs; none without values, or where one is no value of it.
    pub fn over_runs(&self, values: &[f64]) -> Option<Estimate> {
        self.estimate(values, [Estimate::of, Estimate::of_ratios])
    }

    /// The estimate from the figures of several configurations, each of which counts.
    pub(super) fn over_configs(&self, figures: &[f64]) -> Option<Estimate> {
        self.estimate(figures, [Estimate::of_all, Estimate::of_all_ratios])
    }

    fn estimate(&self, values: &[f64], [of, of_ratios]: [EstimateOf; 2]) -> Option<Estimate> {
        let estimate = if self.is_ratio() { of_ratios } else { of };
        Some(estimate(values)?.within(self.range()))
    }

    pub(super) fn set(&self, statistics: &mut Statistics, estimate: Option<Estimate>) {
        *(self.slot)(statistics) = estimate;
    }
}

/// A quantity named as its field of [`Statistics`], and the field of a run, or of a part of a run, that
/// has its value.
macro_rules! quantity {
    ($name:ident, $unit:literal, $better:ident, $part:ident.$field:ident) => {
        quantity!($name, $unit, $better, |r| r
            .$part
            .and_then(|part| part.$field.into()))
    };
    ($name:ident, $unit:literal, $better:ident, $run:expr) => {
        Quantity {
            name: stringify!($name),
            unit: $unit,
            better: Better::$better,
            run: $run,
            read: |s| s.$name,
            slot: |s| &mut s.$name,
        }
    };
}

/// Every quantity, in the order of [`Statistics`].
///
/// TR113's estimates are better neither way: they rise with every overlap, gain or not.
pub static QUANTITIES: [Quantity; 19] = [
    quantity!(wall_s, "s", Lower, tr113.concurrent_wall_time),
    quantity!(
        sequential_estimated_s,
        "s",
        Neither,
        tr113.sequential_estimated_time
    ),
    quantity!(speedup_est, "", Neither, tr113.speedup_est),
    quantity!(efficiency_est, "%", Neither, tr113.efficiency_est),
    quantity!(ttft_delta_ms, "ms", Neither, tr113.ttft_delta_ms),
    quantity!(tp_delta, "tok/s", Neither, tr113.tp_delta),
    quantity!(wall_sequential_s, "s", Neither, baseline.wall_sequential),
    quantity!(
        wall_sequential_raw_s,
        "s",
        Neither,
        baseline.wall_sequential_raw
    ),
    quantity!(speedup, "", Higher, baseline.speedup),
    quantity!(speedup_raw, "", Higher, baseline.speedup_raw),
    quantity!(efficiency, "%", Higher, baseline.efficiency),
    quantity!(stp, "", Higher, baseline.stp),
    quantity!(antt, "", Lower, baseline.antt),
    quantity!(fairness, "", Higher, baseline.fairness),
    quantity!(jain, "", Higher, baseline.jain),
    quantity!(decode_overlap, "", Neither, |r| r.decode_overlap),
    quantity!(throughput_together, "tok/s", Higher, |r| r
        .throughput_together),
    quantity!(
        throughput_sequential,
        "tok/s",
        Higher,
        baseline.throughput_sequential
    ),
    quantity!(speedup_upper_bound, "", Neither, |r| r.speedup_upper_bound),
];
