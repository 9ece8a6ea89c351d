//! Device energy per configuration.

use document::Field;
use metrics::ConfigSummary;
use metrics::energy::EnergySource;

use super::truth::by_config;
use super::view::View;
use super::{Cell, Table, means};

/// Energy by configuration; none where no device reports it.
pub(super) fn table(view: &View<'_>) -> Option<Table> {
    let known = |c: &ConfigSummary| c.energy.is_some();
    if !view.summary.configs.iter().any(known) {
        return None;
    }
    let source = |c: &ConfigSummary| match c.energy.map(|e| e.source) {
        Some(EnergySource::Counter) => Cell::text("counter"),
        Some(EnergySource::Estimated) => Cell::text("estimated"),
        None => Cell::Unknown,
    };
    let figures: [super::Mean<ConfigSummary>; 4] = [
        ("joules_per_token", "together (J/token)", 3, |c| {
            c.energy?.joules_per_token
        }),
        ("joules_per_token_sequential", "in turn (J/token)", 3, |c| {
            c.energy?.joules_per_token_sequential
        }),
        ("joules", "together (J)", 1, |c| c.energy?.joules),
        ("joules_sequential", "in turn (J)", 1, |c| {
            c.energy?.joules_sequential
        }),
    ];
    let columns = means(view.origin(), figures);
    let columns = columns.chain([Field::label("energy_source", "source", source)]);
    let note = "From the first send to the last answer of an arm, idle draw of the devices included, the \
                rest of the machine not. Tokens are those that were generated. `counter`: the devices' own \
                energy counters; `estimated`: power samples added up over time.";
    Some(by_config(view, "energy", "Device energy", columns).note(note))
}
