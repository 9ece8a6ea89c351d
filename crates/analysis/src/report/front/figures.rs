//! How sure the answer is, and the three figures that matter.

use std::collections::BTreeSet;

use domain::record::Provenance;
use itertools::Itertools as _;
use metrics::summary::{Group, Statistics};

use super::sentences::counted;
use super::{one_configuration, statistics};
use crate::kind::{stated, statements};
use crate::tables::{Cell, Kind, Origin, Table, View, taking_part, topology_cell};

pub(super) fn confidence(view: &View<'_>) -> String {
    let configs = &view.summary.configs;
    let ids: BTreeSet<_> = configs.iter().map(|c| &c.id).collect();
    let of = counted(ids.len());
    let place = if view.several_topologies() {
        " on each kind of serving"
    } else {
        ""
    };
    let over = over_configurations(view);
    let runs = configs.iter().map(taking_part).minmax().into_option();
    let mut said = vec![match runs {
        None => stated("sweep:sure:published").to_owned(),
        Some((1, 1)) => format!(
            "{of}, a single run each{place}: {}",
            stated("sweep:sure:single")
        ),
        Some((least, most)) => {
            let n = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let interval = match (over, most >= 3) {
                (true, true) => stated("sweep:sure:both"),
                (true, false) => stated("sweep:sure:over-configurations"),
                (false, true) => "brackets hold 95 % intervals over repetitions",
                (false, false) => "too few for intervals",
            };
            format!("{of}, {n} repetitions each{place}; {interval}.")
        }
    }];
    if over && runs == Some((1, 1)) {
        said.push("Brackets hold 95 % intervals over configurations.".to_owned());
    }
    let choice = view.summary.choice.as_ref();
    if over && choice.is_some_and(|choice| !choice.over_configs) {
        said.extend(statements("sweep:sure:choice"));
    }
    let excluded: u32 = configs.iter().map(|c| c.runs_excluded).sum();
    if excluded > 0 {
        let why = stated("sweep:sure:left-out");
        said.push(format!("{excluded} runs are {why}"));
    }
    said.extend(match view.dataset.provenance {
        Provenance::Simulated => statements("sweep:sure:simulated"),
        Provenance::Imported => statements("sweep:sure:imported"),
        Provenance::Measured => Vec::new(),
    });
    said.join(" ")
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
    let known = if one_configuration(view) {
        let runs = view.summary.runs.iter().filter(|r| r.excluded.is_none());
        let known = runs.filter(|r| r.topology == overall.topology && r.cause.lost.is_some());
        known.count()
    } else {
        let configs = view.summary.configs.iter();
        let known = configs.filter(|c| c.topology == overall.topology && c.stats.lost_s.is_some());
        known.count()
    };
    known as u32
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
