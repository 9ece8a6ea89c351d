//! TR113's tables, numbered as there, each with the measured truth beside TR113's own figures.

use domain::plan::ConfigId;
use metrics::summary::ContentionRuns;

use super::facts::{cause_phrase, scenario_title, verdict_word};
use super::tr110::comparison_figures;
use super::view::{RowData, Setting, Source, Spread, View};
use super::{Cell, Kind, Origin, Table, hardware};

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
    tables.extend(hardware::table(view));
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

fn averages(view: &View<'_>) -> Table {
    let mut table = Table::new("3-averages", "3.1, 3.2, 3.3 Averages by scenario").note(
        "n counts configurations. SD is the sample standard deviation (n - 1), not given below n = 3.",
    );
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.column("n", "configs (n)", Kind::Number, Origin::Derived);
    for (key, heading) in [
        ("speedup_est_mean", "mean speedup est (×)"),
        ("speedup_est_sd", "SD (×)"),
        ("speedup_est_min", "min (×)"),
        ("speedup_est_max", "max (×)"),
        ("efficiency_est_mean_percent", "mean efficiency est (%)"),
        ("efficiency_est_sd_pp", "SD (pp)"),
    ] {
        table.column(key, heading, Kind::Number, Origin::Derived);
    }
    table.column(
        "contention_configs",
        "contention flag (configs)",
        Kind::Number,
        Origin::Derived,
    );
    table.column(
        "contention_rate_percent",
        "contention rate (%)",
        Kind::Number,
        Origin::Derived,
    );
    for group in view.group(None, &["scenario"]) {
        let mut cells = vec![
            Cell::text(scenario_title(&group.keys[0])),
            Cell::text(view.sources[group.source].label.as_str()),
            Cell::count(group.configs),
        ];
        cells.extend(spread_cells(&group.speedup, 3, true));
        cells.extend(spread_cells(&group.efficiency, 1, false));
        cells.extend(rate_cells(group.contended));
        table.row(cells);
    }
    table
}

/// Mean and SD, and with `range` least and greatest.
fn spread_cells(spread: &Spread, decimals: usize, range: bool) -> Vec<Cell> {
    let mut cells = vec![
        Cell::known(spread.mean, decimals),
        spread
            .sd
            .map_or(Cell::Empty, |sd| Cell::number(sd, decimals)),
    ];
    if range {
        cells.push(Cell::known(spread.min, decimals));
        cells.push(Cell::known(spread.max, decimals));
    }
    cells
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

fn temperature(view: &View<'_>, scenario: &str) -> Table {
    let id = match section(scenario) {
        Some("3.1") => "3.1.2-temperature".to_owned(),
        Some("3.3") => "3.3.2-temperature".to_owned(),
        _ => format!("{scenario}-temperature"),
    };
    let number = id.split('-').next().unwrap_or_default().to_owned();
    let groups = view.group(
        Some(scenario),
        &["family", "num_gpu", "num_ctx", "temperature"],
    );
    let mut temperatures: Vec<&String> = groups.iter().map(|g| &g.keys[3]).collect();
    temperatures.sort();
    temperatures.dedup();
    temperatures.retain(|t| !t.is_empty());
    let title = format!("Temperature in {}", scenario_title(scenario));
    let title = if section(scenario).is_some() {
        format!("{number} {title}")
    } else {
        title
    };
    let mut table = Table::new(id, title).note(
        "Efficiency est, percent, and its difference in percentage points. A difference between \
         single runs has no interval: it cannot be told from the spread between equal runs.",
    );
    let [low, high] = match temperatures[..] {
        [low, .., high] => [low.clone(), high.clone()],
        _ => return table,
    };
    table.column("num_gpu", "GPU", Kind::Number, Origin::Label);
    table.column("num_ctx", "CTX", Kind::Number, Origin::Label);
    for temperature in [&low, &high] {
        let key = format!("efficiency_est_t{temperature}_percent");
        let heading = format!("TEMP={temperature} (%)");
        per_source(&mut table, view, &key, &heading, Kind::Number);
    }
    per_source(&mut table, view, "delta_pp", "delta (pp)", Kind::Number);
    let mut seen: Vec<[&String; 3]> = Vec::new();
    for group in &groups {
        let key = [&group.keys[0], &group.keys[1], &group.keys[2]];
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let at = |source: usize, temperature: &str| {
            groups
                .iter()
                .find(|g| {
                    g.source == source
                        && [&g.keys[0], &g.keys[1], &g.keys[2]] == key
                        && g.keys[3] == temperature
                })
                .and_then(|g| g.efficiency.mean)
        };
        let sources = 0..view.sources.len();
        if !sources
            .clone()
            .any(|s| at(s, &low).is_some() && at(s, &high).is_some())
        {
            continue;
        }
        let mut cells = vec![Cell::text(key[1].as_str()), Cell::text(key[2].as_str())];
        for temperature in [&low, &high] {
            cells.extend(sources.clone().map(|s| Cell::known(at(s, temperature), 1)));
        }
        cells.extend(sources.map(|s| {
            let delta = at(s, &low).zip(at(s, &high)).map(|(low, high)| low - high);
            Cell::known_signed(delta, 1)
        }));
        table.row(cells);
    }
    table
}

fn temperature_mismatch(view: &View<'_>, scenario: &str) -> Table {
    let mut table = Table::new("3.2.2-temperature", "3.2.2 Temperature mismatch")
        .note("Each configuration was run with one assignment of temperatures only, and with other offloads: the difference has more than one cause.");
    table.label("config", "config");
    table.label("temperatures", "TEMP A/B");
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
        "delta_to_first_pp",
        "delta to first (pp)",
        Kind::Number,
    );
    let configs = view.configs(scenario);
    for config in &configs {
        let rows: Vec<_> = (0..view.sources.len())
            .map(|s| view.row(s, config))
            .collect();
        let mut cells = vec![
            Cell::text(config.as_str()),
            setting(view.options(config), |o| o.temperature),
        ];
        cells.extend(rows.iter().map(|r| figure(*r, Pick::Efficiency, 1, false)));
        for (source, row) in rows.iter().enumerate() {
            let first = view.row(source, configs[0]).and_then(|r| r.efficiency_est);
            let here = row.and_then(|r| r.efficiency_est);
            let delta = first.zip(here).map(|(first, here)| here - first);
            cells.push(if *config == configs[0] {
                Cell::Empty
            } else {
                Cell::known_signed(delta, 1)
            });
        }
        table.row(cells);
    }
    table
}

fn contention_by_layers(view: &View<'_>, scenario: &str) -> Table {
    let tr110 = comparison_figures();
    let mut table = Table::new("3.1.3-contention", "3.1.3 Contention by GPU layers").note(
        "Configurations flagged, of those with a flag. The repeated `baseline_…` run is a row of its \
         own: TR113 leaves it out of this table. TR110 counts runs, TR113 configurations.",
    );
    table.label("group", "group");
    table.column("num_gpu", "GPU", Kind::Number, Origin::Label);
    per_source(
        &mut table,
        view,
        "contention_configs",
        "flagged",
        Kind::Number,
    );
    per_source(
        &mut table,
        view,
        "contention_rate_percent",
        "rate (%)",
        Kind::Number,
    );
    table.column(
        "tr110_rate_percent",
        "TR110, as cited (%)",
        Kind::Number,
        Origin::Published,
    );
    table.column(
        "tr110_recount_percent",
        "TR110, from its counts (%)",
        Kind::Number,
        Origin::Derived,
    );
    let groups = view.group(Some(scenario), &["family", "num_gpu"]);
    let mut seen: Vec<&[String]> = Vec::new();
    for group in &groups {
        if seen.contains(&group.keys.as_slice()) {
            continue;
        }
        seen.push(&group.keys);
        let of = |source: usize| {
            groups
                .iter()
                .find(|g| g.source == source && g.keys == group.keys)
                .map(|g| rate_cells(g.contended))
        };
        let mut cells = vec![
            Cell::text(group.keys[0].as_str()),
            Cell::text(group.keys[1].as_str()),
        ];
        for part in 0..2 {
            cells.extend(
                (0..view.sources.len())
                    .map(|s| of(s).map_or(Cell::Empty, |cells| cells[part].clone())),
            );
        }
        let cited = (group.keys[0] == "bvc")
            .then(|| tr110.contention(&group.keys[1]))
            .flatten();
        cells.push(cited.map_or(Cell::Empty, |c| Cell::number(c.percent, 0)));
        cells.push(cited.map_or(Cell::Empty, |c| Cell::number(c.recount(), 0)));
        table.row(cells);
    }
    table
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

fn peak(view: &View<'_>, scenario: &str) -> Table {
    let tr110 = comparison_figures();
    let other = tr110.scenario(scenario);
    let mut table = Table::new(
        "3.3.1-peak",
        "3.3.1 Best homogeneous configuration beside TR110's",
    )
    .note(
        "TR110's runs had a server per agent; these figures compare two ways of serving, not two \
         languages.",
    );
    table.label("metric", "metric");
    for source in &view.sources {
        source_column(&mut table, view, source, "value", "best", Kind::Number);
    }
    table.column("tr110", "TR110, as cited", Kind::Number, Origin::Published);
    for source in &view.sources {
        source_column(&mut table, view, source, "delta", "delta", Kind::Number);
    }
    let rows: Vec<_> = (0..view.sources.len())
        .map(|s| best(view, s, scenario))
        .collect();
    let name =
        |row: &Option<&RowData<'_>>| row.map_or(Cell::Empty, |r| Cell::text(r.config.as_str()));
    let mut cells = vec![Cell::text("configuration")];
    cells.extend(rows.iter().map(name));
    cells.push(Cell::text("GPU=80, CTX=2048, TEMP=1.0"));
    cells.extend(rows.iter().map(|_| Cell::Empty));
    table.row(cells);
    let Some(other) = other else {
        return table;
    };
    type Get = fn(&RowData<'_>) -> Option<f64>;
    let lines: [(&str, Get, Option<f64>, usize, bool, bool); 4] = [
        (
            "speedup est (×)",
            |r| r.speedup_est,
            Some(other.best_speedup),
            3,
            false,
            true,
        ),
        (
            "efficiency est (%)",
            |r| r.efficiency_est,
            Some(other.best_efficiency),
            1,
            false,
            false,
        ),
        (
            "TTFT delta (ms)",
            |r| r.ttft_delta_ms,
            other.best_ttft_delta_ms,
            0,
            true,
            false,
        ),
        (
            "TP delta (tok/s)",
            |r| r.tp_delta,
            other.best_tp_delta,
            2,
            true,
            false,
        ),
    ];
    for (metric, get, theirs, decimals, signed, relative) in lines {
        let show = |value: Option<f64>| {
            if signed {
                Cell::known_signed(value, decimals)
            } else {
                Cell::known(value, decimals)
            }
        };
        let values: Vec<Option<f64>> = rows
            .iter()
            .map(|r| r.as_ref().and_then(|r| get(r)))
            .collect();
        let mut cells = vec![Cell::text(metric)];
        cells.extend(values.iter().map(|v| show(*v)));
        cells.push(theirs.map_or(Cell::Empty, |v| show(Some(v))));
        cells.extend(values.iter().map(|value| match value.zip(theirs) {
            None => Cell::Empty,
            Some((ours, theirs)) if relative => Cell::text(format!(
                "{} %",
                super::signed(100.0 * (ours / theirs - 1.0), 1)
            )),
            Some((ours, theirs)) => Cell::signed(ours - theirs, decimals),
        }));
        table.row(cells);
    }
    table
}

fn scenarios_against_tr110(view: &View<'_>) -> Table {
    let tr110 = comparison_figures();
    let mut table = Table::new("4.1-scenarios", "4.1 Scenarios beside TR110's").note(
        "TR113's own estimate on both sides. It cannot tell a serial server from a parallel one, so \
         neither column says whether concurrency paid; see the truth columns of 3.1 to 3.3.",
    );
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.column("n", "configs (n)", Kind::Number, Origin::Derived);
    for (key, heading, origin) in [
        ("best_speedup_est", "best speedup est (×)", Origin::Derived),
        (
            "best_efficiency_est_percent",
            "best efficiency est (%)",
            Origin::Derived,
        ),
        ("mean_speedup_est", "mean speedup est (×)", Origin::Derived),
        (
            "mean_efficiency_est_percent",
            "mean efficiency est (%)",
            Origin::Derived,
        ),
        ("tr110_best_speedup", "TR110 best (×)", Origin::Published),
        ("tr110_mean_speedup", "TR110 mean (×)", Origin::Published),
        ("delta_best_percent", "delta best (%)", Origin::Derived),
        ("delta_mean_percent", "delta mean (%)", Origin::Derived),
    ] {
        table.column(key, heading, Kind::Number, origin);
    }
    for group in view.group(None, &["scenario"]) {
        let other = tr110.scenario(&group.keys[0]);
        let delta = |ours: Option<f64>, theirs: Option<f64>| {
            let both = ours.zip(theirs);
            both.map_or(Cell::Empty, |(o, t)| Cell::signed(100.0 * (o / t - 1.0), 1))
        };
        let (best, mean) = (
            other.map(|o| o.best_speedup),
            other.map(|o| o.average_speedup),
        );
        table.row(vec![
            Cell::text(scenario_title(&group.keys[0])),
            Cell::text(view.sources[group.source].label.as_str()),
            Cell::count(group.configs),
            Cell::known(group.speedup.max, 3),
            Cell::known(group.efficiency.max, 1),
            Cell::known(group.speedup.mean, 3),
            Cell::known(group.efficiency.mean, 1),
            best.map_or(Cell::Empty, |v| Cell::number(v, 3)),
            mean.map_or(Cell::Empty, |v| Cell::number(v, 3)),
            delta(group.speedup.max, best),
            delta(group.speedup.mean, mean),
        ]);
    }
    table
}

fn distribution(view: &View<'_>) -> Table {
    let tr110 = comparison_figures();
    let mut table = Table::new("4.2-distribution", "4.2 Efficiency est over all configurations")
        .note("SD is the sample standard deviation (n - 1) over configurations: differences between configurations, not run-to-run spread.");
    table.label("source", "source");
    for (key, heading) in [
        ("n", "configs (n)"),
        ("min_percent", "min (%)"),
        ("max_percent", "max (%)"),
        ("mean_percent", "mean (%)"),
        ("sd_pp", "SD (pp)"),
        ("above_95", "above 95 % (configs)"),
        ("above_95_percent", "above 95 % (%)"),
    ] {
        table.column(key, heading, Kind::Number, Origin::Derived);
    }
    let share = |count: u32, n: u32| {
        if n == 0 {
            return [Cell::Unknown, Cell::Unknown];
        }
        [
            Cell::text(format!("{count}/{n}")),
            Cell::number(100.0 * f64::from(count) / f64::from(n), 0),
        ]
    };
    for group in view.group(None, &[]) {
        let e = group.efficiency;
        let mut cells = vec![
            Cell::text(view.sources[group.source].label.as_str()),
            Cell::count(group.configs),
            Cell::known(e.min, 1),
            Cell::known(e.max, 1),
            Cell::known(e.mean, 1),
            e.sd.map_or(Cell::Empty, |sd| Cell::number(sd, 1)),
        ];
        cells.extend(share(group.above_95, e.n));
        table.row(cells);
    }
    let cited = tr110.distribution();
    let mut cells = vec![
        Cell::text("TR110, as cited"),
        Cell::count(tr110.configs()),
        Cell::number(cited.min_efficiency, 1),
        Cell::number(cited.max_efficiency, 2),
        Cell::number(cited.mean_efficiency, 1),
        Cell::number(cited.sd_efficiency, 1),
    ];
    cells.extend(share(cited.configs_above_95, tr110.configs()));
    table.row(cells);
    table
}

fn contention(view: &View<'_>) -> Table {
    let tr110 = comparison_figures();
    let mut table = Table::new("4.3-contention", "4.3 Contention, by every rule").note(
        "`flag`: as published or recorded. `ttft rule`: an agent's TTFT exceeds its solo TTFT by more \
         than 3 s. `speedup rule`: speedup est below 1.5. `cause`: more than 5 % of the wall time was \
         lost to other agents or to reloading. Counts of runs; a rule that the data cannot test is \
         unknown.",
    );
    table.label("source", "source");
    table.column("configs", "configs (n)", Kind::Number, Origin::Derived);
    table.column("runs", "runs (n)", Kind::Number, Origin::Derived);
    for (key, heading) in [
        ("flag", "flag"),
        ("flag_percent", "flag rate (%)"),
        ("ttft_rule", "ttft rule"),
        ("speedup_rule", "speedup rule"),
        ("cause", "cause"),
    ] {
        table.column(key, heading, Kind::Number, Origin::Derived);
    }
    for group in view.group(None, &[]) {
        let source = &view.sources[group.source];
        let runs: u32 = summaries(view, group.source)
            .map(|s| s.runs - s.runs_excluded)
            .sum();
        let [count, rate] = rate_cells(group.contended);
        let rule = |pick: fn(&ContentionRuns) -> Option<u32>| {
            if source.is_published() {
                return Cell::Empty;
            }
            let known: Vec<u32> = summaries(view, group.source)
                .filter_map(|s| pick(&s.stats.contention_runs))
                .collect();
            if known.is_empty() {
                Cell::Unknown
            } else {
                Cell::text(format!("{}/{runs}", known.iter().sum::<u32>()))
            }
        };
        let speedup_rule = if source.is_published() {
            let below = view.rows.iter().filter(|r| r.source == group.source);
            let below = below
                .filter(|r| r.speedup_est.is_some_and(|s| s < 1.5))
                .count();
            Cell::text(format!("{below}/{}", group.configs))
        } else {
            rule(|c| c.speedup_rule)
        };
        table.row(vec![
            Cell::text(source.label.as_str()),
            Cell::count(group.configs),
            if source.is_published() {
                Cell::Empty
            } else {
                Cell::count(runs)
            },
            count,
            rate,
            rule(|c| c.ttft_rule),
            speedup_rule,
            rule(|c| c.cause),
        ]);
    }
    let (contended, configs) = (tr110.distribution().contention_configs, tr110.configs());
    let [count, rate] = rate_cells((contended, configs));
    let mut cells = vec![
        Cell::text("TR110, as cited"),
        Cell::count(configs),
        Cell::Empty,
        count,
        rate,
    ];
    cells.extend(std::iter::repeat_n(Cell::Empty, 3));
    table.row(cells);
    table
}

fn summaries<'v, 'a>(
    view: &'v View<'a>,
    source: usize,
) -> impl Iterator<Item = &'a metrics::ConfigSummary> + 'v {
    view.rows
        .iter()
        .filter(move |r| r.source == source)
        .filter_map(|r| r.summary)
}

fn sweet_spots(view: &View<'_>) -> Table {
    let mut table = Table::new(
        "4.4-sweet-spots",
        "4.4 Configuration sweet spots, by TR113's metric",
    )
    .note(
        "The configuration with the highest efficiency est of its scenario. Without repetitions it \
         cannot be told apart from the others; with them see \"Best configurations\".",
    );
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.label("config", "best config");
    table.label("agent_a", "agent A");
    table.label("agent_b", "agent B");
    table.column(
        "efficiency_est_percent",
        "efficiency est (%)",
        Kind::Estimate,
        Origin::Derived,
    );
    table.column("compared", "of configs (n)", Kind::Number, Origin::Derived);
    table.label("verdict", "verdict");
    for scenario in view.scenarios() {
        for (index, source) in view.sources.iter().enumerate() {
            let Some(row) = best(view, index, scenario) else {
                continue;
            };
            let compared = view
                .rows
                .iter()
                .filter(|r| r.source == index && r.scenario == scenario);
            let options = view.options(&row.config);
            table.row(vec![
                Cell::text(scenario_title(scenario)),
                Cell::text(source.label.as_str()),
                Cell::text(row.config.as_str()),
                Cell::text(options[0].words()),
                Cell::text(options[1].words()),
                figure(Some(row), Pick::Efficiency, 1, false),
                Cell::count(compared.count() as u32),
                row.summary
                    .map_or(Cell::Unknown, |s| Cell::text(verdict_word(s.verdict))),
            ]);
        }
    }
    table
}

/// TR113's 6.3: scenario, configuration, expected efficiency in percent.
const RECOMMENDED: [(&str, &str, &str); 3] = [
    ("Baseline + Chimera", "bvc_g120_c512_t0.6", "78-80"),
    ("Heterogeneous", "het_g60_g120", "78-79"),
    ("Homogeneous", "homo_g80_c1024_t0.6", "82-84"),
];

fn recommended(view: &View<'_>) -> Table {
    let mut table = Table::new("6.3-recommended", "6.3 TR113's recommended configurations as measured")
        .note("`expected` is what TR113 promises. A verdict of `serial` means that the agents took turns: the recommended efficiency is not a gain over running them in turn.");
    table.label("scenario", "scenario");
    table.label("config", "config");
    table.column(
        "expected_percent",
        "expected (%)",
        Kind::Number,
        Origin::Published,
    );
    per_source(
        &mut table,
        view,
        "efficiency_est_percent",
        "efficiency est (%)",
        Kind::Estimate,
    );
    truth_columns(&mut table, view);
    for (scenario, config, expected) in RECOMMENDED {
        let id = ConfigId::new(config).expect("a plain name");
        if !view.rows.iter().any(|r| r.config == id) {
            continue;
        }
        let mut cells = vec![
            Cell::text(scenario),
            Cell::text(config),
            Cell::text(expected),
        ];
        cells.extend(
            (0..view.sources.len()).map(|s| figure(view.row(s, &id), Pick::Efficiency, 1, false)),
        );
        truth_cells(view, &id, &mut cells);
        table.row(cells);
    }
    table
}
