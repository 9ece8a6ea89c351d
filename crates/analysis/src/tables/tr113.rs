//! TR113's tables, numbered as there, each with the measured truth beside TR113's own figures.

mod options;
mod overall;

use domain::plan::ConfigId;

use super::facts::{cause_phrase, scenario_title};
use super::view::{RowData, Setting, Source, View};
use super::{Cell, Kind, Origin, Table, verdict_word};
use options::{contention_by_layers, temperature, temperature_mismatch};
use overall::{
    averages, contention, distribution, peak, recommended, scenarios_against_tr110, sweet_spots,
};

/// TR113's section of a scenario's matrix.
fn section(scenario: &str) -> Option<&'static str> {
    match scenario {
        "baseline_vs_chimera" => Some("3.1"),
        "chimera_hetero" => Some("3.2"),
        "chimera_homo" => Some("3.3"),
        _ => None,
    }
}

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    let mut tables = Vec::new();
    for scenario in view.scenarios() {
        tables.push(matrix(view, scenario));
        if section(scenario) == Some("3.1") {
            tables.push(contention_by_layers(view, scenario));
        }
        if section(scenario) == Some("3.2") {
            tables.push(temperature_mismatch(view, scenario));
        } else {
            tables.push(temperature(view, scenario));
        }
        if section(scenario) == Some("3.3") {
            tables.push(peak(view, scenario));
        }
    }
    tables.push(averages(view));
    tables.push(scenarios_against_tr110(view));
    tables.push(distribution(view));
    tables.push(contention(view));
    tables.push(sweet_spots(view));
    tables.push(recommended(view));
    tables.sort_by_cached_key(|t| order(&t.id));
    tables
}

/// Sections in the report's order: `3.1`, `3.1.2`, `3.2`, …, then what has no number.
fn order(id: &str) -> (bool, Vec<u32>, String) {
    let number = id.split('-').next().unwrap_or_default();
    let parts: Vec<u32> = number.split('.').filter_map(|p| p.parse().ok()).collect();
    (parts.is_empty(), parts, id.to_owned())
}

/// One column per source; with a single source neither key nor heading names it.
fn per_source(table: &mut Table, view: &View<'_>, key: &str, heading: &str, kind: Kind) {
    for source in &view.sources {
        source_column(table, view, source, key, heading, kind);
    }
}

fn source_column(
    table: &mut Table,
    view: &View<'_>,
    source: &Source,
    key: &str,
    heading: &str,
    kind: Kind,
) {
    if view.sources.len() == 1 {
        table.column(key, heading, kind, source.origin);
    } else {
        let key = format!("{key}_{}", source.key);
        table.column(
            key,
            format!("{heading}, {}", source.label),
            kind,
            source.origin,
        );
    }
}

/// The value of a row's figure, with its interval where it is a mean of runs.
fn figure(row: Option<&RowData<'_>>, pick: Pick, decimals: usize, signed: bool) -> Cell {
    let Some(row) = row else {
        return Cell::Empty;
    };
    if let Some(summary) = row.summary {
        let stats = &summary.stats;
        let estimate = match pick {
            Pick::Speedup => stats.speedup_est.as_ref(),
            Pick::Efficiency => stats.efficiency_est.as_ref(),
            Pick::TtftDelta => stats.ttft_delta_ms.as_ref(),
            Pick::TpDelta => stats.tp_delta.as_ref(),
        };
        return Cell::scaled(estimate, 1.0, decimals, signed);
    }
    let value = match pick {
        Pick::Speedup => row.speedup_est,
        Pick::Efficiency => row.efficiency_est,
        Pick::TtftDelta => row.ttft_delta_ms,
        Pick::TpDelta => row.tp_delta,
    };
    // A figure that the published table lacks is not unknown: it was not published.
    value.map_or(Cell::Empty, |v| {
        if signed {
            Cell::signed(v, decimals)
        } else {
            Cell::number(v, decimals)
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Pick {
    Speedup,
    Efficiency,
    TtftDelta,
    TpDelta,
}

/// A setting of one agent, or `A/B` where two agents set different ones.
fn setting(options: [Setting; 2], get: impl Fn(&Setting) -> Option<f64>) -> Cell {
    let show = |v: f64| v.to_string();
    match (get(&options[0]), get(&options[1])) {
        (Some(a), Some(b)) if (a - b).abs() > f64::EPSILON => {
            Cell::text(format!("{}/{}", show(a), show(b)))
        }
        (_, Some(b)) => Cell::text(show(b)),
        (Some(a), None) => Cell::text(show(a)),
        (None, None) => Cell::Empty,
    }
}

fn yes_no(row: Option<&RowData<'_>>) -> Cell {
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

/// The truth columns: measured speedup, overlap, verdict, cause, n.
fn truth_columns(table: &mut Table, view: &View<'_>) {
    for source in data_sources(view) {
        let several = data_sources(view).count() > 1;
        let (tail, of) = if several {
            (format!("_{}", source.key), format!(", {}", source.label))
        } else {
            (String::new(), String::new())
        };
        let origin = source.origin;
        table.column(
            format!("speedup{tail}"),
            format!("true speedup (×){of}"),
            Kind::Estimate,
            origin,
        );
        table.column(
            format!("decode_overlap_percent{tail}"),
            format!("decode overlap (%){of}"),
            Kind::Estimate,
            origin,
        );
        table.column(
            format!("verdict{tail}"),
            format!("verdict{of}"),
            Kind::Text,
            Origin::Derived,
        );
        table.column(
            format!("cause{tail}"),
            format!("main cause{of}"),
            Kind::Text,
            Origin::Derived,
        );
        table.column(
            format!("n{tail}"),
            format!("runs (n){of}"),
            Kind::Number,
            origin,
        );
    }
    if data_sources(view).next().is_none() {
        table.column(
            "speedup",
            "true speedup (×)",
            Kind::Estimate,
            Origin::Published,
        );
        table.column(
            "decode_overlap_percent",
            "decode overlap (%)",
            Kind::Estimate,
            Origin::Published,
        );
        table.column("verdict", "verdict", Kind::Text, Origin::Derived);
        table.column("cause", "main cause", Kind::Text, Origin::Derived);
    }
}

fn truth_cells(view: &View<'_>, config: &ConfigId, cells: &mut Vec<Cell>) {
    let mut any = false;
    for (index, source) in view.sources.iter().enumerate() {
        if source.is_published() {
            continue;
        }
        any = true;
        let Some(summary) = view.row(index, config).and_then(|r| r.summary) else {
            cells.extend(std::iter::repeat_n(Cell::Empty, 5));
            continue;
        };
        cells.push(Cell::estimate(summary.stats.speedup.as_ref(), 3));
        cells.push(Cell::scaled(
            summary.stats.decode_overlap.as_ref(),
            100.0,
            0,
            false,
        ));
        cells.push(Cell::text(verdict_word(summary.verdict)));
        cells.push(cause_phrase(summary).map_or(Cell::Unknown, Cell::Text));
        cells.push(Cell::count(
            summary.runs - summary.runs_excluded.min(summary.runs),
        ));
    }
    if !any {
        cells.extend(std::iter::repeat_n(Cell::Unknown, 4));
    }
}

fn data_sources<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v Source> {
    view.sources.iter().filter(|s| !s.is_published())
}

fn matrix(view: &View<'_>, scenario: &str) -> Table {
    let title = scenario_title(scenario);
    let mut table = match section(scenario) {
        Some(number) => Table::new(format!("{number}-{scenario}"), format!("{number} {title}")),
        None => Table::new(scenario, title),
    }
    .note(
        "`speedup est` is TR113's figure: the sum of the agents' times while they run together, over \
         the wall time. `true speedup` is measured against running the agents in turn.",
    );
    table.label("config", "config");
    table.column("num_gpu", "GPU", Kind::Number, Origin::Label);
    table.column("num_ctx", "CTX", Kind::Number, Origin::Label);
    table.column("temperature", "TEMP", Kind::Number, Origin::Label);
    per_source(
        &mut table,
        view,
        "speedup_est",
        "speedup est (×)",
        Kind::Estimate,
    );
    per_source(
        &mut table,
        view,
        "efficiency_est_percent",
        "efficiency est (%)",
        Kind::Estimate,
    );
    per_source(
        &mut table,
        view,
        "ttft_delta_ms",
        "TTFT delta (ms)",
        Kind::Estimate,
    );
    per_source(
        &mut table,
        view,
        "tp_delta",
        "TP delta (tok/s)",
        Kind::Estimate,
    );
    per_source(
        &mut table,
        view,
        "contention",
        "contention flag",
        Kind::Text,
    );
    truth_columns(&mut table, view);
    for config in view.configs(scenario) {
        let options = view.options(config);
        let mut cells = vec![
            Cell::text(config.as_str()),
            setting(options, |o| o.num_gpu),
            setting(options, |o| o.num_ctx),
            setting(options, |o| o.temperature),
        ];
        let rows: Vec<_> = (0..view.sources.len())
            .map(|s| view.row(s, config))
            .collect();
        cells.extend(rows.iter().map(|r| figure(*r, Pick::Speedup, 3, false)));
        cells.extend(rows.iter().map(|r| figure(*r, Pick::Efficiency, 1, false)));
        cells.extend(rows.iter().map(|r| figure(*r, Pick::TtftDelta, 0, true)));
        cells.extend(rows.iter().map(|r| figure(*r, Pick::TpDelta, 2, true)));
        cells.extend(rows.iter().map(|r| yes_no(*r)));
        truth_cells(view, config, &mut cells);
        table.row(cells);
    }
    table
}

/// `k/n` and the rate; unknown when nothing has a flag.
fn rate_cells((contended, known): (u32, u32)) -> [Cell; 2] {
    if known == 0 {
        return [Cell::Unknown, Cell::Unknown];
    }
    [
        Cell::text(format!("{contended}/{known}")),
        Cell::number(100.0 * f64::from(contended) / f64::from(known), 0),
    ]
}

fn best<'r, 'a>(view: &'r View<'a>, source: usize, scenario: &str) -> Option<&'r RowData<'a>> {
    view.rows
        .iter()
        .filter(|r| r.source == source && r.scenario == scenario)
        .filter(|r| r.efficiency_est.is_some())
        .max_by(|a, b| {
            let value = |r: &RowData<'_>| r.efficiency_est.unwrap_or(f64::NEG_INFINITY);
            value(a).total_cmp(&value(b))
        })
}
