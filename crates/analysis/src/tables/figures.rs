//! The figures that TR113 gives of a configuration.

use metrics::summary::Statistics;
use metrics::{Estimate, PublishedRow};

use super::Cell;
use super::view::RowData;

#[derive(Debug)]
pub(super) struct Figure {
    /// Key in CSV.
    pub(super) key: &'static str,
    /// Heading with its unit.
    pub(super) heading: &'static str,
    /// Name in comparisons of published figures.
    pub(super) name: &'static str,
    /// Decimals as printed by TR113.
    pub(super) decimals: usize,
    pub(super) signed: bool,
    /// As computed from runs.
    pub(super) of: fn(&Statistics) -> Option<Estimate>,
    /// As published.
    pub(super) published: fn(&PublishedRow) -> Option<f64>,
}

pub(super) const SPEEDUP: Figure = Figure {
    key: "speedup_est",
    heading: "speedup est (×)",
    name: "speedup",
    decimals: 3,
    signed: false,
    of: |s| s.speedup_est,
    published: |r| Some(r.speedup),
};

pub(super) const EFFICIENCY: Figure = Figure {
    key: "efficiency_est_percent",
    heading: "efficiency est (%)",
    name: "efficiency (%)",
    decimals: 1,
    signed: false,
    of: |s| s.efficiency_est,
    published: |r| Some(r.efficiency_percent),
};

pub(super) const TTFT_DELTA: Figure = Figure {
    key: "ttft_delta_ms",
    heading: "TTFT delta (ms)",
    name: "TTFT delta (ms)",
    decimals: 0,
    signed: true,
    of: |s| s.ttft_delta_ms,
    published: |r| r.ttft_delta_ms,
};

pub(super) const TP_DELTA: Figure = Figure {
    key: "tp_delta",
    heading: "TP delta (tok/s)",
    name: "TP delta (tok/s)",
    decimals: 2,
    signed: true,
    of: |s| s.tp_delta,
    published: |r| r.tp_delta,
};

/// In TR113's order.
pub(super) const FIGURES: [Figure; 4] = [SPEEDUP, EFFICIENCY, TTFT_DELTA, TP_DELTA];

impl Figure {
    pub(super) fn value(&self, row: &RowData<'_>) -> Option<f64> {
        let mean = || (self.of)(&row.summary?.stats).map(|e| e.mean);
        row.published.map_or_else(mean, self.published)
    }

    /// A number as this figure is shown, or unknown.
    pub(super) fn show(&self, value: Option<f64>) -> Cell {
        if self.signed {
            Cell::known_signed(value, self.decimals)
        } else {
            Cell::known(value, self.decimals)
        }
    }

    /// The figure of a row, with its interval where it is a mean of runs. One that the published table
    /// lacks is not unknown: it was not published.
    pub(super) fn cell(&self, row: Option<&RowData<'_>>) -> Cell {
        let Some(row) = row else {
            return Cell::Empty;
        };
        match row.summary {
            Some(summary) => {
                let estimate = (self.of)(&summary.stats);
                Cell::scaled(estimate.as_ref(), 1.0, self.decimals, self.signed)
            }
            None => match self.value(row) {
                None => Cell::Empty,
                published => self.show(published),
            },
        }
    }
}
