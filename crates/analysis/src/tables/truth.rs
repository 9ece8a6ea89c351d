//! The measured truth in full: against running in turn, where time was lost, per agent, one server
//! against several, and what a published table says against what its runs give.

use domain::plan::{ConfigId, Topology};
use metrics::cause::LostSeconds;
use metrics::summary::{Paired, TopologyComparison};
use metrics::{ConfigSummary, Dataset, Estimate, Summary};

use crate::audit::{CellCheck, Published, Value};

use super::facts::{agent_letter, verdict_word};
use super::view::{View, topology_word};
use super::{Cell, Kind, Origin, Table, mean_of_amounts};

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    if view.summary.configs.is_empty() {
        return Vec::new();
    }
    let mut tables = vec![
        measured(view),
        lost(view),
        waits(view),
        agents(view),
        rules(view),
        tails(view),
        outcomes(view),
        best(view),
    ];
    tables.extend(topologies(view));
    tables
}

pub(super) fn origin(view: &View<'_>) -> Origin {
    let data = view.sources.iter().find(|s| !s.is_published());
    data.map_or(Origin::Derived, |s| s.origin)
}

/// A table that begins with configuration, and with the servers where both kinds were used.
pub(super) fn by_config(view: &View<'_>, id: &str, title: &str) -> Table {
    let mut table = Table::new(id, title);
    table.label("config", "config");
    if view.several_topologies() {
        table.label("topology", "servers");
    }
    table.column("n", "runs (n)", Kind::Number, origin(view));
    table
}

fn taking_part(config: &ConfigSummary) -> u32 {
    config.runs - config.runs_excluded.min(config.runs)
}

pub(super) fn config_cells(view: &View<'_>, config: &ConfigSummary) -> Vec<Cell> {
    let mut cells = vec![Cell::text(config.id.as_str())];
    if view.several_topologies() {
        cells.push(topology_cell(config.topology));
    }
    cells.push(Cell::count(taking_part(config)));
    cells
}

fn topology_cell(topology: Option<Topology>) -> Cell {
    topology.map_or(Cell::Unknown, |t| Cell::text(topology_word(t)))
}

/// Key, heading, decimals, factor to the heading's unit, the figure.
type Measured = (
    &'static str,
    &'static str,
    usize,
    f64,
    fn(&ConfigSummary) -> Option<&Estimate>,
);

fn measured(view: &View<'_>) -> Table {
    let mut table = by_config(view, "truth-measured", "Together against in turn").note(
        "Wall times and `true speedup` are at equal work: the sequential arm is taken at the output \
         lengths of the together arm. Without a sequential arm they are unknown; `at most` is then a \
         bound from the waits alone.",
    );
    let origin = origin(view);
    let columns: [Measured; 12] = [
        ("wall_s", "wall together (s)", 2, 1.0, |c| {
            c.stats.wall_s.as_ref()
        }),
        ("wall_sequential_s", "wall in turn (s)", 2, 1.0, |c| {
            c.stats.wall_sequential_s.as_ref()
        }),
        ("speedup", "true speedup (×)", 3, 1.0, |c| {
            c.stats.speedup.as_ref()
        }),
        ("speedup_upper_bound", "at most (×)", 3, 1.0, |c| {
            c.stats.speedup_upper_bound.as_ref()
        }),
        ("efficiency_percent", "true efficiency (%)", 1, 1.0, |c| {
            c.stats.efficiency.as_ref()
        }),
        ("stp", "STP", 3, 1.0, |c| c.stats.stp.as_ref()),
        ("antt", "ANTT", 3, 1.0, |c| c.stats.antt.as_ref()),
        ("fairness", "fairness", 3, 1.0, |c| {
            c.stats.fairness.as_ref()
        }),
        ("jain", "Jain", 3, 1.0, |c| c.stats.jain.as_ref()),
        (
            "decode_overlap_percent",
            "decode overlap (%)",
            1,
            100.0,
            |c| c.stats.decode_overlap.as_ref(),
        ),
        ("throughput_together", "together (tok/s)", 1, 1.0, |c| {
            c.stats.throughput_together.as_ref()
        }),
        ("throughput_sequential", "in turn (tok/s)", 1, 1.0, |c| {
            c.stats.throughput_sequential.as_ref()
        }),
    ];
    // A column in which every cell is unknown says nothing, except for the speedup itself.
    let kept: Vec<_> = columns
        .into_iter()
        .filter(|(key, _, _, _, get)| {
            *key == "speedup" || view.summary.configs.iter().any(|c| get(c).is_some())
        })
        .collect();
    for (key, heading, ..) in &kept {
        table.column(*key, *heading, Kind::Estimate, origin);
    }
    table.label("verdict", "verdict");
    for config in &view.summary.configs {
        let mut cells = config_cells(view, config);
        for (_, _, decimals, factor, get) in &kept {
            cells.push(Cell::scaled(get(config), *factor, *decimals, false));
        }
        cells.push(Cell::text(verdict_word(config.verdict)));
        table.row(cells);
    }
    table
}

fn lost(view: &View<'_>) -> Table {
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
fn waits(view: &View<'_>) -> Table {
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

fn agents(view: &View<'_>) -> Table {
    let mut table = by_config(view, "agents", "Per agent").note(
        "`alone` is the warm solo time: the agent by itself on a ready model, at the output length of \
         the together arm. `progress` is alone over together.",
    );
    let origin = origin(view);
    table.label("agent", "agent");
    table.label("name", "name");
    for (key, heading) in [
        ("time_s", "together (s)"),
        ("solo_s", "alone (s)"),
        ("np", "progress"),
        ("ttft_ms", "TTFT together (ms)"),
        ("ttft_solo_ms", "TTFT alone (ms)"),
        ("rate", "decode together (tok/s)"),
        ("rate_sequential", "decode in turn (tok/s)"),
        ("tokens", "tokens"),
    ] {
        table.column(key, heading, Kind::Estimate, origin);
    }
    for config in &view.summary.configs {
        for agent in &config.per_agent {
            let mut cells = config_cells(view, config);
            cells.push(Cell::text(agent_letter(agent.agent)));
            cells.push(Cell::text(agent.name.as_str()));
            cells.push(Cell::estimate(agent.time_s.as_ref(), 2));
            cells.push(Cell::estimate(agent.solo_s.as_ref(), 2));
            cells.push(Cell::estimate(agent.np.as_ref(), 3));
            cells.push(Cell::estimate(agent.ttft_ms.as_ref(), 0));
            cells.push(Cell::estimate(agent.ttft_solo_ms.as_ref(), 0));
            cells.push(Cell::estimate(agent.rate.as_ref(), 1));
            cells.push(Cell::estimate(agent.rate_sequential.as_ref(), 1));
            cells.push(Cell::estimate(agent.tokens.as_ref(), 0));
            table.row(cells);
        }
    }
    table
}

fn rules(view: &View<'_>) -> Table {
    let mut table = by_config(view, "contention-rules", "Contention by every rule, per configuration")
        .note("Runs with contention by each rule; see 4.3 for the rules. Unknown: the data cannot test the rule.");
    for (key, heading) in [
        ("flag", "flag"),
        ("ttft_rule", "ttft rule"),
        ("speedup_rule", "speedup rule"),
        ("cause", "cause"),
    ] {
        table.column(key, heading, Kind::Number, origin(view));
    }
    for config in &view.summary.configs {
        let runs = config.stats.contention_runs;
        let mut cells = config_cells(view, config);
        cells.extend(
            [
                runs.published,
                runs.ttft_rule,
                runs.speedup_rule,
                runs.cause,
            ]
            .map(|k| k.map_or(Cell::Unknown, Cell::count)),
        );
        table.row(cells);
    }
    table
}

fn tails(view: &View<'_>) -> Table {
    let mut table = by_config(view, "ttft-percentiles", "TTFT percentiles").note(
        "Over all main requests of the together arm. A percentile is given only where the sample can \
         carry it: p90 from 64 requests, p95 from 130, p99 from 662; a dash means too few.",
    );
    table.column("requests", "requests (n)", Kind::Number, origin(view));
    for (key, heading) in [
        ("p50_s", "p50 (s)"),
        ("p90_s", "p90 (s)"),
        ("p95_s", "p95 (s)"),
        ("p99_s", "p99 (s)"),
    ] {
        table.column(key, heading, Kind::Number, origin(view));
    }
    for config in view.summary.configs.iter().filter(|c| c.ttft.n > 0) {
        let tail = config.ttft;
        let mut cells = config_cells(view, config);
        cells.push(Cell::count(tail.n));
        cells.extend(
            [tail.p50, tail.p90, tail.p95, tail.p99]
                .map(|p| p.map_or(Cell::Empty, |v| Cell::number(v, 2))),
        );
        table.row(cells);
    }
    table
}

fn outcomes(view: &View<'_>) -> Table {
    let mut table = by_config(view, "outcomes", "How requests ended").note(
        "Main requests of the together arm, and of the sequential arm after the slash. A request that \
         did not complete takes its run out of every aggregate.",
    );
    for name in [
        "completed",
        "failed",
        "incomplete",
        "cancelled",
        "timed_out",
    ] {
        table.column(name, name.replace('_', " "), Kind::Number, origin(view));
    }
    table.column("runs_excluded", "runs left out", Kind::Number, origin(view));
    for config in &view.summary.configs {
        let together = config.stats.outcomes;
        let sequential = config.stats.outcomes_sequential;
        let mut cells = config_cells(view, config);
        let gets: [fn(&metrics::run::Outcomes) -> u32; 5] = [
            |o| o.completed,
            |o| o.failed,
            |o| o.incomplete,
            |o| o.cancelled,
            |o| o.timed_out,
        ];
        cells.extend(gets.map(|get| match &sequential {
            Some(sequential) => Cell::text(format!("{}/{}", get(&together), get(sequential))),
            None => Cell::count(get(&together)),
        }));
        cells.push(Cell::count(config.runs_excluded));
        table.row(cells);
    }
    table
}

fn best(view: &View<'_>) -> Table {
    let mut table = Table::new("best", "Best configurations").note(
        "The best mean, and every configuration that cannot be told apart from it (Holm-corrected, \
         5 %). With one run each nothing can be told apart.",
    );
    table.label("by", "by");
    table.label("config", "best");
    if view.several_topologies() {
        table.label("topology", "servers");
    }
    table.column("value", "value", Kind::Estimate, origin(view));
    table.column("compared", "compared (n)", Kind::Number, origin(view));
    table.label("not_told_apart", "cannot be told apart from it");
    for best in &view.summary.best {
        let mut cells = vec![Cell::text(best.by), Cell::text(best.id.as_str())];
        if view.several_topologies() {
            cells.push(topology_cell(best.topology));
        }
        cells.push(Cell::estimate(Some(&best.value), 3));
        cells.push(Cell::count(best.compared));
        let others = best.not_told_apart.len() as u32;
        cells.push(Cell::text(if others == 0 {
            "none".to_owned()
        } else if others + 1 == best.compared {
            format!("all {others} others")
        } else {
            let names: Vec<String> = best
                .not_told_apart
                .iter()
                .map(|(id, topology)| match topology {
                    Some(t) if view.several_topologies() => format!("{id} ({})", topology_word(*t)),
                    _ => id.to_string(),
                })
                .collect();
            names.join(", ")
        }));
        table.row(cells);
    }
    table
}

/// One server against one per agent, a table per configuration measured on both.
fn topologies(view: &View<'_>) -> Vec<Table> {
    view.summary
        .topologies
        .iter()
        .map(|comparison| topology(view, comparison))
        .collect()
}

fn topology(view: &View<'_>, comparison: &TopologyComparison) -> Table {
    let mut table = Table::new(
        format!("servers-{}", comparison.id),
        format!("One server or one per agent: {}", comparison.id),
    )
    .note(format!(
        "{} paired repetitions. Difference and ratio are `a server per agent` against `one server`. p \
         is Holm-corrected over these quantities; none below three pairs.",
        comparison.pairs
    ));
    let origin = origin(view);
    table.label("quantity", "quantity");
    table.column("one_server", "one server", Kind::Estimate, origin);
    table.column("per_agent", "a server per agent", Kind::Estimate, origin);
    table.column("difference", "difference", Kind::Estimate, Origin::Derived);
    table.column("ratio", "ratio", Kind::Estimate, Origin::Derived);
    table.column("p_holm", "p", Kind::Number, Origin::Derived);
    for (name, paired, factor, decimals) in paired(comparison) {
        let Some(paired) = paired else {
            continue;
        };
        table.row(vec![
            Cell::text(name),
            Cell::scaled(Some(&paired.shared), factor, decimals, false),
            Cell::scaled(Some(&paired.per_agent), factor, decimals, false),
            Cell::scaled(Some(&paired.difference), factor, decimals, true),
            Cell::estimate(paired.ratio.as_ref(), 3),
            Cell::p_value(paired.p_holm),
        ]);
    }
    table
}

/// The quantities of a comparison: name with unit, values, factor to that unit, decimals.
pub(crate) fn paired(
    comparison: &TopologyComparison,
) -> [(&'static str, Option<&Paired>, f64, usize); 7] {
    [
        ("wall time (s)", comparison.wall_s.as_ref(), 1.0, 2),
        (
            "aggregate throughput (tok/s)",
            comparison.throughput.as_ref(),
            1.0,
            1,
        ),
        (
            "TTFT, mean over agents (s)",
            comparison.ttft_s.as_ref(),
            1.0,
            2,
        ),
        (
            "decode rate per agent (tok/s)",
            comparison.rate.as_ref(),
            1.0,
            1,
        ),
        ("speedup est (×)", comparison.speedup_est.as_ref(), 1.0, 3),
        ("true speedup (×)", comparison.speedup.as_ref(), 1.0, 3),
        (
            "peak device memory (GB)",
            comparison.memory_peak_bytes.as_ref(),
            1e-9,
            2,
        ),
    ]
}

/// A published figure beside the recomputed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it is published: `3.1 bvc_g60_c512_t0.6 speedup`.
    pub place: String,
    /// What it was recomputed from.
    pub from: &'static str,
    /// As published.
    pub published: Shown,
    /// As recomputed; none where the data cannot tell.
    pub recomputed: Option<Shown>,
    /// The recomputed figure is not the published one within half a unit of its last place.
    pub differs: bool,
}

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A number with its decimals.
    Number(f64, usize),
    /// A word.
    Word(String),
    /// As a report prints it, with its value where that is a single number.
    Printed(String, Option<f64>),
}

impl Shown {
    fn show(&self) -> String {
        match self {
            Self::Number(value, decimals) => super::plain(*value, *decimals),
            Self::Word(word) | Self::Printed(word, _) => word.clone(),
        }
    }

    /// For `report.json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Number(value, _) | Self::Printed(_, Some(value)) => serde_json::json!(value),
            Self::Word(word) | Self::Printed(word, None) => serde_json::json!(word),
        }
    }
}

/// Every figure of the published rows beside what the recorded runs of the same configuration give.
pub(crate) fn differences(dataset: &Dataset, summary: &Summary) -> Vec<Difference> {
    let mut all = Vec::new();
    for row in &dataset.published {
        let Some(config) = single(summary, &row.config) else {
            continue;
        };
        let section = match row.scenario.as_str() {
            "baseline_vs_chimera" => "3.1",
            "chimera_hetero" => "3.2",
            "chimera_homo" => "3.3",
            _ => "table",
        };
        let stats = &config.stats;
        let mean = |e: &Option<Estimate>| e.map(|e| e.mean);
        let figures = [
            (
                "speedup",
                Some(row.speedup),
                mean(&stats.speedup_est),
                3,
                0.0005,
            ),
            (
                "efficiency (%)",
                Some(row.efficiency_percent),
                mean(&stats.efficiency_est),
                1,
                0.05,
            ),
            (
                "TTFT delta (ms)",
                row.ttft_delta_ms,
                mean(&stats.ttft_delta_ms),
                0,
                0.5,
            ),
            (
                "TP delta (tok/s)",
                row.tp_delta,
                mean(&stats.tp_delta),
                2,
                0.005,
            ),
        ];
        for (name, published, recomputed, decimals, tolerance) in figures {
            let Some(published) = published else {
                continue;
            };
            all.push(Difference {
                place: format!("{section} {} {name}", row.config),
                from: "recorded runs",
                published: Shown::Number(published, decimals),
                recomputed: recomputed.map(|v| Shown::Number(v, decimals)),
                differs: recomputed.is_some_and(|v| {
                    (v - published).abs() > tolerance + 1e-9 * published.abs().max(1.0)
                }),
            });
        }
        let word = |flag: bool| Shown::Word(if flag { "yes" } else { "no" }.to_owned());
        let recorded = stats.contention_runs.published.map(|k| k > 0);
        all.push(Difference {
            place: format!("{section} {} contention", row.config),
            from: "recorded runs",
            published: word(row.contention),
            recomputed: recorded.map(word),
            differs: recorded.is_some_and(|flag| flag != row.contention),
        });
    }
    all
}

/// A figure of one of the published report's tables beside what its own rows give.
pub(crate) fn cell_difference(check: &CellCheck) -> Difference {
    // As many decimals as are printed; one more where the recomputed figure needs it to differ.
    let decimals = check.tolerance.map_or(2, |t| {
        if t <= 0.0 {
            0
        } else {
            (-(2.0 * t).log10()).round().max(0.0) as usize
        }
    });
    let recomputed = check.recomputed.as_ref().map(|value| match value {
        Value::Number(v) => Shown::Number(*v, decimals),
        Value::Text(word) => Shown::Word(word.clone()),
    });
    Difference {
        place: format!("{} {}: {}", check.section, check.row, check.column),
        from: "published rows",
        published: Shown::Printed(
            check.printed.clone(),
            match &check.published {
                Published::One(Value::Number(v)) => Some(*v),
                _ => None,
            },
        ),
        recomputed,
        differs: check.differs,
    }
}

fn single<'s>(summary: &'s Summary, config: &ConfigId) -> Option<&'s ConfigSummary> {
    summary.configs.iter().find(|c| c.id == *config)
}

/// The comparisons as a table; `only_differing` keeps those that differ.
pub(crate) fn differences_table(all: &[Difference], only_differing: bool) -> Table {
    let mut table = if only_differing {
        Table::new("differences", "Differences from the published report")
    } else {
        Table::new(
            "comparison",
            "Every published figure beside the recomputed one",
        )
    };
    table.label("where", "where");
    table.column("published", "published", Kind::Number, Origin::Published);
    table.column("recomputed", "recomputed", Kind::Number, Origin::Derived);
    table.label("from", "recomputed from");
    if !only_differing {
        table.label("differs", "differs");
    }
    for entry in all.iter().filter(|d| d.differs || !only_differing) {
        let mut cells = vec![
            Cell::text(entry.place.as_str()),
            Cell::text(entry.published.show()),
            entry
                .recomputed
                .as_ref()
                .map_or(Cell::Unknown, |r| Cell::text(r.show())),
            Cell::text(entry.from),
        ];
        if !only_differing {
            cells.push(Cell::text(if entry.differs { "yes" } else { "no" }));
        }
        table.row(cells);
    }
    table
}
