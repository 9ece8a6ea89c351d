//! TR113's tables, numbered as there, each with the measured truth beside TR113's own figures.

mod options;
mod overall;

use document::Field;
use domain::plan::ConfigId;
use metrics::ConfigSummary;

use super::facts::{cause_phrase, scenario_title, section};
use super::figures::FIGURES;
use super::view::{RowData, Source, View};
use super::{Cell, Kind, Origin, Table, percent, taking_part};
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

/// Key and heading of a column of a source; where there are `several` sources, both name it.
fn named(key: &str, heading: &str, source: &Source, several: bool) -> (String, String) {
    if several {
        let Source { key: of, label, .. } = source;
        (format!("{key}_{of}"), format!("{heading}, {label}"))
    } else {
        (key.to_owned(), heading.to_owned())
    }
}

/// A column for each source. `cell` takes the source's place.
fn per_source<'f, T: 'f>(
    view: &View<'_>,
    key: &str,
    heading: &str,
    kind: Kind,
    cell: impl Fn(usize, &T) -> Cell + Copy + 'f,
) -> Vec<Field<'f, T>> {
    let several = view.sources.len() > 1;
    let column = |(place, source): (usize, &Source)| {
        let (key, heading) = named(key, heading, source, several);
        let cell = move |row: &T| cell(place, row);
        Field::new(key, heading, kind, source.origin, cell)
    };
    view.sources.iter().enumerate().map(column).collect()
}

fn config_column<'f>() -> Field<'f, ConfigId> {
    Field::label("config", "config", |id: &ConfigId| Cell::text(id.as_str()))
}

/// A column of a setting: numbers without a unit or grouped digits.
fn setting_column<'f, T: 'f>(
    key: &str,
    heading: &str,
    cell: impl Fn(&T) -> Cell + 'f,
) -> Field<'f, T> {
    Field::new(key, heading, Kind::Number, Origin::Label, cell)
}

/// `yes` or `no` of a single run, else how many of the runs had contention by the flag.
fn flag_cell(row: Option<&RowData<'_>>) -> Cell {
    let Some(row) = row else {
        return Cell::Empty;
    };
    let runs = row.summary.map_or(1, |s| s.runs);
    match row.contended {
        None => Cell::Unknown,
        Some(share) if runs <= 1 => Cell::text(if share > 0.0 { "yes" } else { "no" }),
        Some(share) => Cell::text(format!("{}/{runs}", (share * f64::from(runs)).round())),
    }
}

/// The truth about a configuration: key, heading, kind, whether it is measured itself, the cell.
type Truth = (
    (&'static str, &'static str, Kind, bool),
    fn(&ConfigSummary) -> Cell,
);

const TRUTH: [Truth; 5] = [
    (
        ("speedup", "true speedup (×)", Kind::Estimate, true),
        |s| Cell::estimate(s.stats.speedup.as_ref(), 3),
    ),
    (
        (
            "decode_overlap_percent",
            "decode overlap (%)",
            Kind::Estimate,
            true,
        ),
        |s| Cell::estimate(s.stats.decode_overlap.map(percent).as_ref(), 0),
    ),
    (("verdict", "verdict", Kind::Text, false), |s| {
        Cell::text(s.verdict.word())
    }),
    (("cause", "main cause", Kind::Text, false), |s| {
        cause_phrase(s).map_or(Cell::Unknown, Cell::Text)
    }),
    (("n", "runs (n)", Kind::Number, true), |s| {
        Cell::count(taking_part(s))
    }),
];

/// The truth columns for each topology; where there is only a published table, they are unknown and have no `n`.
fn truth_columns<'f>(view: &'f View<'_>) -> Vec<Field<'f, ConfigId>> {
    let sources = || view.sources.iter().enumerate();
    let of_data = sources().any(|(_, source)| !source.is_published());
    let shown = sources().filter(|(_, source)| source.is_published() != of_data);
    let columns = shown.flat_map(|(place, source)| {
        let truth = TRUTH
            .into_iter()
            .filter(|truth| of_data || truth.0.0 != "n");
        truth.map(move |((key, heading, kind, measured), cell)| {
            let (key, heading) = named(key, heading, source, view.several_topologies());
            let origin = if measured {
                source.origin
            } else {
                Origin::Derived
            };
            Field::new(key, heading, kind, origin, move |id: &ConfigId| {
                let summary = view.row(place, id).and_then(|r| r.summary);
                let absent = if of_data { Cell::Empty } else { Cell::Unknown };
                summary.map_or(absent, cell)
            })
        })
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
        config_column(),
        setting_column("num_gpu", "GPU", |id| view.settings(id).num_gpu.cell()),
        setting_column("num_ctx", "CTX", |id| view.settings(id).num_ctx.cell()),
        setting_column("temperature", "TEMP", |id| {
            view.settings(id).temperature.cell()
        }),
    ];
    for figure in &FIGURES {
        let cell = |place, id: &ConfigId| figure.cell(view.row(place, id));
        let (key, heading) = (figure.key, figure.heading);
        columns.extend(per_source(view, key, heading, Kind::Estimate, cell));
    }
    let flag = |place, id: &ConfigId| flag_cell(view.row(place, id));
    let (key, heading) = ("contention", "contention flag");
    columns.extend(per_source(view, key, heading, Kind::Text, flag));
    columns.extend(truth_columns(view));
    Table::of(id, title, columns, view.configs(scenario)).note(
        "`speedup est` is TR113's figure: the sum of the agents' times while they run together, over \
         the wall time. `true speedup` is measured against running the agents in turn.",
    )
}

/// `k/n`; unknown when nothing has a flag.
fn count_cell((contended, known): (u32, u32)) -> Cell {
    match known {
        0 => Cell::Unknown,
        _ => Cell::text(format!("{contended}/{known}")),
    }
}

/// The percentage of `k` in `n`; unknown when nothing has a flag.
fn rate_cell((contended, known): (u32, u32)) -> Cell {
    match known {
        0 => Cell::Unknown,
        _ => Cell::number(100.0 * f64::from(contended) / f64::from(known), 0),
    }
}

fn best<'r, 'a>(view: &'r View<'a>, source: usize, scenario: &str) -> Option<&'r RowData<'a>> {
    let own = |r: &&RowData<'_>| r.source == source && r.scenario == scenario;
    let known = view.rows.iter().filter(own);
    let known = known.filter_map(|r| Some((r, r.efficiency_est?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
}
