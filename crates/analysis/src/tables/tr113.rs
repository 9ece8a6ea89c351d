//! TR113's tables, numbered as there, each with the measured truth beside TR113's own figures.

mod options;
mod overall;

use super::Table;
use super::column::TableColumn;
use super::facts::{scenario_title, section};
use super::view::View;
use options::{contention_by_layers, temperature, temperature_mismatch};
use overall::{
    averages, contention, distribution, peak, recommended, scenarios_against_tr110, sweet_spots,
};

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    let mut tables = vec![
        averages(view),
        scenarios_against_tr110(view),
        distribution(view),
        contention(view),
        sweet_spots(view),
        recommended(view),
    ];
    for scenario in view.scenarios() {
        tables.push(matrix(view, scenario));
        match section(scenario) {
            Some("3.1") => {
                tables.push(contention_by_layers(view, scenario));
                tables.push(temperature(view, scenario));
            }
            Some("3.2") => tables.push(temperature_mismatch(view, scenario)),
            Some(_) => {
                tables.push(temperature(view, scenario));
                tables.push(peak(view, scenario));
            }
            None => tables.push(temperature(view, scenario)),
        }
    }
    tables.sort_by_cached_key(|t| order(&t.id));
    tables
}

/// Sections in the report's order: `3.1`, `3.1.2`, `3.2`, …, then what has no number.
fn order(id: &str) -> (bool, Vec<u32>, String) {
    let number = id.split('-').next().unwrap_or_default();
    let parts: Vec<u32> = number.split('.').filter_map(|p| p.parse().ok()).collect();
    (parts.is_empty(), parts, id.to_owned())
}

/// The truth columns for each topology; where there is only a published table, all is unknown.
fn truth_columns(view: &View<'_>) -> Vec<TableColumn> {
    let sources = || view.sources.iter().enumerate();
    let of_data = sources().any(|(_, source)| !source.is_published());
    let truth = view.columns(if of_data { "truth" } else { "unknown-truth" });
    let shown = sources().filter(|(_, source)| source.is_published() != of_data);
    let several = view.several_topologies();
    let of = |place| {
        truth
            .iter()
            .map(move |column| view.of_source(column, place, several))
    };
    shown.flat_map(|(place, _)| of(place)).collect()
}

/// A declared table with the truth columns at its end.
fn with_truth(view: &View<'_>, id: &str, rows: polars::prelude::LazyFrame) -> Table {
    view.table_of(id, &[view.columns(id), truth_columns(view)].concat(), rows)
}

fn matrix(view: &View<'_>, scenario: &str) -> Table {
    let title = scenario_title(scenario);
    let keys = [
        "config",
        "known_num_gpu",
        "known_num_ctx",
        "known_temperature",
    ];
    let rows = view.by_source(&view.scenario_frame(scenario), &keys);
    let table = with_truth(view, "matrix", rows);
    match section(scenario) {
        Some(number) => table.named(format!("{number}-{scenario}"), format!("{number} {title}")),
        None => table.named(scenario, title),
    }
}
