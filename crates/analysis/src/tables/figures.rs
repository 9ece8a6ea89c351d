//! The figures that TR113 gives of a configuration.

use super::Cell;

#[derive(Debug)]
pub(super) struct Figure {
    /// Beginning of its columns in the frame of configurations.
    pub(super) column: &'static str,
    /// With its unit.
    pub(super) heading: &'static str,
    /// Name in comparisons of published figures.
    pub(super) name: &'static str,
    /// Decimals as printed by TR113.
    pub(super) decimals: usize,
    pub(super) is_signed: bool,
}

const fn figure(
    column: &'static str,
    [heading, name]: [&'static str; 2],
    decimals: usize,
    is_signed: bool,
) -> Figure {
    Figure {
        column,
        heading,
        name,
        decimals,
        is_signed,
    }
}

/// In TR113's order.
pub(super) const FIGURES: [Figure; 4] = [
    figure("speedup_est", ["speedup est (×)", "speedup"], 3, false),
    figure(
        "efficiency_est",
        ["efficiency est (%)", "efficiency (%)"],
        1,
        false,
    ),
    figure("ttft_delta_ms", ["TTFT delta (ms)"; 2], 0, true),
    figure("tp_delta", ["TP delta (tok/s)"; 2], 2, true),
];

impl Figure {
    /// A number as this figure is shown, or unknown.
    pub(super) fn show(&self, value: Option<f64>) -> Cell {
        if self.is_signed {
            Cell::known_signed(value, self.decimals)
        } else {
            Cell::known(value, self.decimals)
        }
    }
}
