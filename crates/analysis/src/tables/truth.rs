//! The measured truth in full: against running in turn, where time was lost, per agent, one server
//! against several, and what a published table says against what its runs give.

mod differences;

use std::collections::BTreeMap;

use domain::{OPTIONS, OptionSpec, OptionValue};
use metrics::cause::LostSeconds;
use metrics::summary::{Best, BothWays, TopologyComparison};
use metrics::{AgentObservation, ConfigSummary, Estimate};
use polars::prelude::{IntoLazy as _, LazyFrame, SortMultipleOptions, col, lit};
use serde_json::{Value, json};

use super::column::{TableColumn, estimate, label, number, p_value, setting};
use super::facts::agent_letter;
use super::frame::{collect, frame, join, means, with_columns};
use super::view::{View, agents_of};
use super::{Table, topology_word};

pub use self::differences::{Difference, Shown};
pub(crate) use self::differences::{cell_difference, differences, differences_table};

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
    let compared = &view.summary.topologies;
    tables.extend(compared.iter().map(|comparison| servers(view, comparison)));
    tables
}

/// The measured configurations, in the data's order.
fn measured_rows(view: &View<'_>) -> LazyFrame {
    let measured = view.configs_frame().filter(col("is_data"));
    measured.sort(["place"], SortMultipleOptions::default())
}

/// A table by configuration. It begins with the configuration, the servers where both kinds were used, and the runs
/// that take part.
fn by_config(
    view: &View<'_>,
    (id, title): (&str, &str),
    rows: LazyFrame,
    columns: impl IntoIterator<Item = TableColumn>,
) -> Table {
    let mut all = vec![label("config", "config")];
    all.extend(view.several_topologies().then(servers_column));
    all.push(number("n", "runs (n)", 0));
    all.extend(columns);
    view.table(id, title, rows, &all)
}

fn servers_column() -> TableColumn {
    label("topology", "servers").from("servers")
}

/// A row for each of several items of each configuration, with the configuration's name, servers and runs.
fn within_configs(view: &View<'_>, items: impl IntoIterator<Item = (usize, Value)>) -> LazyFrame {
    let items = items
        .into_iter()
        .map(|(place, item)| json!({ "place": place, "item": item }));
    let items = with_columns(frame(items), &["place"]).lazy();
    let configs = measured_rows(view).select(["place", "config", "servers", "n"].map(col));
    join(items, configs, &["place"])
}

/// An option's value for all agents of a configuration: a number where they agree on one.
fn option_value(option: &OptionSpec, agents: &[AgentObservation]) -> Value {
    let values: Vec<Option<OptionValue>> = agents.iter().map(|a| option.get(&a.options)).collect();
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return match values.first() {
            Some(Some(value)) => match value.as_f64() {
                Some(number) => json!({ "number": number }),
                None => json!({ "words": value.to_string() }),
            },
            _ => Value::Null,
        };
    }
    let word = |value: &Option<OptionValue>| match value {
        Some(value) => value.to_string(),
        None => "unset".to_owned(),
    };
    json!({ "words": values.iter().map(word).collect::<Vec<_>>().join("/") })
}

/// What decides, by configuration: the options that vary, the speedup, the verdict and its cause.
fn configurations(view: &View<'_>) -> Table {
    let configs = &view.summary.configs;
    let agents = |config: &ConfigSummary| agents_of(view.dataset, config);
    let varies = |option: &&OptionSpec| {
        let mut values = configs
            .iter()
            .flat_map(agents)
            .map(|a| option.get(&a.options));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let varying: Vec<&OptionSpec> = OPTIONS.iter().filter(varies).collect();
    let options = configs.iter().enumerate().map(|(place, config)| {
        let values = varying
            .iter()
            .map(|option| (option.name, option_value(option, agents(config))));
        json!({ "place": place, "option": values.collect::<BTreeMap<_, _>>() })
    });
    let rows = join(measured_rows(view), frame(options).lazy(), &["place"]);
    let options = varying.iter().map(|option| {
        let [number, words] =
            ["number", "words"].map(|kind| format!("option.{}.{kind}", option.name));
        setting(option.name, option.name)
            .from(&number)
            .otherwise(&words)
    });
    let figures = [
        estimate("speedup", "true speedup (×)", 2),
        estimate("overlap_percent", "decode overlap (%)", 0)
            .from("decode_overlap")
            .percent(),
        estimate("wall_s", "wall together (s)", 2),
        label("verdict", "verdict"),
        label("cause", "main cause of what was lost"),
    ];
    let name = ("configurations", "What each configuration gains");
    by_config(view, name, rows, options.chain(figures)).note(
        "`true speedup` is measured against running the same agents in turn, at equal work; an option in which \
         agents differ is listed for each agent.",
    )
}

fn measured(view: &View<'_>) -> Table {
    let name = ("truth-measured", "Together against in turn");
    let columns = [
        estimate("wall_s", "wall together (s)", 2),
        estimate("wall_sequential_s", "wall in turn (s)", 2),
        estimate("speedup", "true speedup (×)", 3),
        estimate("speedup_upper_bound", "at most (×)", 3),
        estimate("efficiency_percent", "true efficiency (%)", 1).from("efficiency"),
        estimate("stp", "STP", 3),
        estimate("antt", "ANTT", 3),
        estimate("fairness", "fairness", 3),
        estimate("jain", "Jain", 3),
        estimate("decode_overlap_percent", "decode overlap (%)", 1)
            .from("decode_overlap")
            .percent(),
        estimate("throughput_together", "together (tok/s)", 1),
        estimate("throughput_sequential", "in turn (tok/s)", 1),
        label("verdict", "verdict"),
    ];
    by_config(view, name, measured_rows(view), columns)
        .without_empty_columns(&["topology", "speedup"])
        .note(
            "Wall times and `true speedup` are at equal work: the sequential arm is taken at the output \
             lengths of the together arm. Without a sequential arm they are unknown; `at most` is then a \
             bound from the waits alone.",
        )
}

fn lost(view: &View<'_>) -> Table {
    let runs = &view.summary.runs;
    let (limited, offloaded) = (
        limited(view),
        runs.iter().any(|r| r.cause.offload.is_some()),
    );
    let inferred = if runs.iter().any(|r| r.cause.inferred) {
        " The server reports phases and no total: `slot_queue`, and the part of `shared_prefill` that is a wait, \
         are inferred from the client's own stamps."
    } else {
        ""
    };
    let configs = view.summary.configs.iter().enumerate();
    let losses = configs.filter_map(|(place, config)| {
        let lost = config.stats.lost_s?;
        Some((place, json!({ "lost": lost, "total": lost.total() })))
    });
    let rows = within_configs(view, losses);
    let parts = LostSeconds::default().named().map(|(name, _)| name);
    let parts = parts.into_iter().filter(|name| match *name {
        "admission" => limited,
        "offload" => offloaded,
        _ => true,
    });
    let parts = parts.map(|name| {
        let heading = format!("{} (s)", name.replace('_', " "));
        number(&format!("{name}_s"), &heading, 2)
            .from(&format!("item.lost.{name}"))
            .derived()
    });
    let columns = [number("lost_s", "lost (s)", 2).from("item.total")]
        .into_iter()
        .chain(parts);
    by_config(view, ("truth-lost", "Where the lost seconds went"), rows, columns).note(format!(
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

/// What agents waited for, from stamps and counters alone; shown where no loss could be split.
fn waits(view: &View<'_>) -> Table {
    const WAITS: [&str; 4] = [
        "wait_other_config_s",
        "load_after_wait_s",
        "slot_queue_s",
        "admission_s",
    ];
    let configs = view.summary.configs.iter().enumerate();
    let unknown = configs.filter(|(_, config)| config.stats.lost_s.is_none());
    let waits = unknown.flat_map(|(place, config)| {
        let runs = view.summary.runs.iter().filter(|r| r.excluded.is_none());
        let own = runs.filter(|r| r.config == config.id && r.topology == config.topology);
        let waits = own.flat_map(|r| &r.cause.waits).map(|w| {
            let waits = [
                w.wait_other_config,
                w.load_after_wait,
                w.slot_queue,
                w.admission,
            ];
            let waits = waits.map(|wait| wait.map(domain::Nanos::as_secs_f64));
            (w.agent, WAITS.into_iter().zip(waits).collect())
        });
        // Every agent has a row, even one of which nothing is known.
        let all = (0..config.agents).map(|agent| (agent, BTreeMap::new()));
        all.chain(waits).map(move |(agent, waits)| {
            (
                place,
                json!({ "number": agent, "agent": agent_letter(agent), "wait": waits }),
            )
        })
    });
    let names = WAITS.map(|name| format!("item.wait.{name}"));
    let names = names.each_ref().map(String::as_str);
    let rows = collect(within_configs(view, waits));
    if rows.height() == 0 {
        return Table::new("truth-waits", "");
    }
    let keys = [
        "place",
        "config",
        "servers",
        "n",
        "item.number",
        "item.agent",
    ];
    let rows = means(with_columns(rows, &names).lazy(), &keys, &names).lazy();
    let mut columns = vec![
        label("agent", "agent").from("item.agent"),
        estimate(WAITS[0], "waited behind other options (s)", 2).from(names[0]),
        estimate(WAITS[1], "load after the wait (s)", 2).from(names[1]),
        estimate(WAITS[2], "waited for a slot (s)", 2).from(names[2]),
        estimate(WAITS[3], "waited for a permit (s)", 2).from(names[3]),
    ];
    columns.truncate(if limited(view) { 5 } else { 4 });
    by_config(view, ("truth-waits", "What each agent waited for"), rows, columns).note(
        "From the recorded load time and the time the other agent was in flight; no solo times are \
         needed. Means over runs. `load after the wait` holds reloading and what a ready model costs, \
         which cannot be told apart here.",
    )
}

fn agents(view: &View<'_>) -> Table {
    let configs = view.summary.configs.iter().enumerate();
    let rows = within_configs(
        view,
        configs.flat_map(|(place, config)| {
            let agents = config.per_agent.iter();
            agents.map(move |agent| {
                (
                    place,
                    json!({ "letter": agent_letter(agent.agent), "of": agent }),
                )
            })
        }),
    );
    let figure = |key: &str, heading, decimals| {
        estimate(key, heading, decimals).from(&format!("item.of.{key}"))
    };
    let columns = [
        label("agent", "agent").from("item.letter"),
        label("name", "name").from("item.of.name"),
        figure("time_s", "together (s)", 2),
        figure("solo_s", "alone (s)", 2),
        figure("np", "progress", 3),
        figure("ttft_ms", "TTFT together (ms)", 0),
        figure("ttft_solo_ms", "TTFT alone (ms)", 0),
        figure("rate", "decode together (tok/s)", 1),
        figure("rate_sequential", "decode in turn (tok/s)", 1),
        figure("tokens", "tokens", 0),
    ];
    by_config(view, ("agents", "Per agent"), rows, columns).note(
        "`alone` is the warm solo time: the agent by itself on a ready model, at the output length of \
         the together arm. `progress` is alone over together.",
    )
}

fn rules(view: &View<'_>) -> Table {
    let rule =
        |key, heading, from: &str| number(key, heading, 0).from(&format!("contention_runs.{from}"));
    let columns = [
        rule("flag", "flag", "published"),
        rule("ttft_rule", "ttft rule", "ttft_rule"),
        rule("speedup_rule", "speedup rule", "speedup_rule"),
        rule("cause", "cause", "cause"),
    ];
    let name = (
        "contention-rules",
        "Contention by every rule, per configuration",
    );
    by_config(view, name, measured_rows(view), columns).note(
        "Runs with contention by each rule; see 4.3 for the rules. Unknown: the data cannot test the rule.",
    )
}

fn tails(view: &View<'_>) -> Table {
    let columns = [
        number("requests", "requests (n)", 0).from("ttft.n"),
        number("p50_s", "p50 (s)", 2).from("ttft.p50").or_dash(),
        number("p90_s", "p90 (s)", 2).from("ttft.p90").or_dash(),
        number("p95_s", "p95 (s)", 2).from("ttft.p95").or_dash(),
        number("p99_s", "p99 (s)", 2).from("ttft.p99").or_dash(),
    ];
    let known = measured_rows(view).filter(col("ttft.n").gt(lit(0)));
    by_config(view, ("ttft-percentiles", "TTFT percentiles"), known, columns).note(
        "Over all main requests of the together arm. A percentile is given only where the sample can \
         carry it: p90 from 64 requests, p95 from 130, p99 from 662; a dash means too few.",
    )
}

fn outcomes(view: &View<'_>) -> Table {
    let ends = [
        "completed",
        "failed",
        "incomplete",
        "cancelled",
        "timed_out",
    ]
    .map(|end| {
        let column = number(end, &end.replace('_', " "), 0).from(&format!("outcomes.{end}"));
        column.beside(&format!("outcomes_sequential.{end}"))
    });
    let columns = ends
        .into_iter()
        .chain([number("runs_excluded", "runs left out", 0)]);
    by_config(view, ("outcomes", "How requests ended"), measured_rows(view), columns).note(
        "Main requests of the together arm, and of the sequential arm after the slash. A request that \
         did not complete takes its run out of every aggregate.",
    )
}

/// Device energy by configuration; no rows where no device reports it.
pub(super) fn energy(view: &View<'_>) -> Table {
    if view.summary.configs.iter().all(|c| c.energy.is_none()) {
        return Table::default();
    }
    let figure = |key: &str, heading, decimals| {
        estimate(key, heading, decimals).from(&format!("energy.{key}"))
    };
    let columns = [
        figure("joules_per_token", "together (J/token)", 3),
        figure("joules_per_token_sequential", "in turn (J/token)", 3),
        figure("joules", "together (J)", 1),
        figure("joules_sequential", "in turn (J)", 1),
        label("energy_source", "source").from("energy.source"),
    ];
    by_config(view, ("energy", "Device energy"), measured_rows(view), columns).note(
        "From the first send to the last answer of an arm, idle draw of the devices included, the \
         rest of the machine not. Tokens are those that were generated. `counter`: the devices' own \
         energy counters; `estimated`: power samples added up over time.",
    )
}

fn best(view: &View<'_>) -> Table {
    let several = view.several_topologies();
    let name = |(id, topology): &(domain::plan::ConfigId, Option<_>)| match topology {
        Some(t) if several => format!("{id} ({})", topology_word(*t)),
        _ => id.to_string(),
    };
    let like_it = |best: &Best| match best.not_told_apart.len() {
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
    let rows = view.summary.best.iter().map(|best| {
        json!({ "best": best, "servers": best.topology.map(topology_word), "like_it": like_it(best) })
    });
    let mut columns = vec![
        label("by", "by").from("best.by"),
        label("config", "best").from("best.id"),
    ];
    columns.extend(several.then(servers_column));
    columns.extend([
        estimate("value", "value", 3).from("best.value"),
        number("compared", "compared (n)", 0).from("best.compared"),
        label("not_told_apart", "cannot be told apart from it").from("like_it"),
    ]);
    view.table("best", "Best configurations", frame(rows).lazy(), &columns).note(
        "The best geometric mean, and every configuration that cannot be told apart from it: comparisons with the best, \
         corrected for having chosen it, 5 % by quantity. Fewer than three runs are not ranked.",
    )
}

/// One server against one per agent, of a configuration measured on both.
fn servers(view: &View<'_>, of: &TopologyComparison) -> Table {
    // Name with unit, values, factor to that unit, decimals.
    let quantities = [
        ("wall time (s)", Some(&of.wall_s), 1.0, 2),
        (
            "aggregate throughput (tok/s)",
            of.throughput.as_ref(),
            1.0,
            1,
        ),
        ("TTFT, mean over agents (s)", of.ttft_s.as_ref(), 1.0, 2),
        ("decode rate per agent (tok/s)", of.rate.as_ref(), 1.0, 1),
        ("speedup est (×)", of.speedup_est.as_ref(), 1.0, 3),
        ("true speedup (×)", of.speedup.as_ref(), 1.0, 3),
        (
            "peak device memory (GB)",
            of.memory_peak_bytes.as_ref(),
            1e-9,
            2,
        ),
    ];
    let known = quantities
        .into_iter()
        .filter_map(|(name, both, factor, decimals)| {
            let BothWays {
                shared,
                per_agent,
                ratio,
            } = both?;
            let scaled = |e: &Estimate| Estimate {
                mean: e.mean * factor,
                lo: e.lo.map(|lo| lo * factor),
                hi: e.hi.map(|hi| hi * factor),
                ..*e
            };
            Some(json!({
                "quantity": name,
                "decimals": decimals,
                "one_server": scaled(shared),
                "per_agent": scaled(per_agent),
                "ratio": ratio,
                "p": of.p.filter(|_| name == "wall time (s)"),
            }))
        });
    let columns = [
        label("quantity", "quantity"),
        estimate("one_server", "one server", 0).decimals_by_row(),
        estimate("per_agent", "a server per agent", 0).decimals_by_row(),
        estimate("ratio", "ratio", 3).derived(),
        p_value("p", "p"),
    ];
    let (id, configs) = (&of.id, view.summary.topologies.len());
    let title = format!("One server or one per agent: {id}");
    view.table(&format!("servers-{id}"), &title, frame(known).lazy(), &columns).note(format!(
        "{} {}repetitions. Ratio: `a server per agent` over `one server`, averaged on logarithms. The wall time ranks; \
         the other quantities stand beside it. Intervals of ratios and p hold for all {configs} configurations at \
         once; p: none below three repetitions.",
        of.repetitions,
        if of.paired { "paired " } else { "" },
    ))
}
