//! Where time was lost: by cause, and what agents waited for.

use metrics::cause::LostSeconds;

use super::super::facts::agent_letter;
use super::super::view::View;
use super::super::{Cell, Kind, Origin, Table, mean_of_amounts};
use super::{by_config, config_cells, origin};

pub(super) fn lost(view: &View<'_>) -> Table {
    let mut table = by_config(view, "truth-lost", "Where the lost seconds went").note(
        "Mean seconds per run lost against perfect concurrency (wall time less the longest solo \
         time), by cause. The parts add up to `lost`; a negative part is time won.",
    );
    table.column("lost_s", "lost (s)", Kind::Number, origin(view));
    let limited = limited(view);
    let shown = |lost: &LostSeconds| {
        let parts = lost.named().into_iter();
        parts.filter(move |(name, _)| *name != "admission" || limited)
    };
    let mut named = false;
    for config in &view.summary.configs {
        let Some(lost) = &config.stats.lost_s else {
            continue;
        };
        if !named {
            for (name, _) in shown(lost) {
                table.column(
                    format!("{name}_s"),
                    format!("{} (s)", name.replace('_', " ")),
                    Kind::Number,
                    Origin::Derived,
                );
            }
            named = true;
        }
        let mut cells = config_cells(view, config);
        cells.push(Cell::number(lost.total(), 2));
        cells.extend(shown(lost).map(|(_, value)| Cell::number(value, 2)));
        table.row(cells);
    }
    table
}

/// Whether the client limited requests in flight. Where it did not, there are no permits to speak of.
fn limited(view: &View<'_>) -> bool {
    let waits = || view.summary.runs.iter().flat_map(|r| &r.cause.waits);
    waits().any(|w| w.admission.is_some())
}

/// What agents waited for, from stamps and counters alone; shown where no loss could be split.
pub(super) fn waits(view: &View<'_>) -> Table {
    let mut table = by_config(view, "truth-waits", "What each agent waited for").note(
        "From the recorded load time and the time the other agent was in flight; no solo times are \
         needed. Means over runs. `load after the wait` holds reloading and what a ready model costs, \
         which cannot be told apart here.",
    );
    let origin = origin(view);
    table.label("agent", "agent");
    table.column(
        "wait_other_config_s",
        "waited behind other options (s)",
        Kind::Estimate,
        origin,
    );
    table.column(
        "load_after_wait_s",
        "load after the wait (s)",
        Kind::Estimate,
        origin,
    );
    table.column(
        "slot_queue_s",
        "waited for a slot (s)",
        Kind::Estimate,
        origin,
    );
    let limited = limited(view);
    if limited {
        table.column(
            "admission_s",
            "waited for a permit (s)",
            Kind::Estimate,
            origin,
        );
    }
    for config in view
        .summary
        .configs
        .iter()
        .filter(|c| c.stats.lost_s.is_none())
    {
        for agent in 0..config.agents {
            let of = |get: fn(&metrics::cause::AgentWaits) -> Option<domain::Nanos>| {
                let values: Vec<f64> = view
                    .summary
                    .runs
                    .iter()
                    .filter(|r| r.config == config.id && r.topology == config.topology)
                    .filter(|r| r.excluded.is_none())
                    .flat_map(|r| &r.cause.waits)
                    .filter(|w| w.agent == agent)
                    .filter_map(get)
                    .map(domain::Nanos::as_secs_f64)
                    .collect();
                Cell::estimate(mean_of_amounts(&values).as_ref(), 2)
            };
            let mut cells = config_cells(view, config);
            cells.push(Cell::text(agent_letter(agent)));
            cells.push(of(|w| w.wait_other_config));
            cells.push(of(|w| w.load_after_wait));
            cells.push(of(|w| w.slot_queue));
            if limited {
                cells.push(of(|w| w.admission));
            }
            table.row(cells);
        }
    }
    table
}
