//! Tables over scenarios and over all configurations: averages, 3.3.1, 4.1 to 4.4 and 6.3.

use polars::prelude::{
    Expr, IntoLazy as _, LazyFrame, SortMultipleOptions, UniqueKeepStrategy, col, cols, len, lit,
    when,
};
use serde_json::json;

use super::super::column::{self, figures};
use super::super::frame::{collect, columns, frame, join, number};
use super::super::tr110::{cited, cited_scenarios};
use super::super::view::View;
use super::super::{Cell, Table, signed};
use super::options::rate;
use super::with_truth;

/// The configurations of each source by further keys: their efficiency and speedup est, and how many are flagged.
fn aggregates(view: &View<'_>, keys: &[&str]) -> LazyFrame {
    let spread = |name: &str, from: &str| {
        let all = || col(from);
        // No deviation of fewer than three.
        let sd = when(all().count().gt_eq(lit(3))).then(all().std(1));
        [
            all().mean().alias(format!("{name}.mean")),
            sd.otherwise(lit(f64::NAN)).alias(format!("{name}_sd")),
            all().min().alias(format!("{name}_min")),
            all().max().alias(format!("{name}_max")),
            all().count().alias(format!("{name}_n")),
        ]
    };
    let above = |column: &str, least: f64| col(column).gt(lit(least)).sum();
    let counts = [
        len().alias("configs"),
        above("contended", 0.0).alias("contended"),
        col("contended").count().alias("flagged"),
        above("efficiency_est.mean", 95.0).alias("above_95"),
    ];
    let speedup = spread("speedup", "speedup_est.mean");
    let efficiency = spread("efficiency", "efficiency_est.mean");
    let keys = columns(&[&["source", "label"], keys].concat());
    let groups = view.configs_frame().group_by_stable(keys);
    let groups = groups.agg([&counts[..], &speedup, &efficiency].concat());
    groups.with_columns([
        rate("contended", "flagged").alias("contended_percent"),
        rate("above_95", "efficiency_n").alias("above_95_percent"),
    ])
}

pub(super) fn averages(view: &View<'_>) -> Table {
    view.table("3-averages", aggregates(view, &["scenario", "title"]))
}

/// The best configuration of each scenario in each source, by efficiency est; of equal ones the last.
fn best(view: &View<'_>) -> LazyFrame {
    let keys = ["scenario", "source"];
    let efficiency = || col("efficiency_est.mean");
    let over = |aggregate: Expr| aggregate.over(columns(&keys)).expect("there are keys");
    let rows = view.configs_frame().with_columns([
        over(len()).alias("compared"),
        over(efficiency().max()).alias("highest"),
    ]);
    let best = rows.filter(efficiency().eq(col("highest")));
    let best = best.unique_stable(Some(cols(keys)), UniqueKeepStrategy::Last);
    best.sort(["scenario_place", "source"], SortMultipleOptions::default())
}

pub(super) fn peak(view: &View<'_>, scenario: &str) -> Table {
    let best = collect(best(view).filter(col("scenario").eq(lit(scenario.to_owned()))));
    let place = |source| {
        let mut rows = 0..best.height();
        rows.find(|row| number(&best, "source", *row) == Some(source as f64))
    };
    // The row of each source; a source without the scenario has none.
    let rows: Vec<Option<usize>> = (0..view.sources.len()).map(place).collect();
    let name = |row: &Option<usize>| {
        let names = best.column("config").and_then(|names| names.str()).ok();
        let name = row.and_then(|row| names?.get(row));
        name.map_or(Cell::Empty, Cell::text)
    };
    let mut table = view.table("3.3.1-peak", view.configs_frame().limit(0));
    let ours = rows.iter().map(name).collect::<Vec<_>>();
    let metric = vec![Cell::text("configuration")];
    let theirs = vec![Cell::text("GPU=80, CTX=2048, TEMP=1.0")];
    table.row([metric, ours, theirs, vec![Cell::Empty; rows.len()]].concat());
    if cited(&[scenario, "best_speedup"]).is_none() {
        return table;
    }
    let keys = ["speedup", "efficiency", "ttft_delta_ms", "tp_delta"];
    for (figure, key) in figures().iter().zip(keys) {
        let decimals = figure.decimals.unwrap_or_default();
        let show = |value: Option<f64>| match value {
            Some(value) => Cell::build(value, decimals, figure.is_signed, None, None),
            None => Cell::Unknown,
        };
        let theirs = cited(&[scenario, &format!("best_{key}")]);
        let column = format!("{}.mean", figure.from());
        let ours = rows.iter().map(|row| number(&best, &column, (*row)?));
        let delta = |ours: Option<f64>| match ours.zip(theirs) {
            None => Cell::Empty,
            // Speedups are ratios, so their difference is a percentage.
            Some((ours, theirs)) if key == "speedup" => {
                Cell::text(format!("{} %", signed(100.0 * (ours / theirs - 1.0), 1)))
            }
            Some((ours, theirs)) => Cell::signed(ours - theirs, decimals),
        };
        let mut cells = vec![Cell::text(&*figure.heading)];
        cells.extend(ours.clone().map(show));
        cells.push(theirs.map_or(Cell::Empty, |value| show(Some(value))));
        cells.extend(ours.map(delta));
        table.row(cells);
    }
    table
}

pub(super) fn scenarios_against_tr110(view: &View<'_>) -> Table {
    let delta = |ours: &str, theirs: &str| lit(100.0) * (col(ours) / col(theirs) - lit(1.0));
    let ours = aggregates(view, &["scenario", "title"]);
    let rows = join(ours, cited_scenarios().lazy(), &["scenario"]).with_columns([
        delta("speedup_max", "best_speedup").alias("delta_best_percent"),
        delta("speedup.mean", "average_speedup").alias("delta_mean_percent"),
    ]);
    view.table("4.1-scenarios", rows)
}

/// A declared table with TR110's row at its end.
fn with_theirs(view: &View<'_>, id: &str, ours: LazyFrame, theirs: LazyFrame) -> Table {
    let mut table = view.table(id, ours);
    table.rows.extend(column::rows(theirs, &view.columns(id)));
    table
}

pub(super) fn distribution(view: &View<'_>) -> Table {
    let of = |name: &str| cited(&["distribution", name]);
    let theirs = frame([json!({
        "label": "TR110, as cited",
        "decimals": 2,
        "configs": cited(&["configs"]),
        "efficiency": { "mean": of("mean_efficiency") },
        "efficiency_sd": of("sd_efficiency"),
        "efficiency_min": of("min_efficiency"),
        "efficiency_max": of("max_efficiency"),
        "efficiency_n": cited(&["configs"]),
        "above_95": of("configs_above_95"),
    })]);
    let rate = rate("above_95", "efficiency_n").alias("above_95_percent");
    let ours = aggregates(view, &[]).with_column(lit(1.0).alias("decimals"));
    let theirs = theirs.lazy().with_column(rate);
    with_theirs(view, "4.2-distribution", ours, theirs)
}

/// Contention in each source, and in TR110: how often each rule finds it.
pub(super) fn contention(view: &View<'_>) -> Table {
    let found = ["ttft_rule", "speedup_rule", "cause"].map(|rule| {
        let runs = || col(format!("contention_runs.{rule}"));
        let known = when(runs().count().gt(lit(0))).then(runs().sum());
        known.otherwise(lit(f64::NAN)).alias(rule)
    });
    let own = [
        col("n").sum().alias("runs"),
        col("is_data").first(),
        col("speedup_est.mean").lt(lit(1.5)).sum().alias("slow"),
    ];
    let rows = view.configs_frame().group_by_stable([col("source")]);
    let rows = rows.agg([&own[..], &found].concat());
    let rows = join(aggregates(view, &[]), rows, &["source"]);
    // A published table has one figure of each configuration.
    let pick = |own: &str, published| when(col("is_data")).then(col(own)).otherwise(published);
    let ours = rows.with_columns([
        pick("speedup_rule", col("slow")).alias("speedup_rule"),
        pick("runs", lit(f64::NAN)).alias("own_runs"),
        pick("runs", col("configs")).alias("tested"),
    ]);
    let theirs = frame([json!({
        "label": "TR110, as cited",
        "configs": cited(&["configs"]),
        "contended": cited(&["distribution", "contention_configs"]),
        "flagged": cited(&["configs"]),
    })]);
    let rate = rate("contended", "flagged").alias("contended_percent");
    let theirs = theirs.lazy().with_column(rate);
    with_theirs(view, "4.3-contention", ours, theirs)
}

pub(super) fn sweet_spots(view: &View<'_>) -> Table {
    view.table("4.4-sweet-spots", best(view))
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
    let rows = view.by_source(&view.configs_frame(), &["config"]);
    let rows = join(frame(recommended).lazy(), rows, &["config"]);
    let known = rows.filter(col("rows").is_not_null());
    with_truth(view, "6.3-recommended", known)
}
