//! The measured truth in full: against running in turn, where time was lost, per agent, one server
//! against several, and what a published table says against what its runs give.

mod differences;

use std::collections::BTreeMap;

use domain::plan::ConfigId;
use domain::{Nanos, OPTIONS, OptionSpec, OptionValue};
use itertools::Itertools as _;
use metrics::summary::{Best, BothWays, TopologyComparison};
use metrics::{AgentObservation, ConfigSummary};
use polars::prelude::{IntoLazy as _, LazyFrame, SortMultipleOptions, col, lit};
use serde_json::{Value, json};

use super::column::TableColumn;
use super::facts::agent_letter;
use super::frame::{columns, frame, join, means, with_columns};
use super::view::{View, agents_of};
use super::{Table, topology_word};

pub use self::differences::{Difference, DisplayedFigure};
pub(crate) use self::differences::{cell_difference, differences, differences_table};

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    if view.summary.configs.is_empty() {
        return Vec::new();
    }
    let mut tables = vec![
        configurations(view),
        view.table("truth-measured", measured_rows(view))
            .without_empty_columns(&["topology", "speedup"]),
        lost(view),
        waits(view),
        agents(view),
        view.table("contention-rules", measured_rows(view)),
        tails(view),
        view.table("outcomes", measured_rows(view)),
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
    json!({ "words": values.iter().map(word).join("/") })
}

/// What decides, by configuration: the options that vary, the speedup, the verdict and its cause.
fn configurations(view: &View<'_>) -> Table {
    let configs = &view.summary.configs;
    let agents = |config: &ConfigSummary| agents_of(view.dataset, config);
    let varies = |option: &&OptionSpec| {
        let agents = configs.iter().flat_map(agents);
        let mut values = agents.map(|a| option.get(&a.options));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let varying: Vec<&OptionSpec> = OPTIONS.iter().filter(varies).collect();
    let options = configs.iter().enumerate().map(|(place, config)| {
        let value = |option: &&OptionSpec| (option.name, option_value(option, agents(config)));
        let values: BTreeMap<_, _> = varying.iter().map(value).collect();
        json!({ "place": place, "option": values })
    });
    let rows = join(measured_rows(view), frame(options).lazy(), &["place"]);
    let mut columns = view.columns("configurations");
    let n = columns.iter().position(|c| c.key == "n");
    let after_n = 1 + n.unwrap_or_default();
    let options = varying
        .iter()
        .map(|option| TableColumn::of_option(option.name));
    columns.splice(after_n..after_n, options);
    view.table_of("configurations", &columns, rows)
}

fn lost(view: &View<'_>) -> Table {
    let totals = view.summary.configs.iter().enumerate();
    let totals = totals.filter_map(|(place, config)| {
        Some(json!({ "place": place, "lost_s": config.stats.lost_s?.total() }))
    });
    let totals = with_columns(frame(totals), &["place"]).lazy();
    let mut table = view.table("truth-lost", join(totals, measured_rows(view), &["place"]));
    if view.summary.runs.iter().any(|r| r.cause.inferred) {
        table.note.push_str(
            " The server reports phases and no total: `slot_queue`, and the part of `shared_prefill` that is a wait, \
             are inferred from the client's own stamps.",
        );
    }
    table
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
            (w.agent, waits.map(|wait| wait.map(Nanos::as_secs_f64)))
        });
        // Every agent has a row, even one of which nothing is known.
        let all = (0..config.agents).map(|agent| (agent, [None; 4]));
        all.chain(waits).map(move |(agent, waits)| {
            let waits: BTreeMap<_, _> = WAITS.into_iter().zip(waits).collect();
            json!({ "place": place, "number": agent, "agent": agent_letter(agent), "stats": waits })
        })
    });
    let waits = frame(waits);
    if waits.height() == 0 {
        return Table::default();
    }
    let waits = means(waits.lazy(), &["place", "number", "agent"], &WAITS).lazy();
    let configs = measured_rows(view).select(columns(&["place", "config", "servers", "n"]));
    view.table("truth-waits", join(waits, configs, &["place"]))
}

fn agents(view: &View<'_>) -> Table {
    let configs = view.summary.configs.iter().enumerate();
    let agents = configs.flat_map(|(place, config)| {
        let agents = config.per_agent.iter();
        agents.map(move |agent| {
            json!({ "place": place, "letter": agent_letter(agent.agent), "stats": agent })
        })
    });
    let agents = with_columns(frame(agents), &["place"]).lazy();
    let configs = measured_rows(view).select(columns(&["place", "config", "servers", "n"]));
    view.table("agents", join(agents, configs, &["place"]))
}

fn tails(view: &View<'_>) -> Table {
    let known = col("ttft_s.n").gt(lit(0));
    view.table("ttft-percentiles", measured_rows(view).filter(known))
}

/// Device energy by configuration; no rows where no device reports it.
pub(super) fn energy(view: &View<'_>) -> Table {
    if view.summary.configs.iter().all(|c| c.energy.is_none()) {
        return Table::default();
    }
    view.table("energy", measured_rows(view))
}

fn best(view: &View<'_>) -> Table {
    let several = view.several_topologies();
    let name = |(id, topology): &(ConfigId, Option<_>)| match topology {
        Some(t) if several => format!("{id} ({})", topology_word(*t)),
        _ => id.to_string(),
    };
    let like_it = |best: &Best| match best.undistinguished.len() {
        0 => "none".to_owned(),
        1 if best.compared == 2 => "the other one".to_owned(),
        others if others + 1 == best.compared as usize => format!("all {others} others"),
        _ => best.undistinguished.iter().map(name).join(", "),
    };
    let rows = view.summary.best.iter().map(|best| {
        let servers = best.topology.map(topology_word);
        json!({ "stats": best, "servers": servers, "undistinguished": like_it(best) })
    });
    view.table("best", frame(rows).lazy())
}

/// One server against one per agent, of a configuration measured on both.
fn servers(view: &View<'_>, of: &TopologyComparison) -> Table {
    let throughput = of.throughput_tokens_per_s.as_ref();
    let (rate, memory) = (
        of.decode_tokens_per_s.as_ref(),
        of.memory_peak_bytes.as_ref(),
    );
    // Name with unit, values, factor to that unit, decimals.
    let quantities = [
        ("wall time (s)", Some(&of.wall_s), 1.0, 2),
        ("aggregate throughput (tok/s)", throughput, 1.0, 1),
        ("TTFT, mean over agents (s)", of.ttft_s.as_ref(), 1.0, 2),
        ("decode rate per agent (tok/s)", rate, 1.0, 1),
        ("speedup est (×)", of.speedup_est.as_ref(), 1.0, 3),
        ("true speedup (×)", of.speedup.as_ref(), 1.0, 3),
        ("peak device memory (GB)", memory, 1e-9, 2),
    ];
    let row = |(name, both, factor, decimals): (_, Option<&BothWays>, f64, _)| {
        let both = both?;
        Some(json!({
            "quantity": name,
            "decimals": decimals,
            "one_server": both.shared.times(factor),
            "per_agent": both.per_agent.times(factor),
            "ratio": both.ratio,
            "p": of.p.filter(|_| name == "wall time (s)"),
        }))
    };
    let rows = frame(quantities.into_iter().filter_map(row));
    let table = view.table("servers", rows.lazy());
    let (id, configs) = (&of.id, view.summary.topologies.len());
    let title = format!("One server or one per agent: {id}");
    table.named(format!("servers-{id}"), title).note(format!(
        "{} {}repetitions. Ratio: `a server per agent` over `one server`, averaged on logarithms. The wall time ranks; \
         the other quantities stand beside it. Intervals of ratios and p hold for all {configs} configurations at \
         once; p: none below three repetitions.",
        of.repetitions,
        if of.paired { "paired " } else { "" },
    ))
}
