//! How sure the answer is, and the three figures that matter.

use std::collections::BTreeSet;

use domain::record::Provenance;
use itertools::Itertools as _;
use metrics::Estimate;
use metrics::summary::{Group, Statistics};
use serde_json::{Value, json};

use super::sentences::counted;
use super::{one_configuration, statistics};
use crate::kind::{stated, statements};
use crate::tables::{Origin, Table, View, table_of, taking_part, topology_word};

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

/// A row for each figure of each kind of serving.
pub(super) fn figures(view: &View<'_>) -> Table {
    let counted = if one_configuration(view) {
        "runs"
    } else {
        "configs"
    };
    let several = view.summary.overall.len() > 1;
    let of_overall = |overall: &Group| {
        let (stats, _) = statistics(view, overall);
        let servers = overall.topology.filter(|_| several).map(topology_word);
        let row = move |figure: &str, decimals: usize, value: Value, n: u32, reading: &str| {
            json!({
                "figure": figure,
                "topology": servers,
                "decimals": decimals,
                "value": value,
                counted: n,
                "reading": reading,
            })
        };
        let mean = move |figure: &str, decimals: usize, mean: Option<Estimate>, reading: &str| {
            let n = mean.map_or(0, |mean| mean.n);
            row(figure, decimals, json!(mean), n, reading)
        };
        let ranks = "from the first request to the last answer: what ranks the ways of serving";
        let wall = || mean("wall time together (s)", 2, stats.wall_s, ranks);
        let gain = "1 = running together bought nothing; the number of agents = perfect; below 1 = it cost";
        let speedup = mean("true speedup (×)", 2, stats.speedup, gain);
        let overlap = stats.decode_overlap.map(|overlap| overlap.times(100.0));
        let share = "share of decoding time with two or more agents decoding; 0 = they took turns";
        let overlap = mean("decode overlap (%)", 1, overlap, share);
        let last = match stats.lost_s.map(|lost| lost.total()) {
            Some(lost) => {
                let reading = if lost < 0.0 {
                    "wall time less the longest solo time; below 0 = together took less time than the slowest \
                     agent alone"
                } else {
                    "wall time less the longest solo time: what perfect concurrency would have saved"
                };
                let n = with_loss(view, overall);
                Some(row("lost per run (s)", 2, json!(lost), n, reading))
            }
            None => view.tr113.then(|| {
                let on_any =
                    "for comparison only: it lies between 1 and the number of agents on any server";
                mean("TR113's speedup est (×)", 2, stats.speedup_est, on_any)
            }),
        };
        let wall = view.summary.choice.is_some().then(wall);
        [wall, Some(speedup), Some(overlap), last]
    };
    let rows = view.summary.overall.iter().flat_map(of_overall).flatten();
    let mut rows: Vec<Value> = rows.collect();
    if rows.is_empty() {
        let reading = "not known from a published table";
        rows.push(json!({ "figure": "true speedup (×)", counted: 0, "reading": reading }));
    }
    table_of("front", Origin::Derived, rows).without_empty_columns(&["value"])
}
