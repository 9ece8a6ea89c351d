//! What options seem to do: temperature (3.1.2, 3.2.2, 3.3.2) and GPU layers (3.1.3).

use super::super::facts::scenario_title;
use super::super::tr110::comparison_figures;
use super::super::view::View;
use super::super::{Cell, Kind, Origin, Table};
use super::{Pick, figure, per_source, rate_cells, section, setting};

pub(super) fn temperature(view: &View<'_>, scenario: &str) -> Table {
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

pub(super) fn temperature_mismatch(view: &View<'_>, scenario: &str) -> Table {
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

pub(super) fn contention_by_layers(view: &View<'_>, scenario: &str) -> Table {
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
