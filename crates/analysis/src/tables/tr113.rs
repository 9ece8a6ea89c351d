//! TR113's tables, numbered as there, each with the measured truth beside TR113's own figures.

mod options;
mod overall;

use super::Table;
use super::column::{TableColumn, estimate, label, number, setting, words};
use super::facts::{scenario_title, section};
use super::figures::FIGURES;
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

/// The columns that name a scenario, its source and how many configurations it has.
fn scenario_columns() -> Vec<TableColumn> {
    vec![
        label("scenario", "scenario").from("title"),
        label("source", "source").from("label"),
        number("n", "configs (n)", 0).from("configs").derived(),
    ]
}

/// The truth columns for each topology; where there is only a published table, they are unknown and have no `n`.
fn truth_columns(view: &View<'_>) -> Vec<TableColumn> {
    let sources = || view.sources.iter().enumerate();
    let of_data = sources().any(|(_, source)| !source.is_published());
    let mut truth = vec![
        estimate("speedup", "true speedup (×)", 3),
        estimate("decode_overlap_percent", "decode overlap (%)", 0)
            .from("decode_overlap")
            .percent(),
        words("verdict", "verdict"),
        words("cause", "main cause"),
    ];
    if of_data {
        truth.push(number("n", "runs (n)", 0));
        truth = truth
            .into_iter()
            .map(|column| column.unknown_if("is_data"))
            .collect();
    }
    let shown = sources().filter(|(_, source)| source.is_published() != of_data);
    let several = view.several_topologies();
    let columns = shown.flat_map(|(place, _)| {
        truth
            .iter()
            .map(move |column| view.of_source(column, place, several))
    });
    columns.collect()
}

fn matrix(view: &View<'_>, scenario: &str) -> Table {
    let name = scenario_title(scenario);
    let (id, title) = match section(scenario) {
        Some(number) => (format!("{number}-{scenario}"), format!("{number} {name}")),
        None => (scenario.to_owned(), name),
    };
    let mut columns = vec![
        label("config", "config"),
        setting("num_gpu", "GPU").from("known_num_gpu"),
        setting("num_ctx", "CTX").from("known_num_ctx"),
        setting("temperature", "TEMP").from("known_temperature"),
    ];
    for figure in &FIGURES {
        columns.extend(view.each_source(&figure.table_column()));
    }
    let flag = label("contention", "contention flag")
        .from("flag")
        .of_data();
    columns.extend(view.each_source(&flag.unknown_if("is_there")));
    columns.extend(truth_columns(view));
    let keys = [
        "config",
        "known_num_gpu",
        "known_num_ctx",
        "known_temperature",
    ];
    let rows = view.by_source(view.scenario_frame(scenario), &keys);
    view.table(&id, &title, rows, &columns).note(
        "`speedup est` is TR113's figure: the sum of the agents' times while they run together, over \
         the wall time. `true speedup` is measured against running the agents in turn.",
    )
}
