//! Tables: TR113's, the TR110 report's, and the measured truth beside them, from whatever data
//! there are. A table renders to aligned Markdown for readers and to CSV for machines.

mod energy;
mod facts;
mod hardware;
#[cfg(test)]
mod tests;
mod tr110;
mod tr113;
mod truth;
mod view;

pub(crate) use document::number::{four_digits as short_number, plain, signed};
pub(crate) use document::verdict::{topology as topology_word, word as verdict_word};
pub use document::{Cell, Column, Kind, Origin, Table};
use metrics::{Estimate, Summary};

pub(crate) use facts::scenario_title;
pub use truth::{Difference, Shown};
pub(crate) use truth::{cell_difference, differences, differences_table, paired};
pub(crate) use view::{RowData, View};

/// The summary without configurations of which only a published row is known: those stand in the
/// columns of the published table, not among the measured ones.
pub(crate) fn with_runs(summary: &Summary) -> Summary {
    let mut measured = summary.clone();
    let ran = |id: &domain::plan::ConfigId, topology| {
        summary
            .runs
            .iter()
            .any(|r| r.config == *id && r.topology == topology)
    };
    let Summary {
        configs,
        scenarios,
        overall,
        best,
        ..
    } = &mut measured;
    configs.retain(|c| ran(&c.id, c.topology));
    for groups in [scenarios, overall] {
        groups.retain(|group| configs.iter().any(|c| group.holds(c)));
    }
    best.retain(|b| ran(&b.id, b.topology));
    measured
}

/// The mean of times, rates or counts: its interval is cut at zero, below which none of them can lie.
fn mean_of_amounts(values: &[f64]) -> Option<Estimate> {
    Estimate::of(values).map(|e| e.within((0.0, f64::INFINITY)))
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
    tables.extend(energy::table(view));
    tables.retain(|table| !table.rows.is_empty());
    tables
}
