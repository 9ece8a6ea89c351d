//! The measured truth in full: against running in turn, where time was lost, per agent, one server
//! against several, and what a published table says against what its runs give.

mod differences;
mod lost;
mod topologies;

use domain::plan::Topology;
use domain::{OPTIONS, OptionSpec, OptionValue};
use metrics::{AgentObservation, ConfigSummary, Estimate};

use super::facts::{agent_letter, cause_phrase};
use super::view::View;
use super::{Cell, Kind, Origin, Table, topology_word, verdict_word};

pub use self::differences::{Difference, Shown};
pub(crate) use self::differences::{cell_difference, differences, differences_table};
use self::lost::{lost, waits};
pub(crate) use self::topologies::paired;
use self::topologies::topologies;

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    if view.summary.configs.is_empty() {
        return Vec::new();
    }
    let mut tables = vec![
        configurations(view),
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

/// The agents of a configuration, as they ran.
fn agents_of<'v>(view: &'v View<'_>, config: &ConfigSummary) -> &'v [AgentObservation] {
    let mut runs = view.dataset.runs.iter();
    let run = runs.find(|r| r.config == config.id && r.topology == config.topology);
    let arm = run.and_then(|r| r.together.as_ref().or(r.sequential.as_ref()));
    arm.map_or(&[], |arm| arm.agents.as_slice())
}

/// An option's value for all agents of a configuration: a number where they agree on one.
fn option_cell(option: &OptionSpec, agents: &[AgentObservation]) -> Cell {
    let values: Vec<Option<OptionValue>> = agents.iter().map(|a| option.get(&a.options)).collect();
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return match values.first() {
            Some(Some(value)) => value.as_f64().map_or_else(
                || Cell::text(value.to_string()),
                |n| Cell::number(n, usize::from(n.fract() != 0.0)),
            ),
            _ => Cell::Empty,
        };
    }
    let words: Vec<String> = values
        .iter()
        .map(|value| {
            value
                .as_ref()
                .map_or("unset".to_owned(), ToString::to_string)
        })
        .collect();
    Cell::text(words.join("/"))
}

/// What decides, by configuration: the options that vary, the speedup, the verdict and its cause.
fn configurations(view: &View<'_>) -> Table {
    let configs = &view.summary.configs;
    let varies = |option: &&OptionSpec| {
        let agents = || configs.iter().flat_map(|c| agents_of(view, c));
        let mut values = agents().map(|a| option.get(&a.options));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let varying: Vec<&OptionSpec> = OPTIONS.iter().filter(varies).collect();
    let mut table = by_config(view, "configurations", "What each configuration gains").note(
        "`true speedup` is measured against running the same agents in turn, at equal work; an option with several \
         values is told for each agent.",
    );
    for option in &varying {
        table.column(option.name, option.name, Kind::Number, Origin::Label);
    }
    table.column("speedup", "true speedup (×)", Kind::Estimate, origin(view));
    table.column(
        "overlap_percent",
        "decode overlap (%)",
        Kind::Estimate,
        origin(view),
    );
    table.column("wall_s", "wall together (s)", Kind::Estimate, origin(view));
    table.label("verdict", "verdict");
    table.label("cause", "main cause of what was lost");
    for config in configs {
        let agents = agents_of(view, config);
        let mut cells = config_cells(view, config);
        cells.extend(varying.iter().map(|option| option_cell(option, agents)));
        cells.push(Cell::estimate(config.stats.speedup.as_ref(), 2));
        cells.push(Cell::scaled(
            config.stats.decode_overlap.as_ref(),
            100.0,
            0,
            false,
        ));
        cells.push(Cell::estimate(config.stats.wall_s.as_ref(), 2));
        cells.push(Cell::text(verdict_word(config.verdict)));
        cells.push(cause_phrase(config).map_or(Cell::Unknown, Cell::Text));
        table.row(cells);
    }
    table
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
        let gets: [fn(&domain::OutcomeCounts) -> u32; 5] = [
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
