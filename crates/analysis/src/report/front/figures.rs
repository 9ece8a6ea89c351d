//! How sure the answer is, and the three figures that matter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::record::Provenance;
use metrics::summary::{Group, Statistics};

use super::sentences::counted;
use super::{one_configuration, statistics};
use crate::tables::{Cell, Kind, Origin, Table, View, taking_part, topology_cell};

pub(super) fn confidence(view: &View<'_>) -> String {
    let configs = &view.summary.configs;
    let runs: Vec<u32> = configs.iter().map(taking_part).collect();
    let ids: BTreeSet<_> = configs.iter().map(|c| &c.id).collect();
    let place = if view.several_topologies() {
        " on each kind of serving"
    } else {
        ""
    };
    let excluded: u32 = configs.iter().map(|c| c.runs_excluded).sum();
    let mut text = match (runs.iter().min(), runs.iter().max()) {
        (None, _) | (_, None) => {
            "None of its own: a published table has one figure per configuration and no spread."
                .to_owned()
        }
        (Some(1), Some(1)) => {
            let brackets = if over_configurations(view) {
                " Brackets hold 95 % intervals over configurations."
            } else {
                ""
            };
            format!(
                "{}, a single run each{place}: what happened in these runs is certain, how much \
                 another run would differ is not known, and no configuration can be called better than \
                 another.{brackets}",
                counted(ids.len())
            )
        }
        (Some(least), Some(most)) => {
            let n = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let repeated = *most >= 3;
            let interval = match (over_configurations(view), repeated) {
                (true, true) => {
                    "brackets hold 95 % intervals, over configurations where a figure is of all of them and over \
                     repetitions where it is of one"
                }
                (true, false) => {
                    "brackets hold 95 % intervals over configurations; the repetitions are too few for intervals"
                }
                (false, true) => "brackets hold 95 % intervals over repetitions",
                (false, false) => "too few for intervals",
            };
            format!(
                "{}, {n} repetitions each{place}; {interval}.",
                counted(ids.len())
            )
        }
    };
    if let Some(choice) = &view.summary.choice
        && over_configurations(view)
        && !choice.over_configs
    {
        text.push_str(
            " How many times as long one way of serving takes has its interval over repetitions of these \
             configurations.",
        );
    }
    if excluded > 0 {
        let _ = write!(
            text,
            " {excluded} runs are left out of every aggregate because a request did not complete or \
             its stamps are unusable."
        );
    }
    match view.dataset.provenance {
        Provenance::Simulated => text.push_str(
            " All of it comes from a simulated server: it shows what the tool does, not what a real \
             server does.",
        ),
        Provenance::Imported => text.push_str(
            " The runs were recorded by another program: stamps are rebuilt from recorded durations, with all \
             agents taken to start at the same moment.",
        ),
        Provenance::Measured => {}
    }
    text
}

/// True where a figure of all configurations has an interval, which is over configurations then.
fn over_configurations(view: &View<'_>) -> bool {
    let has_interval = |stats: &Statistics| {
        let figures = [&stats.speedup, &stats.decode_overlap, &stats.speedup_est];
        figures.into_iter().flatten().any(|e| e.lo.is_some())
    };
    !one_configuration(view) && view.summary.overall.iter().any(|o| has_interval(&o.stats))
}

/// Number of configurations whose loss is known; with only one configuration, of its runs.
fn with_loss(view: &View<'_>, overall: &Group) -> u32 {
    if one_configuration(view) {
        let runs = view.summary.runs.iter().filter(|r| r.excluded.is_none());
        let known = runs.filter(|r| r.topology == overall.topology && r.cause.lost.is_some());
        return known.count() as u32;
    }
    let configs = view.summary.configs.iter();
    let known = configs.filter(|c| c.topology == overall.topology && c.stats.lost_s.is_some());
    known.count() as u32
}

pub(super) fn figures(view: &View<'_>) -> Table {
    let mut table = Table::new("front", "The three figures that matter");
    table.label("figure", "figure");
    if view.summary.overall.len() > 1 {
        table.label("topology", "servers");
    }
    table.column("value", "value", Kind::Estimate, Origin::Derived);
    let heading = if one_configuration(view) {
        "runs (n)"
    } else {
        "configs (n)"
    };
    table.column("n", heading, Kind::Number, Origin::Derived);
    table.label("reading", "how to read it");
    for overall in &view.summary.overall {
        let (stats, _) = statistics(view, overall);
        let mut add = |name: &str, cell: Cell, n: Option<u32>, reading: &str| {
            let mut cells = vec![Cell::text(name)];
            if view.summary.overall.len() > 1 {
                cells.push(topology_cell(overall.topology));
            }
            cells.extend([cell, Cell::count(n.unwrap_or(0)), Cell::text(reading)]);
            table.row(cells);
        };
        if view.summary.choice.is_some() {
            add(
                "wall time together (s)",
                Cell::estimate(stats.wall_s.as_ref(), 2),
                stats.wall_s.map(|e| e.n),
                "from the first request to the last answer: what ranks the ways of serving",
            );
        }
        add(
            "true speedup (×)",
            Cell::estimate(stats.speedup.as_ref(), 2),
            stats.speedup.map(|e| e.n),
            "1 = running together bought nothing; the number of agents = perfect; below 1 = it cost",
        );
        add(
            "decode overlap (%)",
            Cell::scaled(stats.decode_overlap.as_ref(), 100.0, 1, false),
            stats.decode_overlap.map(|e| e.n),
            "share of decoding time with two or more agents decoding; 0 = they took turns",
        );
        if stats.lost_s.is_some() {
            add(
                "lost per run (s)",
                Cell::known(stats.lost_s.map(|l| l.total()), 2),
                Some(with_loss(view, overall)),
                if stats.lost_s.is_some_and(|l| l.total() < 0.0) {
                    "wall time less the longest solo time; below 0 = together took less time than the slowest \
                     agent alone"
                } else {
                    "wall time less the longest solo time: what perfect concurrency would have saved"
                },
            );
        } else if view.tr113 {
            add(
                "TR113's speedup est (×)",
                Cell::estimate(stats.speedup_est.as_ref(), 2),
                stats.speedup_est.map(|e| e.n),
                "for comparison only: it lies between 1 and the number of agents on any server",
            );
        }
    }
    if view.summary.overall.is_empty() {
        table.row(vec![
            Cell::text("true speedup (×)"),
            Cell::Unknown,
            Cell::count(0),
            Cell::text("not known from a published table"),
        ]);
    }
    table
}
