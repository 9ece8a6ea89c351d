//! What options seem to do: temperature (3.1.2, 3.2.2, 3.3.2) and GPU layers (3.1.3).

use document::Field;
use domain::plan::ConfigId;

use super::super::facts::{scenario_title, section};
use super::super::figures::EFFICIENCY;
use super::super::settings::{Setting, Settings};
use super::super::tr110::comparison_figures;
use super::super::view::{Group, View};
use super::super::{Cell, Kind, Origin, Table};
use super::{config_column, count_cell, per_source, rate_cell, setting_column};
use metrics::in_order;

pub(super) fn temperature(view: &View<'_>, scenario: &str) -> Table {
    let name = format!("Temperature in {}", scenario_title(scenario));
    let (id, title) = match section(scenario) {
        Some(number) => (
            format!("{number}.2-temperature"),
            format!("{number}.2 {name}"),
        ),
        None => (format!("{scenario}-temperature"), name),
    };
    let groups = view.group_by_settings(Some(scenario));
    let mut temperatures: Vec<f64> = groups
        .iter()
        .filter_map(|g| g.first.settings().temperature.shared())
        .collect();
    temperatures.sort_by(f64::total_cmp);
    temperatures.dedup();
    let note = "Efficiency est, percent, and its difference in percentage points. A difference between \
                single runs has no interval: it cannot be told from the spread between equal runs.";
    let [low, .., high] = temperatures[..] else {
        return Table::new(id, title).note(note);
    };
    let at = |source: usize, settings: &Settings<'_>, temperature: f64| {
        let key = Settings {
            temperature: Setting::from(temperature),
            ..*settings
        };
        let is_it = |g: &&Group<'_>| g.first.source == source && g.first.settings() == key;
        groups.iter().find(is_it)?.efficiency.mean
    };
    let mut columns = vec![
        setting_column("num_gpu", "GPU", |s: &Settings<'_>| s.num_gpu.cell()),
        setting_column("num_ctx", "CTX", |s: &Settings<'_>| s.num_ctx.cell()),
    ];
    let at = &at;
    for temperature in [low, high] {
        let key = format!("efficiency_est_t{temperature}_percent");
        let heading = format!("TEMP={temperature} (%)");
        let cell = move |source, s: &Settings<'_>| Cell::known(at(source, s, temperature), 1);
        columns.extend(per_source(view, &key, &heading, Kind::Number, cell));
    }
    let delta = |source, s: &Settings<'_>| {
        let both = at(source, s, low).zip(at(source, s, high));
        Cell::known_signed(both.map(|(low, high)| low - high), 1)
    };
    columns.extend(per_source(
        view,
        "delta_pp",
        "delta (pp)",
        Kind::Number,
        delta,
    ));
    // Of configurations that differ in temperature alone, one stands for all.
    let rows = in_order(groups.iter().map(|g| Settings {
        temperature: Setting::from(low),
        ..g.first.settings()
    }));
    let in_both = |s: &Settings<'_>| {
        let mut sources = 0..view.sources.len();
        sources.any(|source| at(source, s, low).is_some() && at(source, s, high).is_some())
    };
    Table::of(id, title, columns, rows.into_iter().filter(in_both)).note(note)
}

pub(super) fn temperature_mismatch(view: &View<'_>, scenario: &str) -> Table {
    let configs = view.configs(scenario);
    let first = configs.first().copied();
    let efficiency = |place, id: &ConfigId| EFFICIENCY.cell(view.row(place, id));
    let delta = |place, id: &ConfigId| {
        if Some(id) == first {
            return Cell::Empty;
        }
        let of = |id| view.row(place, id).and_then(|r| r.efficiency_est);
        let both = first.and_then(of).zip(of(id));
        Cell::known_signed(both.map(|(first, here)| here - first), 1)
    };
    let temperatures = Field::label("temperatures", "TEMP A/B", |id: &ConfigId| {
        view.settings(id).temperature.cell()
    });
    let mut columns = vec![config_column(), temperatures];
    let (key, heading) = (EFFICIENCY.key, EFFICIENCY.heading);
    columns.extend(per_source(view, key, heading, Kind::Estimate, efficiency));
    let (key, heading) = ("delta_to_first_pp", "delta to first (pp)");
    columns.extend(per_source(view, key, heading, Kind::Number, delta));
    let title = "3.2.2 Temperature mismatch";
    Table::of("3.2.2-temperature", title, columns, configs.iter().copied()).note(
        "Each configuration was run with one assignment of temperatures only, and with other offloads: the \
         difference has more than one cause.",
    )
}

/// The family of configurations, and the layers on the GPU.
type Layers<'a> = (&'a str, Setting<i64>);

fn layers_of<'v>(group: &Group<'v>) -> Layers<'v> {
    let settings = group.first.settings();
    (settings.family, settings.num_gpu)
}

pub(super) fn contention_by_layers(view: &View<'_>, scenario: &str) -> Table {
    let groups = view.group(Some(scenario), &["family", "num_gpu_a", "num_gpu_b"]);
    let of = |place: usize, layers: &Layers<'_>, cell: fn((u32, u32)) -> Cell| {
        let is_it = |g: &&Group<'_>| g.first.source == place && layers_of(g) == *layers;
        let group = groups.iter().find(is_it);
        group.map_or(Cell::Empty, |g| cell(g.contended))
    };
    let cited = |(family, layers): &Layers<'_>| {
        let layers = layers.shared().filter(|_| *family == "bvc")?;
        comparison_figures().cited.contention(layers)
    };
    let mut columns = vec![
        Field::label("group", "group", |l: &Layers<'_>| Cell::text(l.0)),
        setting_column("num_gpu", "GPU", |l: &Layers<'_>| l.1.cell()),
    ];
    let (count, rate) = ("contention_configs", "contention_rate_percent");
    columns.extend(per_source(
        view,
        count,
        "flagged",
        Kind::Number,
        |place, l| of(place, l, count_cell),
    ));
    columns.extend(per_source(
        view,
        rate,
        "rate (%)",
        Kind::Number,
        |place, l| of(place, l, rate_cell),
    ));
    let (key, heading) = ("tr110_rate_percent", "TR110, as cited (%)");
    columns.push(Field::number(key, heading, Origin::Published, |l| {
        cited(l).map_or(Cell::Empty, |c| Cell::number(c.percent, 0))
    }));
    let (key, heading) = ("tr110_recount_percent", "TR110, from its counts (%)");
    columns.push(Field::number(key, heading, Origin::Derived, |l| {
        cited(l).map_or(Cell::Empty, |c| Cell::number(c.recount(), 0))
    }));
    let rows = in_order(groups.iter().map(layers_of));
    let title = "3.1.3 Contention by GPU layers";
    Table::of("3.1.3-contention", title, columns, rows).note(
        "Configurations flagged, of those with a flag. The repeated `baseline_…` run is a row of its \
         own: TR113 leaves it out of this table. TR110 counts runs, TR113 configurations.",
    )
}
