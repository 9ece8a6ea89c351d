//! Tables: TR113's, the TR110 report's, and the measured truth beside them, from the data
//! that are there. A table renders to aligned Markdown for readers and to CSV for machines.
//!
//! `View` makes a frame of the data, with a row for each configuration in each source. A table's rows are a polars
//! expression over it, and `tables.toml` declares its title, note and columns. Those of other reports are made from their
//! own rows in the same way, by `table_of`.

mod column;
mod facts;
mod frame;
mod hardware;
mod settings;
#[cfg(test)]
mod tests;
mod tr110;
mod tr113;
mod truth;
mod view;

pub(crate) use document::number::{four_digits as short_number, plain, signed};
pub(crate) use document::verdict::topology as topology_word;
pub use document::{Cell, Column, Kind, Origin, Table};
use metrics::{ConfigSummary, Summary};

pub(crate) use column::table_of;
pub(crate) use facts::scenario_title;
pub(crate) use frame::frame;
pub(crate) use settings::{Setting, Settings};
pub use truth::{Difference, DisplayedFigure};
pub(crate) use truth::{cell_difference, differences, differences_table};
pub(crate) use view::View;

/// The summary without configurations of which only a published row is known: those stand in the
/// columns of the published table, not among the measured ones.
pub(crate) fn with_runs(summary: &Summary) -> Summary {
    let mut measured = summary.clone();
    let ran = |id: &domain::plan::ConfigId, topology| {
        let mut runs = summary.runs.iter();
        runs.any(|r| r.config == *id && r.topology == topology)
    };
    measured.configs.retain(|c| ran(&c.id, c.topology));
    measured.best.retain(|b| ran(&b.id, b.topology));
    let configs = &measured.configs;
    for groups in [&mut measured.scenarios, &mut measured.overall] {
        groups.retain(|group| configs.iter().any(|c| group.holds(c)));
    }
    measured
}

/// The runs of a configuration that take part in its aggregates.
pub(crate) fn taking_part(config: &ConfigSummary) -> u32 {
    config.runs.saturating_sub(config.runs_excluded)
}

/// Every table the data can fill, TR113's first, in TR113's order.
pub(crate) fn all(view: &View<'_>) -> Vec<Table> {
    if view.rows.is_empty() {
        return Vec::new();
    }
    let mut tables = Vec::new();
    if view.tr113 {
        tables.extend(tr113::tables(view));
        tables.extend(tr110::tables(view));
    } else {
        tables.push(tr110::instances(view));
    }
    tables.extend(truth::tables(view));
    tables.extend(hardware::table(view));
    tables.push(truth::energy(view));
    tables.retain(|table| !table.rows.is_empty());
    tables
}
