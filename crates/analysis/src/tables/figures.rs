//! The figures that TR113 gives of a configuration.

use super::Cell;
use super::column::{TableColumn, estimate};

#[derive(Debug)]
pub(super) struct Figure {
    /// Column in the frame of configurations, and beginning of the key in CSV.
    pub(super) column: &'static str,
    pub(super) key: &'static str,
    /// Heading with its unit.
    pub(super) heading: &'static str,
    /// Name in comparisons of published figures.
    pub(super) name: &'static str,
    /// Decimals as printed by TR113.
    pub(super) decimals: usize,
    pub(super) signed: bool,
}

const fn figure(
    column: &'static str,
    key: &'static str,
    [heading, name]: [&'static str; 2],
    decimals: usize,
    signed: bool,
) -> Figure {
    Figure {
        column,
        key,
        heading,
        name,
        decimals,
        signed,
    }
}

pub(super) const EFFICIENCY: Figure = figure(
    "efficiency_est",
    "efficiency_est_percent",
    ["efficiency est (%)", "efficiency (%)"],
    1,
    false,
);

/// In TR113's order.
pub(super) const FIGURES: [Figure; 4] = [
    figure(
        "speedup_est",
        "speedup_est",
        ["speedup est (×)", "speedup"],
        3,
        false,
    ),
    EFFICIENCY,
    figure(
        "ttft_delta_ms",
        "ttft_delta_ms",
        ["TTFT delta (ms)"; 2],
        0,
        true,
    ),
    figure("tp_delta", "tp_delta", ["TP delta (tok/s)"; 2], 2, true),
];

impl Figure {
    /// The figure with its interval where it is a mean of runs. One that the published table lacks is not unknown: it
    /// was not published.
    pub(super) fn table_column(&self) -> TableColumn {
        let column = estimate(self.key, self.heading, self.decimals).from(self.column);
        let column = column.unknown_if("is_data");
        if self.signed { column.signed() } else { column }
    }

    /// A number as this figure is shown, or unknown.
    pub(super) fn show(&self, value: Option<f64>) -> Cell {
        if self.signed {
            Cell::known_signed(value, self.decimals)
        } else {
            Cell::known(value, self.decimals)
        }
    }
}
