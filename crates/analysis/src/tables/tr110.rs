//! TR110's published figures, and the tables of the TR110 report (the multi-agent report) from
//! whatever data there are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use document::Field;
use domain::plan::Topology;
use metrics::stats::mean;
use metrics::summary::{AgentSummary, Group, Statistics};
use metrics::{Estimate, RequestMetrics};
use serde::Deserialize;

use super::facts::{agent_letter, scenario_title};
use super::view::{View, mean_of_amounts};
use super::{Cell, Origin, Table, percent};

/// TR110's figures: those TR113 cites and those of the TR110 report's own tables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ComparisonFigures {
    pub(super) cited: Cited,
    report: Report,
}

/// What TR113 cites of TR110.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Cited {
    pub(super) configs: u32,
    baseline_vs_chimera: CitedScenario,
    chimera_hetero: CitedScenario,
    chimera_homo: CitedScenario,
    pub(super) distribution: CitedDistribution,
    contention: BTreeMap<String, CitedContention>,
}

impl Cited {
    pub(super) fn scenario(&self, name: &str) -> Option<&CitedScenario> {
        match name {
            "baseline_vs_chimera" => Some(&self.baseline_vs_chimera),
            "chimera_hetero" => Some(&self.chimera_hetero),
            "chimera_homo" => Some(&self.chimera_homo),
            _ => None,
        }
    }

    pub(super) fn contention(&self, num_gpu: i64) -> Option<&CitedContention> {
        self.contention.get(&format!("g{num_gpu}"))
    }
}

/// What TR113 cites of one of TR110's scenarios; efficiencies in percent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedScenario {
    pub(super) best_speedup: f64,
    pub(super) best_efficiency: f64,
    pub(super) average_speedup: f64,
    pub(super) average_efficiency: f64,
    pub(super) best_ttft_delta_ms: Option<f64>,
    pub(super) best_tp_delta: Option<f64>,
}

/// What TR113 cites of TR110's distribution of efficiencies, percent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedDistribution {
    pub(super) min_efficiency: f64,
    pub(super) max_efficiency: f64,
    pub(super) mean_efficiency: f64,
    /// Standard deviation; which one is not said.
    pub(super) sd_efficiency: f64,
    pub(super) configs_above_95: u32,
    pub(super) contention_configs: u32,
}

/// What TR113 cites of TR110's contention at one number of GPU layers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedContention {
    pub(super) percent: f64,
    c512_contended: u32,
    c512_runs: u32,
    c1024_contended: u32,
    c1024_runs: u32,
}

impl CitedContention {
    /// The percentage from the counts printed beside it.
    pub(super) fn recount(&self) -> f64 {
        let contended = self.c512_contended + self.c1024_contended;
        100.0 * f64::from(contended) / f64::from(self.c512_runs + self.c1024_runs)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Report {
    runs_per_scenario: u32,
    baseline_vs_chimera: ReportScenario,
    chimera_hetero: ReportScenario,
    chimera_homo: ReportScenario,
}

/// A scenario as the TR110 report prints it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct ReportScenario {
    speedup: f64,
    efficiency: f64,
    wall_s: f64,
    a_rate: f64,
    b_rate: f64,
    tp_delta: f64,
    a_ttft_ms: f64,
    b_ttft_ms: f64,
    ttft_delta_ms: f64,
    contended: u32,
}

impl ComparisonFigures {
    fn report(&self, name: &str) -> Option<&ReportScenario> {
        match name {
            "baseline_vs_chimera" => Some(&self.report.baseline_vs_chimera),
            "chimera_hetero" => Some(&self.report.chimera_hetero),
            "chimera_homo" => Some(&self.report.chimera_homo),
            _ => None,
        }
    }
}

/// TR110's figures, as kept in `fixtures/tr113/tr110.toml`.
pub(super) fn comparison_figures() -> &'static ComparisonFigures {
    static FIGURES: LazyLock<ComparisonFigures> = LazyLock::new(|| {
        toml::from_str(include_str!("../../../../fixtures/tr113/tr110.toml"))
            .expect("the figures are read by a test")
    });
    &FIGURES
}

pub(super) fn tables(view: &View<'_>) -> Vec<Table> {
    if view.summary.configs.is_empty() {
        return Vec::new();
    }
    [scenarios, throughput, ttft, ranking, instances]
        .map(|table| table(view))
        .into()
}

fn scenario_name(scenario: &Group) -> &str {
    scenario.scenario.as_deref().unwrap_or_default()
}

/// A row about a scenario.
struct Line<'v> {
    of: &'v Group,
    /// What the TR110 report prints; none in a row of the data.
    published: Option<&'static ReportScenario>,
    source: &'v str,
}

impl Line<'_> {
    fn configs(&self) -> u32 {
        self.published.map_or(self.of.configs, |_| 1)
    }

    /// The data's cell, or the TR110 report's figure; a dash where it prints none.
    fn cell(
        &self,
        (decimals, signed): (usize, bool),
        ours: impl Fn(&Group) -> Option<Estimate>,
        theirs: impl Fn(&ReportScenario) -> Option<f64>,
    ) -> Cell {
        let Some(published) = self.published else {
            return Cell::scaled(ours(self.of).as_ref(), 1.0, decimals, signed);
        };
        match theirs(published) {
            None => Cell::Empty,
            Some(value) if signed => Cell::signed(value, decimals),
            Some(value) => Cell::number(value, decimals),
        }
    }
}

/// Every scenario on each topology, and after it the TR110 report's where it has that.
fn lines<'v>(view: &'v View<'_>) -> impl Iterator<Item = Line<'v>> {
    view.summary.scenarios.iter().flat_map(|of| {
        let ours = Line {
            of,
            published: None,
            source: view.label(of.topology),
        };
        let published = comparison_figures().report(scenario_name(of));
        let theirs = published.map(|published| Line {
            of,
            published: Some(published),
            source: "TR110 report",
        });
        std::iter::once(ours).chain(theirs)
    })
}

/// The columns that name a scenario, its source and how many configurations it has.
fn line_columns<'f, 'v: 'f>() -> Vec<Field<'f, Line<'v>>> {
    vec![
        Field::label("scenario", "scenario", |l: &Line<'_>| {
            Cell::text(scenario_title(scenario_name(l.of)))
        }),
        Field::label("source", "source", |l: &Line<'_>| Cell::text(l.source)),
        Field::number("configs", "configs (n)", Origin::Derived, |l: &Line<'_>| {
            Cell::count(l.configs())
        }),
    ]
}

/// Key, heading, decimals, the data's figure, the TR110 report's.
type Beside = (
    (&'static str, &'static str, usize),
    fn(&Statistics) -> Option<Estimate>,
    fn(&ReportScenario) -> Option<f64>,
);

fn scenarios(view: &View<'_>) -> Table {
    let origin = view.origin();
    let runs_per_scenario = comparison_figures().report.runs_per_scenario;
    let runs = move |l: &Line<'_>| l.published.map_or(l.of.runs, |_| runs_per_scenario);
    let contended = move |l: &Line<'_>| {
        let ours = l.of.stats.contention_runs.published;
        let count = l.published.map_or(ours, |p| Some(p.contended));
        count.map_or(Cell::Unknown, |k| Cell::text(format!("{k}/{}", runs(l))))
    };
    let beside = |((key, heading, decimals), ours, theirs): Beside| {
        Field::estimate(key, heading, origin, move |l: &Line<'_>| {
            l.cell((decimals, false), |s| ours(&s.stats), theirs)
        })
    };
    let printed: [Beside; 3] = [
        (
            ("speedup_est", "speedup est (×)", 2),
            |s| s.speedup_est,
            |r| Some(r.speedup),
        ),
        (
            ("efficiency_est_percent", "efficiency est (%)", 1),
            |s| s.efficiency_est,
            |r| Some(r.efficiency),
        ),
        (("wall_s", "wall (s)", 2), |s| s.wall_s, |r| Some(r.wall_s)),
    ];
    let not_printed: [Beside; 3] = [
        (("speedup", "true speedup (×)", 2), |s| s.speedup, |_| None),
        (
            ("decode_overlap_percent", "decode overlap (%)", 0),
            |s| s.decode_overlap.map(percent),
            |_| None,
        ),
        (
            ("throughput", "aggregate (tok/s)", 1),
            |s| s.throughput_together,
            |_| None,
        ),
    ];
    let mut columns = line_columns();
    columns.push(Field::number(
        "runs",
        "runs (n)",
        Origin::Derived,
        move |l| Cell::count(runs(l)),
    ));
    columns.extend(printed.map(beside));
    let heading = "contention flag (runs)";
    columns.push(Field::number("contention", heading, origin, contended));
    columns.extend(not_printed.map(beside));
    let title = "Multi-agent report: scenarios";
    Table::of("multi-agent-scenarios", title, columns, lines(view)).note(
        "Means over configurations. The TR110 report's rows are as published, three runs each on a \
         server per agent.",
    )
}

type OfAgent = fn(&AgentSummary) -> Option<Estimate>;

/// Mean over a scenario's configurations of one figure of one agent.
fn over_configs(view: &View<'_>, scenario: &Group, agent: u32, get: OfAgent) -> Option<Estimate> {
    let configs = view.summary.configs.iter();
    let own = configs.filter(|c| scenario.holds(c));
    let agents = own.filter_map(|c| c.per_agent.iter().find(|a| a.agent == agent));
    let values: Vec<f64> = agents.filter_map(get).map(|e| e.mean).collect();
    mean_of_amounts(&values)
}

/// A difference between two agents: key, heading, the figure.
type Delta = (
    &'static str,
    &'static str,
    fn(&Statistics) -> Option<Estimate>,
);

/// What a table with columns for each agent shows.
struct PerAgent {
    key: &'static str,
    unit: &'static str,
    decimals: usize,
    together: OfAgent,
    alone: OfAgent,
    delta: Delta,
    /// The TR110 report's figures of A and B, and its delta.
    published: fn(&ReportScenario) -> [f64; 3],
}

/// The columns of a table for each agent's figure together and, where known, alone.
fn per_agent<'f>(view: &'f View<'_>, figure: &'f PerAgent) -> Vec<Field<'f, Line<'f>>> {
    let origin = view.origin();
    let PerAgent {
        key,
        unit,
        decimals,
        published,
        ..
    } = *figure;
    let agents = view.summary.configs.iter().map(|c| c.agents).max();
    let of_agents = |ending: &'static str, word: &'static str, get: OfAgent| {
        (0..agents.unwrap_or(0)).map(move |agent| {
            let letter = agent_letter(agent);
            let low = letter.to_lowercase().replace(' ', "_");
            let key = format!("{low}_{key}{ending}");
            Field::estimate(
                key,
                format!("{letter} {word} ({unit})"),
                origin,
                move |l: &Line<'_>| {
                    let ours = |s: &Group| over_configs(view, s, agent, get);
                    l.cell((decimals, false), ours, |r| match agent {
                        0 | 1 if ending.is_empty() => Some(published(r)[agent as usize]),
                        _ => None,
                    })
                },
            )
        })
    };
    let (delta_key, heading, delta) = figure.delta;
    let delta = Field::estimate(delta_key, heading, origin, move |l: &Line<'_>| {
        l.cell(
            (decimals, true),
            |s| delta(&s.stats),
            |r| Some(published(r)[2]),
        )
    });
    let mut columns = line_columns();
    columns.extend(of_agents("", "together", figure.together));
    columns.push(delta);
    columns.extend(of_agents("_alone", "alone", figure.alone));
    columns
}

fn throughput(view: &View<'_>) -> Table {
    let figure = PerAgent {
        key: "tok_s",
        unit: "tok/s",
        decimals: 1,
        together: |a| a.rate,
        alone: |a| a.rate_sequential,
        delta: ("tp_delta", "delta (tok/s)", |s| s.tp_delta),
        published: |r| [r.a_rate, r.b_rate, r.tp_delta],
    };
    let title = "Multi-agent report: throughput per agent";
    Table::of("multi-agent-throughput", title, per_agent(view, &figure), lines(view)).note(
        "Each agent's own decode rate, from the server's counters; delta is B less A. A rate per agent is not the \
         aggregate: an agent that waits decodes at full rate once it runs.",
    )
}

fn ttft(view: &View<'_>) -> Table {
    let figure = PerAgent {
        key: "ttft_ms",
        unit: "ms",
        decimals: 0,
        together: |a| a.ttft_ms,
        alone: |a| a.ttft_solo_ms,
        delta: ("ttft_delta_ms", "delta (ms)", |s| s.ttft_delta_ms),
        published: |r| [r.a_ttft_ms, r.b_ttft_ms, r.ttft_delta_ms],
    };
    let title = "Multi-agent report: time to first token";
    Table::of(
        "multi-agent-ttft",
        title,
        per_agent(view, &figure),
        lines(view),
    )
    .note(
        "Delta is A less B: positive means that B is sooner. The TR110 report prints the opposite \
         sign. `alone`: on a ready model, with no other agent running.",
    )
}

type Ranked<'v> = (u32, Line<'v>);

fn ranking(view: &View<'_>) -> Table {
    let ours = lines(view).filter(|l| l.published.is_none());
    let known = ours.filter_map(|l| Some((l.of.stats.efficiency_est?, l)));
    let mut ranked: Vec<(Estimate, Line<'_>)> = known.collect();
    ranked.sort_by(|a, b| b.0.mean.total_cmp(&a.0.mean));
    let rows = (1..).zip(ranked).map(|(rank, (_, line))| (rank, line));
    let mut columns = vec![Field::number(
        "rank",
        "rank",
        Origin::Derived,
        |r: &Ranked<'_>| Cell::count(r.0),
    )];
    let of_line = line_columns().into_iter();
    columns.extend(of_line.map(|column| column.of_each(|r: &Ranked<'_>| &r.1)));
    let means: [super::Mean<Ranked<'_>>; 2] = [
        ("efficiency_est_percent", "efficiency est (%)", 1, |r| {
            r.1.of.stats.efficiency_est
        }),
        ("efficiency_percent", "true efficiency (%)", 1, |r| {
            r.1.of.stats.efficiency
        }),
    ];
    columns.extend(super::means(view.origin(), means));
    let title = "Multi-agent report: efficiency ranking";
    Table::of("multi-agent-ranking", title, columns, rows).note(
        "By TR113's efficiency est, as the TR110 report ranks. Ranks of means whose intervals overlap \
         are not a finding.",
    )
}

/// What a server answered: agents and requests, and the means of each run.
#[derive(Debug, Default)]
struct ServerRuns {
    agents: Vec<String>,
    ttft_ms: Vec<f64>,
    rates: Vec<f64>,
    requests: u32,
}

/// One server on one topology, and what it answered.
type Instance = ((Option<Topology>, u32), ServerRuns);

pub(super) fn instances(view: &View<'_>) -> Table {
    let mut seen: BTreeMap<(Option<Topology>, u32), ServerRuns> = BTreeMap::new();
    for run in &view.dataset.runs {
        // The figures of one run's requests by server: TTFT in ms, decode rate.
        let mut of_run: BTreeMap<u32, [Vec<f64>; 2]> = BTreeMap::new();
        for agent in run.together.iter().flat_map(|arm| &arm.agents) {
            let entry = seen.entry((run.topology, agent.server)).or_default();
            if !entry.agents.contains(&agent.name) {
                entry.agents.push(agent.name.clone());
            }
            let [ttft_ms, rates] = of_run.entry(agent.server).or_default();
            for request in agent.requests.iter().filter(|r| r.outcome.is_completed()) {
                let figures = RequestMetrics::of(request);
                ttft_ms.extend(figures.ttft.map(domain::Nanos::as_millis_f64));
                rates.extend(figures.decode_rate_server.or(figures.decode_rate_client));
                entry.requests += 1;
            }
        }
        for (server, [ttft_ms, rates]) in of_run {
            let entry = seen.entry((run.topology, server)).or_default();
            entry.ttft_ms.extend(mean(&ttft_ms));
            entry.rates.extend(mean(&rates));
        }
    }
    let origin = view.origin();
    let (id, title) = if view.tr113 {
        ("multi-agent-instances", "Multi-agent report: per instance")
    } else {
        ("instances", "Per server")
    };
    let columns = vec![
        Field::label("source", "source", |i: &Instance| {
            Cell::text(view.label(i.0.0))
        }),
        Field::number("server", "server", Origin::Label, |i: &Instance| {
            Cell::count(i.0.1 + 1)
        }),
        Field::label("agents", "agents", |i: &Instance| {
            Cell::text(i.1.agents.join(", "))
        }),
        Field::number("requests", "requests", origin, |i: &Instance| {
            Cell::count(i.1.requests)
        }),
        Field::number("runs", "runs (n)", origin, |i: &Instance| {
            Cell::count(i.1.ttft_ms.len() as u32)
        }),
        Field::estimate("ttft_ms", "TTFT (ms)", origin, |i: &Instance| {
            Cell::estimate(mean_of_amounts(&i.1.ttft_ms).as_ref(), 0)
        }),
        Field::estimate(
            "rate_tok_s",
            "decode rate (tok/s)",
            origin,
            |i: &Instance| Cell::estimate(mean_of_amounts(&i.1.rates).as_ref(), 1),
        ),
    ];
    Table::of(id, title, columns, seen).note(
        "Completed main requests of the together arm, by the server that answered: means of the runs' means, for \
         requests of one run are not independent. Agents differ between instances too: a difference need not \
         be the server's.",
    )
}
