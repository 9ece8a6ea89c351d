//! TR110's published figures, and the tables of the TR110 report (the multi-agent report) from
//! the data that are there.

use std::sync::LazyLock;

use itertools::Itertools as _;
use metrics::summary::{AgentSummary, Group};
use metrics::{Estimate, RequestMetrics};
use polars::prelude::{Column, DataFrame, IntoLazy as _, SortMultipleOptions, col};
use serde_json::{Value, json};

use super::Table;
use super::facts::scenario_title;
use super::frame::{collect, columns, frame, join, means, merged, with_columns};
use super::view::View;

/// TR110's figures, as kept in `fixtures/tr113/tr110.toml`: `cited` by TR113, and those of the TR110 report.
static FIGURES: LazyLock<Value> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../fixtures/tr113/tr110.toml"))
        .expect("the figures are read by a test")
});

/// A figure of TR110 that TR113 cites; none where it cites none.
pub(super) fn cited(path: &[&str]) -> Option<f64> {
    let figure = path
        .iter()
        .fold(&FIGURES["cited"], |figures, key| &figures[*key]);
    figure.as_f64()
}

/// What TR113 cites of each of TR110's scenarios.
pub(super) fn cited_scenarios() -> DataFrame {
    let cited = FIGURES["cited"].as_object().into_iter().flatten();
    let scenarios = cited.filter(|(_, figures)| figures.get("best_speedup").is_some());
    frame(scenarios.map(|(scenario, figures)| merged(json!({ "scenario": scenario }), figures)))
}

/// What TR113 cites of TR110's contention at one number of GPU layers, and the percentage from the counts beside it.
pub(super) fn cited_contention() -> DataFrame {
    let cited = FIGURES["cited"]["contention"].as_object();
    let row = |(layers, figures): (&String, &Value)| {
        let at = |context: u32, what: &str| figures[format!("c{context}_{what}")].as_f64();
        let sum = |what: &str| Some(at(512, what)? + at(1024, what)?);
        json!({
            "family": "bvc",
            "num_gpu": layers.trim_start_matches('g'),
            "tr110_rate_percent": figures["percent"],
            "tr110_recount_percent": sum("contended").zip(sum("runs")).map(|(k, n)| 100.0 * k / n),
        })
    };
    frame(cited.into_iter().flatten().map(row))
}

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    if view.summary.configs.is_empty() {
        return Vec::new();
    }
    let scenarios = scenario_rows(view).lazy();
    let by = "efficiency_est.mean";
    let ours = col("is_data").and(col(by).is_not_null());
    let descending = SortMultipleOptions::default()
        .with_order_descending(true)
        .with_maintain_order(true);
    let ranked = scenarios.clone().filter(ours).sort([by], descending);
    let ranked = ranked.with_row_index("rank", Some(1));
    vec![
        view.table("multi-agent-scenarios", scenarios.clone()),
        view.table("multi-agent-throughput", scenarios.clone()),
        view.table("multi-agent-ttft", scenarios),
        view.table("multi-agent-ranking", ranked),
        instances(view),
    ]
}

/// Every scenario on each topology, and after it the TR110 report's where it has that.
fn scenario_rows(view: &View<'_>) -> DataFrame {
    let report = &FIGURES["report"];
    let rows = view.summary.scenarios.iter().flat_map(|scenario| {
        let name = scenario.scenario.as_deref().unwrap_or_default();
        let title = scenario_title(name);
        let ours = json!({
            "scenario": title,
            "source": view.label(scenario.topology),
            "is_data": true,
            "contended": scenario.stats.contention_runs.published,
            "a": per_agent(view, scenario),
        });
        let ours = merged(json!(scenario), &ours);
        let theirs = report[name].as_object().map(|printed| {
            let mean = |key: &str| json!({ "mean": printed[key] });
            json!({
                "scenario": title,
                "source": "TR110 report",
                "configs": 1,
                "runs": report["runs_per_scenario"],
                "contended": printed["contended"],
                "speedup_est": mean("speedup"),
                "efficiency_est": mean("efficiency"),
                "wall_s": mean("wall_s"),
                "tp_delta": mean("tp_delta"),
                "ttft_delta_ms": mean("ttft_delta_ms"),
                "a": {
                    "decode_tokens_per_s": { "0": mean("a_rate"), "1": mean("b_rate") },
                    "ttft_ms": { "0": mean("a_ttft_ms"), "1": mean("b_ttft_ms") },
                },
            })
        });
        std::iter::once(ours).chain(theirs)
    });
    with_columns(frame(rows), &["efficiency_est.mean"])
}

type OfAgent = fn(&AgentSummary) -> Option<Estimate>;

/// The means over a scenario's configurations of each agent's figures: `decode_tokens_per_s.0` is the first agent's.
fn per_agent(view: &View<'_>, scenario: &Group) -> Value {
    let figures: [(&str, OfAgent); 4] = [
        ("decode_tokens_per_s", |a| a.decode_tokens_per_s),
        ("decode_sequential_tokens_per_s", |a| {
            a.decode_sequential_tokens_per_s
        }),
        ("ttft_ms", |a| a.ttft_ms),
        ("ttft_solo_ms", |a| a.ttft_solo_ms),
    ];
    let of_agent = |agent: u32, get: OfAgent| {
        let own = view.summary.configs.iter().filter(|c| scenario.holds(c));
        let agents = own.filter_map(|c| c.per_agent.iter().find(|a| a.agent == agent));
        let values: Vec<f64> = agents.filter_map(get).map(|e| e.mean).collect();
        Estimate::of_sizes(&values)
    };
    let agents = view.summary.configs.iter().map(|c| c.agents).max();
    let agents = agents.unwrap_or_default();
    let of_agents = |(name, get): (&str, OfAgent)| {
        let agents = (0..agents).map(|agent| (agent.to_string(), json!(of_agent(agent, get))));
        (name.to_owned(), Value::Object(agents.collect()))
    };
    Value::Object(figures.map(of_agents).into_iter().collect())
}

/// The main requests of every together arm: where they were sent, and the figures of those that completed.
fn requests(view: &View<'_>) -> DataFrame {
    let runs = view.dataset.runs.iter().enumerate();
    let rows = runs.flat_map(|(run, observed)| {
        let agents = observed.together.iter().flat_map(|arm| &arm.agents);
        agents.flat_map(move |agent| {
            let completed = agent.requests.iter().filter(|r| r.outcome.is_completed());
            let completed = completed.map(|request| {
                let figures = RequestMetrics::of(request);
                let rate = figures
                    .decode_server_tokens_per_s
                    .or(figures.decode_client_tokens_per_s);
                (true, figures.ttft.map(domain::Nanos::as_millis_f64), rate)
            });
            // The agent's name is known even where no request completed.
            completed
                .chain([(false, None, None)])
                .map(move |(is_request, ttft_ms, rate)| {
                    json!({
                        "run": run,
                        "source": view.label(observed.topology),
                        "topology": observed.topology.map(|topology| topology as u32),
                        "server": agent.server + 1,
                        "agent": agent.name,
                        "is_request": is_request,
                        "ttft_ms": ttft_ms,
                        "rate_tok_s": rate,
                    })
                })
        })
    });
    frame(rows)
}

pub(super) fn instances(view: &View<'_>) -> Table {
    let requests = requests(view);
    if requests.height() == 0 {
        return Table::default();
    }
    let keys = ["topology", "source", "server"];
    let figures = ["ttft_ms", "rate_tok_s"];
    let requests = requests.lazy();
    let of_runs = requests
        .clone()
        .group_by_stable(columns(&[&keys[..], &["run"]].concat()));
    let of_runs = of_runs.agg(figures.map(|figure| col(figure).mean()));
    let counts = requests.group_by_stable(columns(&keys)).agg([
        col("is_request").sum().alias("requests"),
        col("agent").unique_stable().alias("names"),
    ]);
    let runs = of_runs.clone().group_by_stable(columns(&keys));
    let runs = runs.agg([col("ttft_ms").count().alias("runs")]);
    let means = means(of_runs, &keys, &figures).lazy();
    let rows = join(means, join(counts, runs, &keys), &keys);
    let mut rows = collect(rows.sort(["topology", "server"], SortMultipleOptions::default()));
    let names = rows.column("names").and_then(|names| names.list());
    let names = names.expect("a list of names").series_iter();
    let names = names.map(|names| Some(names?.str().ok()?.iter().flatten().join(", ")));
    let names = Column::new("agents".into(), names.collect::<Vec<_>>());
    rows.with_column(names).expect("as many rows");
    let table = view.table("multi-agent-instances", rows.lazy());
    if view.tr113 {
        table
    } else {
        table.named("instances", "Per server")
    }
}
