//! What options seem to do: temperature (3.1.2, 3.2.2, 3.3.2) and GPU layers (3.1.3).

use document::Origin;
use polars::prelude::{Expr, IntoLazy as _, col, lit, when};

use super::super::Table;
use super::super::column::{label, number, setting};
use super::super::facts::{scenario_title, section};
use super::super::figures::EFFICIENCY;
use super::super::frame::{collect, join, number as number_in};
use super::super::tr110::cited_contention;
use super::super::view::{SETTINGS, View};

pub(super) fn temperature(view: &View<'_>, scenario: &str) -> Table {
    let name = format!("Temperature in {}", scenario_title(scenario));
    let (id, title) = match section(scenario) {
        Some(number) => (
            format!("{number}.2-temperature"),
            format!("{number}.2 {name}"),
        ),
        None => (format!("{scenario}-temperature"), name),
    };
    let note = "Efficiency est, percent, and its difference in percentage points. A difference between \
                single runs has no interval: it cannot be told from the spread between equal runs.";
    let rows = view.scenario_frame(scenario);
    let temperature = || col("temperature");
    let ends = rows.clone().select([
        temperature().min().alias("low"),
        temperature().max().alias("high"),
    ]);
    let ends = collect(ends);
    let end = |name: &str| number_in(&ends, name, 0);
    let Some((low, high)) = end("low").zip(end("high")).filter(|(low, high)| low < high) else {
        return Table::new(id, title).note(note);
    };
    let keys: Vec<Expr> = ["source"]
        .iter()
        .chain(&SETTINGS)
        .map(|key| col(*key))
        .collect();
    let mean = |at: f64, name: &str| {
        let of = col("efficiency_est.mean").filter(temperature().eq(lit(at)));
        of.mean().alias(name)
    };
    let groups = rows
        .group_by_stable(keys)
        .agg([mean(low, "low"), mean(high, "high")]);
    let groups = groups.with_column((col("low") - col("high")).alias("delta"));
    let in_both = |source| col(format!("delta@{source}")).is_not_null();
    let in_both = (0..view.sources.len()).map(in_both).reduce(Expr::or);
    let wide = view.by_source(groups, &SETTINGS);
    let wide = wide.filter(in_both.expect("there is a source"));
    let mut columns = vec![setting("num_gpu", "GPU"), setting("num_ctx", "CTX")];
    for (temperature, name) in [(low, "low"), (high, "high")] {
        let key = format!("efficiency_est_t{temperature}_percent");
        let column = number(&key, &format!("TEMP={temperature} (%)"), 1).from(name);
        columns.extend(view.each_source(&column));
    }
    let delta = number("delta_pp", "delta (pp)", 1).from("delta").signed();
    columns.extend(view.each_source(&delta));
    view.table(&id, &title, wide, &columns).note(note)
}

pub(super) fn temperature_mismatch(view: &View<'_>, scenario: &str) -> Table {
    let first = view.configs(scenario).first().map(ToString::to_string);
    let is_later = col("config").neq(lit(first.unwrap_or_default()));
    let wide = view.by_source(
        view.scenario_frame(scenario),
        &["config", "known_temperature"],
    );
    let deltas = (0..view.sources.len()).map(|source| {
        let own = || col(format!("efficiency_est.mean@{source}"));
        let delta = when(is_later.clone()).then(own() - own().first());
        delta
            .otherwise(lit(f64::NAN))
            .alias(format!("delta@{source}"))
    });
    let deltas: Vec<Expr> = deltas.collect();
    let wide = wide
        .with_columns(deltas)
        .with_column(is_later.alias("is_later"));
    let mut columns = vec![
        label("config", "config"),
        label("temperatures", "TEMP A/B")
            .from("known_temperature")
            .or_dash(),
    ];
    columns.extend(view.each_source(&EFFICIENCY.table_column()));
    let delta = number("delta_to_first_pp", "delta to first (pp)", 1).from("delta");
    for mut column in view.each_source(&delta.signed()) {
        column = column.unknown_if("is_later");
        columns.push(column);
    }
    view.table("3.2.2-temperature", "3.2.2 Temperature mismatch", wide, &columns).note(
        "Each configuration was run with one assignment of temperatures only, and with other offloads: the \
         difference has more than one cause.",
    )
}

pub(super) fn contention_by_layers(view: &View<'_>, scenario: &str) -> Table {
    let layers = ["family", "num_gpu", "num_gpu_b"];
    let keys: Vec<Expr> = ["source"]
        .iter()
        .chain(&layers)
        .map(|key| col(*key))
        .collect();
    let counts = [
        col("contended").gt(lit(0.0)).sum().alias("contended"),
        col("contended").count().alias("flagged"),
    ];
    let groups = view
        .scenario_frame(scenario)
        .group_by_stable(keys)
        .agg(counts);
    let groups = groups.with_columns([
        lit(true).alias("is_there"),
        rate("contended", "flagged").alias("rate"),
    ]);
    let wide = view.by_source(groups, &layers);
    let wide = join(wide, cited_contention().lazy(), &["family", "num_gpu"]);
    let mut columns = vec![
        label("group", "group").from("family"),
        setting("num_gpu", "GPU"),
    ];
    let flagged = number("contention_configs", "flagged", 0).from("contended");
    columns.extend(view.each_source(&flagged.out_of("flagged").unknown_if("is_there")));
    let rates = number("contention_rate_percent", "rate (%)", 0).from("rate");
    columns.extend(view.each_source(&rates.unknown_if("is_there")));
    columns.extend([
        number("tr110_rate_percent", "TR110, as cited (%)", 0)
            .origin(Origin::Published)
            .or_dash(),
        number("tr110_recount_percent", "TR110, from its counts (%)", 0)
            .derived()
            .or_dash(),
    ]);
    view.table("3.1.3-contention", "3.1.3 Contention by GPU layers", wide, &columns).note(
        "Configurations flagged, of those with a flag. The repeated `baseline_…` run is a row of its \
         own: TR113 leaves it out of this table. TR110 counts runs, TR113 configurations.",
    )
}

/// The percentage of one column in another; none of nothing.
pub(super) fn rate(part: &str, all: &str) -> Expr {
    let rate = lit(100.0) * col(part) / col(all);
    when(col(all).gt(lit(0)))
        .then(rate)
        .otherwise(lit(f64::NAN))
}
