//! Tables over scenarios and over all configurations: averages, 3.3.1, 4.1 to 4.4 and 6.3.

use document::Origin;
use polars::prelude::{
    Expr, IntoLazy as _, LazyFrame, SortMultipleOptions, UniqueKeepStrategy, col, len, lit, when,
};
use serde_json::json;

use super::super::column::{self, TableColumn, label, number};
use super::super::figures::{EFFICIENCY, FIGURES};
use super::super::frame::{collect, frame, join, number as number_in};
use super::super::tr110::{cited, cited_scenarios};
use super::super::view::View;
use super::super::{Cell, Table, signed};
use super::options::rate;
use super::{scenario_columns, truth_columns};

/// The configurations of each source by further keys: their efficiency and speedup est, and how many are flagged.
fn aggregates(view: &View<'_>, keys: &[&str]) -> LazyFrame {
    let spread = |name: &str, from: &str| {
        let all = || col(from);
        // No deviation of fewer than three.
        let sd = when(all().count().gt_eq(lit(3)))
            .then(all().std(1))
            .otherwise(lit(f64::NAN));
        [
            all().mean().alias(format!("{name}.mean")),
            sd.alias(format!("{name}_sd")),
            all().min().alias(format!("{name}_min")),
            all().max().alias(format!("{name}_max")),
            all().count().alias(format!("{name}_n")),
        ]
    };
    let counts = [
        len().alias("configs"),
        col("contended").gt(lit(0.0)).sum().alias("contended"),
        col("contended").count().alias("flagged"),
        col("efficiency_est.mean")
            .gt(lit(95.0))
            .sum()
            .alias("above_95"),
    ];
    let figures = [
        spread("speedup", "speedup_est_mean"),
        spread("efficiency", "efficiency_est.mean"),
    ]
    .concat();
    let keys: Vec<Expr> = ["source", "label"]
        .iter()
        .chain(keys)
        .map(|key| col(*key))
        .collect();
    let groups = view.configs_frame().group_by_stable(keys);
    let groups = groups.agg(counts.into_iter().chain(figures).collect::<Vec<_>>());
    groups.with_columns([
        rate("contended", "flagged").alias("contended_percent"),
        rate("above_95", "efficiency_n").alias("above_95_percent"),
    ])
}

fn contended() -> TableColumn {
    number("contention_configs", "contention flag (configs)", 0)
        .from("contended")
        .out_of("flagged")
}

fn derived(columns: impl IntoIterator<Item = TableColumn>) -> Vec<TableColumn> {
    columns.into_iter().map(TableColumn::derived).collect()
}

pub(super) fn averages(view: &View<'_>) -> Table {
    let mut columns = scenario_columns();
    columns.extend(derived([
        number("speedup_est_mean", "mean speedup est (×)", 3).from("speedup"),
        number("speedup_est_sd", "SD (×)", 3)
            .from("speedup_sd")
            .or_dash(),
        number("speedup_est_min", "min (×)", 3).from("speedup_min"),
        number("speedup_est_max", "max (×)", 3).from("speedup_max"),
        number("efficiency_est_mean_percent", "mean efficiency est (%)", 1).from("efficiency"),
        number("efficiency_est_sd_pp", "SD (pp)", 1)
            .from("efficiency_sd")
            .or_dash(),
        contended(),
        number("contention_rate_percent", "contention rate (%)", 0).from("contended_percent"),
    ]));
    let rows = aggregates(view, &["scenario", "title"]);
    let title = "3.1, 3.2, 3.3 Averages by scenario";
    view.table("3-averages", title, rows, &columns).note(
        "n counts configurations. SD is the sample standard deviation (n - 1), not given below n = 3.",
    )
}

/// The best configuration of each scenario in each source, by efficiency est; of equal ones the last.
fn best(view: &View<'_>) -> LazyFrame {
    let keys = ["scenario", "source"].map(col);
    let efficiency = || col("efficiency_est.mean");
    let over = |aggregate: Expr| aggregate.over(&keys).expect("there are keys");
    let rows = view.configs_frame().with_columns([
        over(len()).alias("compared"),
        over(efficiency().max()).alias("highest"),
    ]);
    let best = rows.filter(efficiency().eq(col("highest")));
    let keys = polars::prelude::cols(["scenario", "source"]);
    let best = best.unique_stable(Some(keys), UniqueKeepStrategy::Last);
    best.sort(["scenario_place", "source"], SortMultipleOptions::default())
}

pub(super) fn peak(view: &View<'_>, scenario: &str) -> Table {
    let best = collect(best(view).filter(col("scenario").eq(lit(scenario.to_owned()))));
    let sources = 0..view.sources.len();
    // The row of each source; a source without the scenario has none.
    let rows: Vec<Option<usize>> = sources
        .map(|source| {
            (0..best.height()).find(|row| number_in(&best, "source", *row) == Some(source as f64))
        })
        .collect();
    let name = |row: &Option<usize>| {
        let names = best.column("config").and_then(|names| names.str()).ok();
        let name = row.and_then(|row| names?.get(row));
        name.map_or(Cell::Empty, Cell::text)
    };
    let mut lines = vec![(
        "configuration",
        rows.iter().map(name).collect::<Vec<_>>(),
        Cell::text("GPU=80, CTX=2048, TEMP=1.0"),
        vec![Cell::Empty; rows.len()],
    )];
    let theirs = [
        "best_speedup",
        "best_efficiency",
        "best_ttft_delta_ms",
        "best_tp_delta",
    ];
    let is_cited = cited(&[scenario, "best_speedup"]).is_some();
    for (figure, theirs) in FIGURES.iter().zip(theirs).filter(|_| is_cited) {
        let theirs = cited(&[scenario, theirs]);
        let column = format!("{}.mean", figure.column);
        let ours = rows.iter().map(|row| number_in(&best, &column, (*row)?));
        let delta = |ours: Option<f64>| match ours.zip(theirs) {
            None => Cell::Empty,
            // Speedups are ratios, so their difference is a percentage.
            Some((ours, theirs)) if figure.key == "speedup_est" => {
                Cell::text(format!("{} %", signed(100.0 * (ours / theirs - 1.0), 1)))
            }
            Some((ours, theirs)) => Cell::signed(ours - theirs, figure.decimals),
        };
        lines.push((
            figure.heading,
            ours.clone().map(|value| figure.show(value)).collect(),
            theirs.map_or(Cell::Empty, |v| figure.show(Some(v))),
            ours.map(delta).collect(),
        ));
    }
    let mut columns = vec![label("metric", "metric")];
    columns.extend(view.each_source(&number("value", "best", 0)));
    columns.push(number("tr110", "TR110, as cited", 0).origin(Origin::Published));
    columns.extend(view.each_source(&number("delta", "delta", 0)));
    let none = view.configs_frame().limit(0);
    let title = "3.3.1 Best homogeneous configuration beside TR110's";
    let mut table = view.table("3.3.1-peak", title, none, &columns);
    for (metric, ours, theirs, deltas) in lines {
        table.row([vec![Cell::text(metric)], ours, vec![theirs], deltas].concat());
    }
    table.note(
        "TR110's runs had a server per agent; these figures compare two ways of serving, not two \
         languages.",
    )
}

pub(super) fn scenarios_against_tr110(view: &View<'_>) -> Table {
    let mut columns = scenario_columns();
    columns.extend(derived([
        number("best_speedup_est", "best speedup est (×)", 3).from("speedup_max"),
        number("best_efficiency_est_percent", "best efficiency est (%)", 1).from("efficiency_max"),
        number("mean_speedup_est", "mean speedup est (×)", 3).from("speedup"),
        number("mean_efficiency_est_percent", "mean efficiency est (%)", 1).from("efficiency"),
    ]));
    let cited = [
        number("tr110_best_speedup", "TR110 best (×)", 3).from("best_speedup"),
        number("tr110_mean_speedup", "TR110 mean (×)", 3).from("average_speedup"),
    ];
    columns.extend(cited.map(|column| column.origin(Origin::Published).or_dash()));
    let deltas = [
        number("delta_best_percent", "delta best (%)", 1),
        number("delta_mean_percent", "delta mean (%)", 1),
    ];
    columns.extend(deltas.map(|column| column.derived().signed().or_dash()));
    let delta = |ours: &str, theirs: &str| lit(100.0) * (col(ours) / col(theirs) - lit(1.0));
    let rows = join(
        aggregates(view, &["scenario", "title"]),
        cited_scenarios().lazy(),
        &["scenario"],
    );
    let rows = rows.with_columns([
        delta("speedup_max", "best_speedup").alias("delta_best_percent"),
        delta("speedup.mean", "average_speedup").alias("delta_mean_percent"),
    ]);
    view.table("4.1-scenarios", "4.1 Scenarios beside TR110's", rows, &columns).note(
        "TR113's own estimate on both sides. It cannot tell a serial server from a parallel one, so \
         neither column says whether concurrency paid; see the truth columns of 3.1 to 3.3.",
    )
}

pub(super) fn distribution(view: &View<'_>) -> Table {
    let columns = |decimals_of_max| {
        let mut columns = derived([
            number("n", "configs (n)", 0).from("configs"),
            number("min_percent", "min (%)", 1).from("efficiency_min"),
            number("max_percent", "max (%)", decimals_of_max).from("efficiency_max"),
            number("mean_percent", "mean (%)", 1).from("efficiency"),
            number("sd_pp", "SD (pp)", 1)
                .from("efficiency_sd")
                .or_dash(),
            number("above_95", "above 95 % (configs)", 0).out_of("efficiency_n"),
            number("above_95_percent", "above 95 % (%)", 0),
        ]);
        columns.insert(0, label("source", "source").from("label"));
        columns
    };
    let [configs, above_95] = [&["configs"][..], &["distribution", "configs_above_95"]].map(cited);
    let of = |name: &str| cited(&["distribution", name]);
    let theirs = frame([json!({
        "label": "TR110, as cited",
        "configs": configs,
        "efficiency": { "mean": of("mean_efficiency") },
        "efficiency_sd": of("sd_efficiency"),
        "efficiency_min": of("min_efficiency"),
        "efficiency_max": of("max_efficiency"),
        "efficiency_n": configs,
        "above_95": above_95,
    })]);
    let theirs = theirs
        .lazy()
        .with_column(rate("above_95", "efficiency_n").alias("above_95_percent"));
    let title = "4.2 Efficiency est over all configurations";
    let mut table = view.table(
        "4.2-distribution",
        title,
        aggregates(view, &[]),
        &columns(1),
    );
    table.rows.extend(column::rows(theirs, &columns(2)));
    table.note(
        "SD is the sample standard deviation (n - 1) over configurations: differences between configurations, not \
         run-to-run spread.",
    )
}

/// Contention in each source, and in TR110: how often each rule finds it.
pub(super) fn contention(view: &View<'_>) -> Table {
    let rules = ["ttft_rule", "speedup_rule", "cause"];
    let found = rules.map(|rule| {
        let runs = || col(format!("contention_runs.{rule}"));
        let known = when(runs().count().gt(lit(0))).then(runs().sum());
        known.otherwise(lit(f64::NAN)).alias(rule)
    });
    let own = [
        col("n").sum().alias("runs"),
        col("is_data").first(),
        col("speedup_est_mean").lt(lit(1.5)).sum().alias("slow"),
    ];
    let rows = view.configs_frame().group_by_stable([col("source")]);
    let rows = rows.agg([&own[..], &found].concat());
    // A published table has one figure of each configuration.
    let pick =
        |own: &str, published: Expr| when(col("is_data")).then(col(own)).otherwise(published);
    let rows = rows.with_columns([
        pick("speedup_rule", col("slow")).alias("speedup_rule"),
        pick("runs", lit(f64::NAN)).alias("own_runs"),
    ]);
    let rows = join(aggregates(view, &[]), rows, &["source"]);
    let rows = rows.with_column(pick("runs", col("configs")).alias("tested"));
    let mut columns = derived([
        number("configs", "configs (n)", 0),
        number("runs", "runs (n)", 0).from("own_runs").or_dash(),
        number("flag", "flag", 0)
            .from("contended")
            .out_of("flagged"),
        number("flag_percent", "flag rate (%)", 0).from("contended_percent"),
    ]);
    let headings = ["ttft rule", "speedup rule", "cause"];
    let rules = rules.into_iter().zip(headings).map(|(rule, heading)| {
        number(rule, heading, 0)
            .out_of("tested")
            .unknown_if("is_data")
    });
    columns.extend(derived(rules));
    columns.insert(0, label("source", "source").from("label"));
    let [configs, contended] =
        [&["configs"][..], &["distribution", "contention_configs"]].map(cited);
    let theirs = frame([json!({
        "label": "TR110, as cited",
        "configs": configs,
        "contended": contended,
        "flagged": configs,
    })]);
    let theirs = theirs
        .lazy()
        .with_column(rate("contended", "flagged").alias("contended_percent"));
    let mut table = view.table(
        "4.3-contention",
        "4.3 Contention, by every rule",
        rows,
        &columns,
    );
    table.rows.extend(column::rows(theirs, &columns));
    table.note(
        "`flag`: as published or recorded. `ttft rule`: an agent's TTFT exceeds its solo TTFT by more \
         than 3 s. `speedup rule`: speedup est below 1.5. `cause`: more than 5 % of the wall time was \
         lost to other agents or to reloading. Counts of runs; a rule that the data cannot test is \
         unknown.",
    )
}

pub(super) fn sweet_spots(view: &View<'_>) -> Table {
    let columns = [
        label("scenario", "scenario").from("title"),
        label("source", "source").from("label"),
        label("config", "best config"),
        label("agent_a", "agent A"),
        label("agent_b", "agent B"),
        EFFICIENCY.table_column().derived(),
        number("compared", "of configs (n)", 0).derived(),
        label("verdict", "verdict"),
    ];
    let title = "4.4 Configuration sweet spots, by TR113's metric";
    view.table("4.4-sweet-spots", title, best(view), &columns).note(
        "The configuration with the highest efficiency est of its scenario. Without repetitions it \
         cannot be told apart from the others; with them see \"Best configurations\".",
    )
}

/// TR113's 6.3: configuration, scenario, expected efficiency in percent.
const RECOMMENDED: [(&str, &str, &str); 3] = [
    ("bvc_g120_c512_t0.6", "Baseline + Chimera", "78-80"),
    ("het_g60_g120", "Heterogeneous", "78-79"),
    ("homo_g80_c1024_t0.6", "Homogeneous", "82-84"),
];

pub(super) fn recommended(view: &View<'_>) -> Table {
    let recommended = RECOMMENDED.map(|(config, scenario, expected)| {
        json!({ "config": config, "recommended": scenario, "expected_percent": expected })
    });
    let rows = view.by_source(view.configs_frame(), &["config"]);
    let rows = join(frame(recommended).lazy(), rows, &["config"]);
    let mut columns = vec![
        label("scenario", "scenario").from("recommended"),
        label("config", "config"),
        number("expected_percent", "expected (%)", 0).origin(Origin::Published),
    ];
    columns.extend(view.each_source(&EFFICIENCY.table_column()));
    columns.extend(truth_columns(view));
    let present = rows.filter(col("rows").is_not_null());
    let title = "6.3 TR113's recommended configurations as measured";
    view.table("6.3-recommended", title, present, &columns).note(
        "`expected` is what TR113 promises. A verdict of `unknown` means that the agents were never run one after \
         another: the recommended efficiency is no gain over that. With a decode overlap of 0 they took turns.",
    )
}
