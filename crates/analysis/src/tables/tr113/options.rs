//! What options seem to do: temperature (3.1.2, 3.2.2, 3.3.2) and GPU layers (3.1.3).

use polars::prelude::{Expr, IntoLazy as _, col, lit, when};

use super::super::Table;
use super::super::facts::{scenario_title, section};
use super::super::frame::{collect, columns, join, number};
use super::super::tr110::cited_contention;
use super::super::view::{SETTINGS, View};

pub(super) fn temperature(view: &View<'_>, scenario: &str) -> Table {
    let title = format!("Temperature in {}", scenario_title(scenario));
    let (id, title) = match section(scenario) {
        Some(number) => (
            format!("{number}.2-temperature"),
            format!("{number}.2 {title}"),
        ),
        None => (format!("{scenario}-temperature"), title),
    };
    let rows = view.scenario_frame(scenario);
    let temperature = || col("temperature");
    let ends = [
        temperature().min().alias("low"),
        temperature().max().alias("high"),
    ];
    let ends = collect(rows.clone().select(ends));
    let [low, high] = ["low", "high"].map(|name| number(&ends, name, 0));
    let Some((low, high)) = low.zip(high).filter(|(low, high)| low < high) else {
        return Table::new(id, title);
    };
    let mean = |at: f64, name: &str| {
        let of = col("efficiency_est.mean").filter(temperature().eq(lit(at)));
        of.mean().alias(name)
    };
    let groups = rows.group_by_stable(columns(&[&["source"], &SETTINGS[..]].concat()));
    let groups = groups.agg([mean(low, "low"), mean(high, "high")]);
    let groups = groups.with_column((col("low") - col("high")).alias("delta"));
    let in_both = |source| col(format!("delta@{source}")).is_not_null();
    let in_both = (0..view.sources.len()).map(in_both).reduce(Expr::or);
    let wide = view.by_source(&groups, &SETTINGS);
    let wide = wide.filter(in_both.expect("there is a source"));
    let shown = view.columns("temperature").into_iter().map(|column| {
        let column = column.with("low", &low.to_string());
        column.with("high", &high.to_string())
    });
    view.table_of("temperature", &shown.collect::<Vec<_>>(), wide)
        .named(id, title)
}

pub(super) fn temperature_mismatch(view: &View<'_>, scenario: &str) -> Table {
    let first = view.configs(scenario).first().map(ToString::to_string);
    let is_later = || col("config").neq(lit(first.clone().unwrap_or_default()));
    let rows = view
        .scenario_frame(scenario)
        .with_column(is_later().alias("is_later"));
    let wide = view.by_source(&rows, &["config", "known_temperature"]);
    let deltas = (0..view.sources.len()).map(|source| {
        let own = || col(format!("efficiency_est.mean@{source}"));
        let delta = when(is_later()).then(own() - own().first());
        let delta = delta.otherwise(lit(f64::NAN));
        delta.alias(format!("delta@{source}"))
    });
    let wide = wide.with_columns(deltas.collect::<Vec<Expr>>());
    view.table("3.2.2-temperature", wide)
}

pub(super) fn contention_by_layers(view: &View<'_>, scenario: &str) -> Table {
    let layers = ["family", "num_gpu", "num_gpu_b"];
    let counts = [
        col("contended").gt(lit(0.0)).sum().alias("contended"),
        col("contended").count().alias("flagged"),
        lit(true).alias("is_there"),
    ];
    let rows = view.scenario_frame(scenario);
    let groups = rows.group_by_stable(columns(&[&["source"], &layers[..]].concat()));
    let groups = groups
        .agg(counts)
        .with_column(rate("contended", "flagged").alias("rate"));
    let wide = view.by_source(&groups, &layers);
    let wide = join(wide, cited_contention().lazy(), &["family", "num_gpu"]);
    view.table("3.1.3-contention", wide)
}

/// The percentage of one column in another; none of nothing.
pub(super) fn rate(part: &str, all: &str) -> Expr {
    let rate = lit(100.0) * col(part) / col(all);
    when(col(all).gt(lit(0)))
        .then(rate)
        .otherwise(lit(f64::NAN))
}
