//! The measured truth in full: against running in turn, where time was lost, per agent, one server
//! against several, and what a published table says against what its runs give.

mod differences;
mod lost;
mod topologies;

use document::Field;
use domain::{OPTIONS, OptionSpec, OptionValue};
use metrics::summary::{AgentSummary, Best, ContentionRuns};
use metrics::{AgentObservation, ConfigSummary};

use super::facts::{agent_letter, cause_phrase};
use super::view::{View, agents_of};
use super::{Cell, Kind, Mean, Number, Origin, Table, means, numbers, percent, taking_part};
use super::{topology_cell, topology_word};

pub use self::differences::{Difference, Shown};
pub(crate) use self::differences::{cell_difference, differences, differences_table};
use self::lost::{lost, waits};
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

/// The columns that a table by configuration begins with: the configuration, the servers where both kinds
/// were used, and the runs that take part.
fn config_columns<'f>(view: &View<'_>) -> Vec<Field<'f, ConfigSummary>> {
    let mut columns = vec![Field::label("config", "config", |c: &ConfigSummary| {
        Cell::text(c.id.as_str())
    })];
    if view.several_topologies() {
        columns.push(Field::label("topology", "servers", |c: &ConfigSummary| {
            topology_cell(c.topology)
        }));
    }
    columns.push(Field::number("n", "runs (n)", view.origin(), |c| {
        Cell::count(taking_part(c))
    }));
    columns
}

/// A table with a row for each configuration.
pub(super) fn by_config<'f>(
    view: &View<'_>,
    id: &str,
    title: &str,
    columns: impl IntoIterator<Item = Field<'f, ConfigSummary>>,
) -> Table {
    let columns = config_columns(view).into_iter().chain(columns);
    Table::of(id, title, columns.collect(), &view.summary.configs)
}

/// What one row is about where a configuration has several.
type OfConfig<'v, T> = (&'v ConfigSummary, T);

/// A table with several rows for each configuration.
fn within_configs<'f, 'v: 'f, T: 'f>(
    view: &'v View<'_>,
    id: &str,
    title: &str,
    columns: impl IntoIterator<Item = Field<'f, OfConfig<'v, T>>>,
    rows: impl IntoIterator<Item = OfConfig<'v, T>>,
) -> Table {
    let columns_of_config = config_columns(view).into_iter();
    let of_config = columns_of_config.map(|column| column.of_each(|row: &OfConfig<'v, T>| row.0));
    Table::of(id, title, of_config.chain(columns).collect(), rows)
}

fn verdict_column<'f>() -> Field<'f, ConfigSummary> {
    Field::label("verdict", "verdict", |c: &ConfigSummary| {
        Cell::text(c.verdict.word())
    })
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
    let word = |value: &Option<OptionValue>| match value {
        Some(value) => value.to_string(),
        None => "unset".to_owned(),
    };
    Cell::text(values.iter().map(word).collect::<Vec<_>>().join("/"))
}

/// What decides, by configuration: the options that vary, the speedup, the verdict and its cause.
fn configurations(view: &View<'_>) -> Table {
    let agents = |config: &ConfigSummary| agents_of(view.dataset, config);
    let varies = |option: &&OptionSpec| {
        let agents = view.summary.configs.iter().flat_map(agents);
        let mut values = agents.map(|a| option.get(&a.options));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let varying = OPTIONS.iter().filter(varies);
    let options = varying.map(|option| {
        let cell = move |c: &ConfigSummary| option_cell(option, agents(c));
        Field::new(option.name, option.name, Kind::Number, Origin::Label, cell)
    });
    let figures: [Mean<ConfigSummary>; 3] = [
        ("speedup", "true speedup (×)", 2, |c| c.stats.speedup),
        ("overlap_percent", "decode overlap (%)", 0, |c| {
            c.stats.decode_overlap.map(percent)
        }),
        ("wall_s", "wall together (s)", 2, |c| c.stats.wall_s),
    ];
    let cause = Field::label("cause", "main cause of what was lost", |c| {
        cause_phrase(c).map_or(Cell::Unknown, Cell::Text)
    });
    let columns = options.chain(means(view.origin(), figures));
    let columns = columns.chain([verdict_column(), cause]);
    by_config(view, "configurations", "What each configuration gains", columns).note(
        "`true speedup` is measured against running the same agents in turn, at equal work; an option in which \
         agents differ is listed for each agent.",
    )
}

fn measured(view: &View<'_>) -> Table {
    let figures: [Mean<ConfigSummary>; 12] = [
        ("wall_s", "wall together (s)", 2, |c| c.stats.wall_s),
        ("wall_sequential_s", "wall in turn (s)", 2, |c| {
            c.stats.wall_sequential_s
        }),
        ("speedup", "true speedup (×)", 3, |c| c.stats.speedup),
        ("speedup_upper_bound", "at most (×)", 3, |c| {
            c.stats.speedup_upper_bound
        }),
        ("efficiency_percent", "true efficiency (%)", 1, |c| {
            c.stats.efficiency
        }),
        ("stp", "STP", 3, |c| c.stats.stp),
        ("antt", "ANTT", 3, |c| c.stats.antt),
        ("fairness", "fairness", 3, |c| c.stats.fairness),
        ("jain", "Jain", 3, |c| c.stats.jain),
        ("decode_overlap_percent", "decode overlap (%)", 1, |c| {
            c.stats.decode_overlap.map(percent)
        }),
        ("throughput_together", "together (tok/s)", 1, |c| {
            c.stats.throughput_together
        }),
        ("throughput_sequential", "in turn (tok/s)", 1, |c| {
            c.stats.throughput_sequential
        }),
    ];
    let columns = means(view.origin(), figures).chain([verdict_column()]);
    by_config(view, "truth-measured", "Together against in turn", columns)
        .without_empty_columns(&["topology", "speedup"])
        .note(
            "Wall times and `true speedup` are at equal work: the sequential arm is taken at the output \
             lengths of the together arm. Without a sequential arm they are unknown; `at most` is then a \
             bound from the waits alone.",
        )
}

fn agents(view: &View<'_>) -> Table {
    let names = [
        Field::label("agent", "agent", |a: &AgentSummary| {
            Cell::text(agent_letter(a.agent))
        }),
        Field::label("name", "name", |a: &AgentSummary| Cell::text(&*a.name)),
    ];
    let figures: [Mean<AgentSummary>; 8] = [
        ("time_s", "together (s)", 2, |a| a.time_s),
        ("solo_s", "alone (s)", 2, |a| a.solo_s),
        ("np", "progress", 3, |a| a.np),
        ("ttft_ms", "TTFT together (ms)", 0, |a| a.ttft_ms),
        ("ttft_solo_ms", "TTFT alone (ms)", 0, |a| a.ttft_solo_ms),
        ("rate", "decode together (tok/s)", 1, |a| a.rate),
        ("rate_sequential", "decode in turn (tok/s)", 1, |a| {
            a.rate_sequential
        }),
        ("tokens", "tokens", 0, |a| a.tokens),
    ];
    let columns = names.into_iter().chain(means(view.origin(), figures));
    let columns = columns.map(|column| column.of_each(|row: &OfConfig<'_, &AgentSummary>| row.1));
    let configs = view.summary.configs.iter();
    let rows = configs.flat_map(|config| config.per_agent.iter().map(move |agent| (config, agent)));
    within_configs(view, "agents", "Per agent", columns, rows).note(
        "`alone` is the warm solo time: the agent by itself on a ready model, at the output length of \
         the together arm. `progress` is alone over together.",
    )
}

/// The rules of contention: key, heading, the runs that it finds.
pub(super) type Rule = (
    &'static str,
    &'static str,
    fn(&ContentionRuns) -> Option<u32>,
);

pub(super) const RULES: [Rule; 4] = [
    ("flag", "flag", |r| r.published),
    ("ttft_rule", "ttft rule", |r| r.ttft_rule),
    ("speedup_rule", "speedup rule", |r| r.speedup_rule),
    ("cause", "cause", |r| r.cause),
];

fn rules(view: &View<'_>) -> Table {
    let columns = RULES.map(|(key, heading, runs)| {
        Field::number(key, heading, view.origin(), move |c: &ConfigSummary| {
            runs(&c.stats.contention_runs).map_or(Cell::Unknown, Cell::count)
        })
    });
    let title = "Contention by every rule, per configuration";
    by_config(view, "contention-rules", title, columns).note(
        "Runs with contention by each rule; see 4.3 for the rules. Unknown: the data cannot test the rule.",
    )
}

/// A percentile: key, heading, the figure, s.
type Percentile = (
    &'static str,
    &'static str,
    fn(&ConfigSummary) -> Option<f64>,
);

fn tails(view: &View<'_>) -> Table {
    let percentile = |p: Option<f64>| p.map_or(Cell::Empty, |v| Cell::number(v, 2));
    let requests = Field::number(
        "requests",
        "requests (n)",
        view.origin(),
        |c: &ConfigSummary| Cell::count(c.ttft.n),
    );
    let percentiles: [Percentile; 4] = [
        ("p50_s", "p50 (s)", |c| c.ttft.p50),
        ("p90_s", "p90 (s)", |c| c.ttft.p90),
        ("p95_s", "p95 (s)", |c| c.ttft.p95),
        ("p99_s", "p99 (s)", |c| c.ttft.p99),
    ];
    let percentiles = percentiles.map(|(key, heading, get)| {
        Field::number(key, heading, view.origin(), move |c| percentile(get(c)))
    });
    let mut columns = config_columns(view);
    columns.push(requests);
    columns.extend(percentiles);
    let known = view.summary.configs.iter().filter(|c| c.ttft.n > 0);
    Table::of("ttft-percentiles", "TTFT percentiles", columns, known).note(
        "Over all main requests of the together arm. A percentile is given only where the sample can \
         carry it: p90 from 64 requests, p95 from 130, p99 from 662; a dash means too few.",
    )
}

/// An end of a request: its name, how many ended so.
type End = (&'static str, fn(&domain::OutcomeCounts) -> u32);

fn outcomes(view: &View<'_>) -> Table {
    let ends: [End; 5] = [
        ("completed", |o| o.completed),
        ("failed", |o| o.failed),
        ("incomplete", |o| o.incomplete),
        ("cancelled", |o| o.cancelled),
        ("timed_out", |o| o.timed_out),
    ];
    let ends = ends.map(|(name, get)| {
        let heading = name.replace('_', " ");
        Field::number(name, heading, view.origin(), move |c: &ConfigSummary| {
            let together = get(&c.stats.outcomes);
            match &c.stats.outcomes_sequential {
                Some(sequential) => Cell::text(format!("{together}/{}", get(sequential))),
                None => Cell::count(together),
            }
        })
    });
    let left_out: [Number<ConfigSummary>; 1] = [("runs_excluded", "runs left out", |c| {
        Cell::count(c.runs_excluded)
    })];
    let columns = ends.into_iter().chain(numbers(view.origin(), left_out));
    by_config(view, "outcomes", "How requests ended", columns).note(
        "Main requests of the together arm, and of the sequential arm after the slash. A request that \
         did not complete takes its run out of every aggregate.",
    )
}

fn best(view: &View<'_>) -> Table {
    let several = view.several_topologies();
    let name = move |(id, topology): &(domain::plan::ConfigId, Option<_>)| match topology {
        Some(t) if several => format!("{id} ({})", topology_word(*t)),
        _ => id.to_string(),
    };
    let like_it = move |best: &Best| match best.not_told_apart.len() {
        0 => "none".to_owned(),
        1 if best.compared == 2 => "the other one".to_owned(),
        others if others + 1 == best.compared as usize => format!("all {others} others"),
        _ => best
            .not_told_apart
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let mut columns = vec![
        Field::label("by", "by", |b: &Best| Cell::text(b.by)),
        Field::label("config", "best", |b: &Best| Cell::text(b.id.as_str())),
    ];
    if several {
        columns.push(Field::label("topology", "servers", |b: &Best| {
            topology_cell(b.topology)
        }));
    }
    columns.extend([
        Field::estimate("value", "value", view.origin(), |b: &Best| {
            Cell::estimate(Some(&b.value), 3)
        }),
        Field::number("compared", "compared (n)", view.origin(), |b: &Best| {
            Cell::count(b.compared)
        }),
        Field::label(
            "not_told_apart",
            "cannot be told apart from it",
            move |b: &Best| Cell::text(like_it(b)),
        ),
    ]);
    Table::of("best", "Best configurations", columns, &view.summary.best).note(
        "The best geometric mean, and every configuration that cannot be told apart from it: comparisons with the best, \
         corrected for having chosen it, 5 % by quantity. Fewer than three runs are not ranked.",
    )
}
