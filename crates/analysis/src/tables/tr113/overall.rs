//! Tables over scenarios and over all configurations: averages, 3.3.1, 4.1 to 4.4 and 6.3.

use domain::plan::ConfigId;
use metrics::summary::ContentionRuns;

use super::super::facts::scenario_title;
use super::super::tr110::comparison_figures;
use super::super::verdict_word;
use super::super::view::{RowData, Spread, View};
use super::super::{Cell, Kind, Origin, Table, signed as with_sign};
use super::{
    Pick, best, figure, per_source, rate_cells, source_column, truth_cells, truth_columns,
};

pub(super) fn averages(view: &View<'_>) -> Table {
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

/// Metric, our figure, TR110's, decimals, with a sign, as a ratio.
type PeakLine = (
    &'static str,
    fn(&RowData<'_>) -> Option<f64>,
    Option<f64>,
    usize,
    bool,
    bool,
);

pub(super) fn peak(view: &View<'_>, scenario: &str) -> Table {
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
        |row: Option<&RowData<'_>>| row.map_or(Cell::Empty, |r| Cell::text(r.config.as_str()));
    let mut cells = vec![Cell::text("configuration")];
    cells.extend(rows.iter().copied().map(name));
    cells.push(Cell::text("GPU=80, CTX=2048, TEMP=1.0"));
    cells.extend(rows.iter().map(|_| Cell::Empty));
    table.row(cells);
    let Some(other) = other else {
        return table;
    };
    let lines: [PeakLine; 4] = [
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
            Some((ours, theirs)) if relative => {
                Cell::text(format!("{} %", with_sign(100.0 * (ours / theirs - 1.0), 1)))
            }
            Some((ours, theirs)) => Cell::signed(ours - theirs, decimals),
        }));
        table.row(cells);
    }
    table
}

pub(super) fn scenarios_against_tr110(view: &View<'_>) -> Table {
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

pub(super) fn distribution(view: &View<'_>) -> Table {
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

pub(super) fn contention(view: &View<'_>) -> Table {
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

pub(super) fn sweet_spots(view: &View<'_>) -> Table {
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

pub(super) fn recommended(view: &View<'_>) -> Table {
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
