//! Where time was lost: by cause, and what agents waited for.

use document::Field;
use domain::Nanos;
use metrics::cause::{AgentWaits, LostSeconds};
use metrics::{ConfigSummary, Estimate};

use super::super::facts::agent_letter;
use super::super::view::{View, mean_of_amounts};
use super::super::{Cell, Origin, Table};
use super::{OfConfig, within_configs};

pub(super) fn lost(view: &View<'_>) -> Table {
    let configs = view.summary.configs.iter();
    let rows: Vec<OfConfig<'_, LostSeconds>> = configs
        .filter_map(|config| Some((config, config.stats.lost_s?)))
        .collect();
    let total = Field::number("lost_s", "lost (s)", view.origin(), |lost: &LostSeconds| {
        Cell::number(lost.total(), 2)
    });
    let (limited, runs) = (limited(view), &view.summary.runs);
    let offloaded = runs.iter().any(|r| r.cause.offload.is_some());
    let inferred = if runs.iter().any(|r| r.cause.inferred) {
        " The server reports phases and no total: `slot_queue`, and the part of `shared_prefill` that is a wait, \
         are inferred from the client's own stamps."
    } else {
        ""
    };
    let named = rows.first().into_iter().flat_map(|(_, lost)| lost.named());
    let parts = named.enumerate().filter(|(_, (name, _))| match *name {
        "admission" => limited,
        "offload" => offloaded,
        _ => true,
    });
    let parts = parts.map(|(place, (name, _))| {
        let (key, heading) = (
            format!("{name}_s"),
            format!("{} (s)", name.replace('_', " ")),
        );
        Field::number(key, heading, Origin::Derived, move |lost: &LostSeconds| {
            Cell::number(lost.named()[place].1, 2)
        })
    });
    let columns = std::iter::once(total).chain(parts);
    let columns = columns.map(|column| column.of_each(|row: &OfConfig<'_, LostSeconds>| &row.1));
    let columns: Vec<_> = columns.collect();
    within_configs(
        view,
        "truth-lost",
        "Where the lost seconds went",
        columns,
        rows,
    )
    .note(format!(
        "Mean seconds per run lost against perfect concurrency (wall time less the longest solo \
         time), by cause. The parts add up to `lost`; a negative part is time won. `cold_load` is loading that \
         running in turn pays too.{inferred}"
    ))
}

/// Whether the client limited requests in flight.
fn limited(view: &View<'_>) -> bool {
    let mut waits = view.summary.runs.iter().flat_map(|r| &r.cause.waits);
    waits.any(|w| w.admission.is_some())
}

/// The mean over runs of one wait of an agent, s.
fn mean_wait(
    view: &View<'_>,
    config: &ConfigSummary,
    agent: u32,
    get: fn(&AgentWaits) -> Option<Nanos>,
) -> Option<Estimate> {
    let runs = view.summary.runs.iter();
    let own = runs.filter(|r| r.config == config.id && r.topology == config.topology);
    let waits = own
        .filter(|r| r.excluded.is_none())
        .flat_map(|r| &r.cause.waits);
    let waits = waits.filter(|w| w.agent == agent).filter_map(get);
    mean_of_amounts(&waits.map(Nanos::as_secs_f64).collect::<Vec<_>>())
}

/// A wait of an agent: key, heading, the time.
type Wait = (&'static str, &'static str, fn(&AgentWaits) -> Option<Nanos>);

/// What agents waited for, from stamps and counters alone; shown where no loss could be split.
pub(super) fn waits(view: &View<'_>) -> Table {
    let waits: [Wait; 4] = [
        (
            "wait_other_config_s",
            "waited behind other options (s)",
            |w| w.wait_other_config,
        ),
        ("load_after_wait_s", "load after the wait (s)", |w| {
            w.load_after_wait
        }),
        ("slot_queue_s", "waited for a slot (s)", |w| w.slot_queue),
        ("admission_s", "waited for a permit (s)", |w| w.admission),
    ];
    let limited = limited(view);
    let shown = waits
        .into_iter()
        .filter(|(key, ..)| *key != "admission_s" || limited);
    let agent = Field::label("agent", "agent", |(_, agent): &OfConfig<'_, u32>| {
        Cell::text(agent_letter(*agent))
    });
    let waits = shown.map(|(key, heading, get)| {
        Field::estimate(
            key,
            heading,
            view.origin(),
            move |row: &OfConfig<'_, u32>| {
                Cell::estimate(mean_wait(view, row.0, row.1, get).as_ref(), 2)
            },
        )
    });
    let configs = view.summary.configs.iter();
    let unknown = configs.filter(|c| c.stats.lost_s.is_none());
    let rows = unknown.flat_map(|config| (0..config.agents).map(move |agent| (config, agent)));
    let columns = std::iter::once(agent).chain(waits);
    within_configs(view, "truth-waits", "What each agent waited for", columns, rows).note(
        "From the recorded load time and the time the other agent was in flight; no solo times are \
         needed. Means over runs. `load after the wait` holds reloading and what a ready model costs, \
         which cannot be told apart here.",
    )
}
