//! Device energy per configuration.

use metrics::energy::{ConfigEnergy, EnergySource};
use metrics::{ConfigSummary, Estimate};

use super::truth::{by_config, config_cells, origin};
use super::view::View;
use super::{Cell, Kind, Table};

/// Key, heading, decimals, the figure.
type Column = (
    &'static str,
    &'static str,
    usize,
    fn(&ConfigEnergy) -> Option<&Estimate>,
);

const COLUMNS: [Column; 4] = [
    ("joules_per_token", "together (J/token)", 3, |e| {
        e.joules_per_token.as_ref()
    }),
    ("joules_per_token_sequential", "in turn (J/token)", 3, |e| {
        e.joules_per_token_sequential.as_ref()
    }),
    ("joules", "together (J)", 1, |e| e.joules.as_ref()),
    ("joules_sequential", "in turn (J)", 1, |e| {
        e.joules_sequential.as_ref()
    }),
];

/// Energy by configuration; none where no device tells it.
pub(super) fn table(view: &View<'_>) -> Option<Table> {
    let told = |c: &ConfigSummary| c.energy.is_some();
    if !view.summary.configs.iter().any(told) {
        return None;
    }
    let mut table = by_config(view, "energy", "Device energy").note(
        "From the first send to the last answer of an arm, idle draw of the devices included, the \
         rest of the machine not. Tokens are those that were generated. `counter`: the devices' own \
         energy counters; `estimated`: power samples added up over time.",
    );
    for (key, heading, ..) in COLUMNS {
        table.column(key, heading, Kind::Estimate, origin(view));
    }
    table.label("energy_source", "source");
    for config in &view.summary.configs {
        let mut cells = config_cells(view, config);
        for (_, _, decimals, get) in COLUMNS {
            let figure = config.energy.as_ref().and_then(get);
            cells.push(Cell::estimate(figure, decimals));
        }
        cells.push(match config.energy.map(|e| e.source) {
            Some(EnergySource::Counter) => Cell::text("counter"),
            Some(EnergySource::Estimated) => Cell::text("estimated"),
            None => Cell::Unknown,
        });
        table.row(cells);
    }
    Some(table)
}
