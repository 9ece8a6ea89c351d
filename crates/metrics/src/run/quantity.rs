//! The quantities that runs, configurations, scenarios and comparisons share, in one table.

use domain::OutcomeCounts;
use itertools::Itertools as _;
use serde::Serialize;

use super::{Contention, RunMetrics};
use crate::cause::LostSeconds;
use crate::stats::{Estimate, NOT_NEGATIVE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    Neither,
}

/// One quantity: its name in `report.json`, its unit, and where it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// Name in `report.json`.
    pub name: &'static str,
    /// Unit; empty for a ratio.
    pub unit: &'static str,
    pub better: Better,
    run: fn(&RunFigures) -> Option<f64>,
    read: fn(&Statistics) -> Option<Estimate>,
    slot: fn(&mut Statistics) -> &mut Option<Estimate>,
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
        (self.run)(&run.figures).filter(|_| run.excluded.is_none())
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
    pub(crate) fn over_configs(&self, figures: &[f64]) -> Option<Estimate> {
        self.estimate(figures, [Estimate::of_all, Estimate::of_all_ratios])
    }

    fn estimate(&self, values: &[f64], [of, of_ratios]: [EstimateOf; 2]) -> Option<Estimate> {
        let estimate = if self.is_ratio() { of_ratios } else { of };
        Some(estimate(values)?.within(self.range()))
    }

    pub(crate) fn set(&self, statistics: &mut Statistics, estimate: Option<Estimate>) {
        *(self.slot)(statistics) = estimate;
    }
}

/// Runs with contention by each rule; none if it is unknown for every run.
pub type ContentionRuns = Contention<u32>;

/// "Overlap 0 in k of n runs."
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OverlapEvidence {
    /// Runs whose overlap is known.
    pub known: u32,
    /// Of these, runs in which no two agents ever decoded at the same time.
    pub zero: u32,
    /// Of these, runs with an overlap below 5 %.
    pub below_5_percent: u32,
}

/// Declares [`RunFigures`] and [`Statistics`], which have a field for each quantity, and [`QUANTITIES`]. A row is the
/// field, the quantity's name where it leaves out the unit, its unit, and which way it is better.
macro_rules! quantities {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($($(#[$doc:meta])+ $field:ident $(as $name:literal)?, $unit:literal, $better:ident;)*) => {
        /// The quantities of one run. None is unknown, never zero.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
        pub struct RunFigures {
            $($(#[$doc])+ $(#[serde(rename = $name)])? pub $field: Option<f64>,)*
        }

        /// The statistics that configurations, scenarios and the whole share, of the [figures of a run](RunFigures).
        /// None is unknown, never zero.
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct Statistics {
            $($(#[$doc])+ $(#[serde(rename = $name)])? pub $field: Option<Estimate>,)*
            /// Mean seconds lost per run, by cause.
            pub lost_s: Option<LostSeconds>,
            pub contention_runs: ContentionRuns,
            /// Main requests of the together arm, by outcome.
            pub outcomes: OutcomeCounts,
            /// Main requests of the sequential arm, by outcome.
            pub outcomes_sequential: Option<OutcomeCounts>,
            pub overlap: OverlapEvidence,
        }

        /// Every quantity, in the order of [`Statistics`].
        pub const QUANTITIES: &[Quantity] = &[$(Quantity {
            name: quantities!(@name $field $($name)?),
            unit: $unit,
            better: Better::$better,
            run: |figures| figures.$field,
            read: |statistics| statistics.$field,
            slot: |statistics| &mut statistics.$field,
        }),*];
    };
}

// The first six are TR113's figures (section 3a), with its signs. Its estimates are better neither way: they rise with
// every overlap, gain or not.
quantities! {
    /// Wall time together: last `done` less first `sent`, or as recorded.
    wall_s, "s", Lower;
    /// Sum of the agents' times while they ran together.
    sequential_estimated_s, "s", Neither;
    /// Their ratio. It is the same for a serial and a parallel server.
    speedup_est, "", Neither;
    /// `100 * speedup_est / n`.
    efficiency_est_percent as "efficiency_est", "%", Neither;
    /// `TTFT_A - TTFT_B`; positive: B is sooner. None unless there are two agents with tokens.
    ttft_delta_ms, "ms", Neither;
    /// `rate_B - rate_A`, of the recorded or the server's own decode rates.
    tp_delta_tokens_per_s as "tp_delta", "tok/s", Neither;
    /// The sequential arm's wall at the output lengths of the together arm; none, as all that rests on it, without a
    /// usable sequential arm.
    wall_sequential_s, "s", Neither;
    /// The sequential arm's wall as it was.
    wall_sequential_raw_s, "s", Neither;
    /// `wall_sequential_s / wall_s`.
    speedup, "", Higher;
    /// `wall_sequential_raw_s / wall_s`.
    speedup_raw, "", Higher;
    /// `100 * speedup / n`.
    efficiency_percent as "efficiency", "%", Higher;
    /// Sum of the agents' normalised progress; none when a solo time is unknown.
    stp, "", Higher;
    /// Mean of `1 / np_i`.
    antt, "", Lower;
    /// `min np / max np`.
    fairness, "", Higher;
    /// Jain's index of the `np_i`.
    jain, "", Higher;
    /// Time with two or more agents decoding over time with one or more; 0 is serial. None when no agent decoded.
    decode_overlap, "", Neither;
    /// All tokens over the wall time; none without tokens.
    throughput_together_tokens_per_s as "throughput_together", "tok/s", Higher;
    /// All tokens over the wall time in the sequential arm.
    throughput_sequential_tokens_per_s as "throughput_sequential", "tok/s", Higher;
    /// Upper bound of `speedup` from the waits alone, for runs without a sequential arm.
    speedup_upper_bound, "", Neither;
}
