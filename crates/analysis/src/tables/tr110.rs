//! TR110's published figures, and the tables of the TR110 report (the multi-agent report) from
//! whatever data there are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use metrics::summary::{AgentSummary, Group};
use metrics::{ConfigSummary, Estimate, RequestMetrics};
use serde::Deserialize;

use super::facts::{agent_letter, scenario_title};
use super::view::{Source, View};
use super::{Cell, Kind, Origin, Table, mean_of_amounts};

/// TR110's figures: those TR113 cites and those of the TR110 report's own tables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ComparisonFigures {
    cited: Cited,
    report: Report,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Cited {
    configs: u32,
    baseline_vs_chimera: CitedScenario,
    chimera_hetero: CitedScenario,
    chimera_homo: CitedScenario,
    distribution: CitedDistribution,
    contention: BTreeMap<String, CitedContention>,
}

/// What TR113 cites of one of TR110's scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedScenario {
    /// Best speedup.
    pub(super) best_speedup: f64,
    /// Best efficiency, percent.
    pub(super) best_efficiency: f64,
    /// Average speedup.
    pub(super) average_speedup: f64,
    /// Average efficiency, percent.
    pub(super) average_efficiency: f64,
    /// TTFT delta of the best configuration, ms.
    pub(super) best_ttft_delta_ms: Option<f64>,
    /// Throughput delta of the best configuration, tok/s.
    pub(super) best_tp_delta: Option<f64>,
}

/// What TR113 cites of TR110's distribution of efficiencies, percent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedDistribution {
    /// Least.
    pub(super) min_efficiency: f64,
    /// Greatest.
    pub(super) max_efficiency: f64,
    /// Mean.
    pub(super) mean_efficiency: f64,
    /// Standard deviation; which one is not said.
    pub(super) sd_efficiency: f64,
    /// Configurations above 95 %.
    pub(super) configs_above_95: u32,
    /// Configurations with contention.
    pub(super) contention_configs: u32,
}

/// What TR113 cites of TR110's contention at one number of GPU layers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CitedContention {
    /// As printed.
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
    /// What TR113 cites of a scenario.
    pub(super) fn scenario(&self, name: &str) -> Option<&CitedScenario> {
        match name {
            "baseline_vs_chimera" => Some(&self.cited.baseline_vs_chimera),
            "chimera_hetero" => Some(&self.cited.chimera_hetero),
            "chimera_homo" => Some(&self.cited.chimera_homo),
            _ => None,
        }
    }

    /// What TR113 cites of TR110's distribution.
    pub(super) fn distribution(&self) -> &CitedDistribution {
        &self.cited.distribution
    }

    /// TR110's configurations.
    pub(super) fn configs(&self) -> u32 {
        self.cited.configs
    }

    /// What TR113 cites of contention at this many layers.
    pub(super) fn contention(&self, num_gpu: &str) -> Option<&CitedContention> {
        self.cited.contention.get(&format!("g{num_gpu}"))
    }

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
    vec![
        scenarios(view),
        throughput(view),
        ttft(view),
        ranking(view),
        instances(view),
    ]
}

/// The scenario's name.
fn named(scenario: &Group) -> &str {
    scenario.scenario.as_deref().unwrap_or_default()
}

/// A scenario on one topology, with its source.
fn each<'v, 'a>(view: &'v View<'a>) -> impl Iterator<Item = (&'v Source, &'a Group)> + 'v {
    view.summary.scenarios.iter().filter_map(|scenario| {
        let source = view
            .sources
            .iter()
            .find(|s| !s.is_published() && s.topology == scenario.topology)?;
        Some((source, scenario))
    })
}

fn scenarios(view: &View<'_>) -> Table {
    let figures = comparison_figures();
    let origin = data_origin(view);
    let mut table = Table::new("multi-agent-scenarios", "Multi-agent report: scenarios").note(
        "Means over configurations. The TR110 report's rows are as published, three runs each on a \
         server per agent.",
    );
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.column("configs", "configs (n)", Kind::Number, Origin::Derived);
    table.column("runs", "runs (n)", Kind::Number, Origin::Derived);
    table.column("speedup_est", "speedup est (×)", Kind::Estimate, origin);
    table.column(
        "efficiency_est_percent",
        "efficiency est (%)",
        Kind::Estimate,
        origin,
    );
    table.column("wall_s", "wall (s)", Kind::Estimate, origin);
    table.column("contention", "contention flag (runs)", Kind::Number, origin);
    table.column("speedup", "true speedup (×)", Kind::Estimate, origin);
    table.column(
        "decode_overlap_percent",
        "decode overlap (%)",
        Kind::Estimate,
        origin,
    );
    table.column("throughput", "aggregate (tok/s)", Kind::Estimate, origin);
    for (source, scenario) in each(view) {
        let stats = &scenario.stats;
        table.row(vec![
            Cell::text(scenario_title(named(scenario))),
            Cell::text(source.label.as_str()),
            Cell::count(scenario.configs),
            Cell::count(scenario.runs),
            Cell::estimate(stats.speedup_est.as_ref(), 2),
            Cell::estimate(stats.efficiency_est.as_ref(), 1),
            Cell::estimate(stats.wall_s.as_ref(), 2),
            stats.contention_runs.published.map_or(Cell::Unknown, |k| {
                Cell::text(format!("{k}/{}", scenario.runs))
            }),
            Cell::estimate(stats.speedup.as_ref(), 2),
            Cell::scaled(stats.decode_overlap.as_ref(), 100.0, 0, false),
            Cell::estimate(stats.throughput_together.as_ref(), 1),
        ]);
        if let Some(other) = figures.report(named(scenario)) {
            let runs = figures.report.runs_per_scenario;
            table.row(vec![
                Cell::text(scenario_title(named(scenario))),
                Cell::text("TR110 report"),
                Cell::count(1),
                Cell::count(runs),
                Cell::number(other.speedup, 2),
                Cell::number(other.efficiency, 1),
                Cell::number(other.wall_s, 2),
                Cell::text(format!("{}/{runs}", other.contended)),
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
            ]);
        }
    }
    table
}

fn data_origin(view: &View<'_>) -> Origin {
    let data = view.sources.iter().find(|s| !s.is_published());
    data.map_or(Origin::Derived, |s| s.origin)
}

/// Mean over a scenario's configurations of one figure of one agent.
fn over_configs(
    view: &View<'_>,
    scenario: &Group,
    agent: u32,
    get: fn(&AgentSummary) -> Option<Estimate>,
) -> Option<Estimate> {
    let values: Vec<f64> = configs(view, scenario)
        .filter_map(|c| c.per_agent.iter().find(|a| a.agent == agent))
        .filter_map(get)
        .map(|e| e.mean)
        .collect();
    mean_of_amounts(&values)
}

fn configs<'v>(view: &'v View<'_>, scenario: &'v Group) -> impl Iterator<Item = &'v ConfigSummary> {
    view.summary.configs.iter().filter(|c| scenario.holds(c))
}

fn most_agents(view: &View<'_>) -> u32 {
    view.summary
        .configs
        .iter()
        .map(|c| c.agents)
        .max()
        .unwrap_or(0)
}

/// A difference between two agents, over a scenario.
type Delta = fn(&Group) -> Option<Estimate>;

/// A table with a column per agent for the figure together and, where known, alone.
fn per_agent(
    view: &View<'_>,
    mut table: Table,
    figure: (&str, &str, usize),
    together: fn(&AgentSummary) -> Option<Estimate>,
    alone: fn(&AgentSummary) -> Option<Estimate>,
    delta: (&str, &str, Delta),
    published: impl Fn(&ReportScenario) -> [f64; 3],
) -> Table {
    let figures = comparison_figures();
    let origin = data_origin(view);
    let (key, unit, decimals) = figure;
    let agents = most_agents(view);
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.column("configs", "configs (n)", Kind::Number, Origin::Derived);
    for agent in 0..agents {
        let letter = agent_letter(agent);
        let low = letter.to_lowercase().replace(' ', "_");
        table.column(
            format!("{low}_{key}"),
            format!("{letter} together ({unit})"),
            Kind::Estimate,
            origin,
        );
    }
    table.column(delta.0, delta.1, Kind::Estimate, origin);
    for agent in 0..agents {
        let letter = agent_letter(agent);
        let low = letter.to_lowercase().replace(' ', "_");
        table.column(
            format!("{low}_{key}_alone"),
            format!("{letter} alone ({unit})"),
            Kind::Estimate,
            origin,
        );
    }
    for (source, scenario) in each(view) {
        let mut cells = vec![
            Cell::text(scenario_title(named(scenario))),
            Cell::text(source.label.as_str()),
            Cell::count(scenario.configs),
        ];
        let cell = |agent: u32, get: fn(&AgentSummary) -> Option<Estimate>| {
            Cell::estimate(over_configs(view, scenario, agent, get).as_ref(), decimals)
        };
        cells.extend((0..agents).map(|a| cell(a, together)));
        cells.push(Cell::signed_estimate(
            (delta.2)(scenario).as_ref(),
            decimals,
        ));
        cells.extend((0..agents).map(|a| cell(a, alone)));
        table.row(cells);
        if let Some(other) = figures.report(named(scenario)) {
            let [a, b, d] = published(other);
            let mut cells = vec![
                Cell::text(scenario_title(named(scenario))),
                Cell::text("TR110 report"),
                Cell::count(1),
                Cell::number(a, decimals),
                Cell::number(b, decimals),
            ];
            cells.extend((2..agents).map(|_| Cell::Empty));
            cells.push(Cell::signed(d, decimals));
            cells.extend((0..agents).map(|_| Cell::Empty));
            cells.truncate(table.columns.len());
            table.row(cells);
        }
    }
    table
}

fn throughput(view: &View<'_>) -> Table {
    let table = Table::new("multi-agent-throughput", "Multi-agent report: throughput per agent")
        .note("Each agent's own decode rate, from the server's counters; delta is B less A. A rate per agent is not the aggregate: an agent that waits decodes at full rate once it runs.");
    per_agent(
        view,
        table,
        ("tok_s", "tok/s", 1),
        |a| a.rate,
        |a| a.rate_sequential,
        ("tp_delta", "delta (tok/s)", |s| s.stats.tp_delta),
        |r| [r.a_rate, r.b_rate, r.tp_delta],
    )
}

fn ttft(view: &View<'_>) -> Table {
    let table = Table::new(
        "multi-agent-ttft",
        "Multi-agent report: time to first token",
    )
    .note(
        "Delta is A less B: positive means that B is sooner. The TR110 report prints the opposite \
         sign. `alone`: on a ready model, with nobody else.",
    );
    per_agent(
        view,
        table,
        ("ttft_ms", "ms", 0),
        |a| a.ttft_ms,
        |a| a.ttft_solo_ms,
        ("ttft_delta_ms", "delta (ms)", |s| s.stats.ttft_delta_ms),
        |r| [r.a_ttft_ms, r.b_ttft_ms, r.ttft_delta_ms],
    )
}

fn ranking(view: &View<'_>) -> Table {
    let origin = data_origin(view);
    let mut table = Table::new("multi-agent-ranking", "Multi-agent report: efficiency ranking").note(
        "By TR113's efficiency est, as the TR110 report ranks. Ranks of means whose intervals overlap \
         are not a finding.",
    );
    table.column("rank", "rank", Kind::Number, Origin::Derived);
    table.label("scenario", "scenario");
    table.label("source", "source");
    table.column("configs", "configs (n)", Kind::Number, Origin::Derived);
    table.column(
        "efficiency_est_percent",
        "efficiency est (%)",
        Kind::Estimate,
        origin,
    );
    table.column(
        "efficiency_percent",
        "true efficiency (%)",
        Kind::Estimate,
        origin,
    );
    let mut ranked: Vec<_> = each(view)
        .filter_map(|(source, s)| s.stats.efficiency_est.map(|e| (source, s, e)))
        .collect();
    ranked.sort_by(|a, b| b.2.mean.total_cmp(&a.2.mean));
    for (rank, (source, scenario, efficiency)) in (1..).zip(ranked) {
        table.row(vec![
            Cell::count(rank),
            Cell::text(scenario_title(named(scenario))),
            Cell::text(source.label.as_str()),
            Cell::count(scenario.configs),
            Cell::estimate(Some(&efficiency), 1),
            Cell::estimate(scenario.stats.efficiency.as_ref(), 1),
        ]);
    }
    table
}

/// One server's requests on one topology.
type Instance = (Option<domain::plan::Topology>, u32);

/// What a server answered.
#[derive(Debug, Default)]
struct Answered {
    agents: Vec<String>,
    ttft_ms: Vec<f64>,
    rates: Vec<f64>,
    requests: u32,
}

pub(super) fn instances(view: &View<'_>) -> Table {
    let origin = data_origin(view);
    let (id, title) = if view.tr113 {
        ("multi-agent-instances", "Multi-agent report: per instance")
    } else {
        ("instances", "Per server")
    };
    let mut table = Table::new(id, title).note(
        "Completed main requests of the together arm, by the server that answered. Agents differ \
         between instances too: a difference need not be the server's.",
    );
    table.label("source", "source");
    table.column("server", "server", Kind::Number, Origin::Label);
    table.label("agents", "agents");
    table.column("requests", "requests (n)", Kind::Number, origin);
    table.column("ttft_ms", "TTFT (ms)", Kind::Estimate, origin);
    table.column("rate_tok_s", "decode rate (tok/s)", Kind::Estimate, origin);
    let mut seen: BTreeMap<Instance, Answered> = BTreeMap::new();
    for run in &view.dataset.runs {
        for agent in run.together.iter().flat_map(|arm| &arm.agents) {
            let entry = seen.entry((run.topology, agent.server)).or_default();
            if !entry.agents.contains(&agent.name) {
                entry.agents.push(agent.name.clone());
            }
            for request in agent.requests.iter().filter(|r| r.outcome.is_completed()) {
                let figures = RequestMetrics::of(request);
                entry
                    .ttft_ms
                    .extend(figures.ttft.map(domain::Nanos::as_millis_f64));
                entry
                    .rates
                    .extend(figures.decode_rate_server.or(figures.decode_rate_client));
                entry.requests += 1;
            }
        }
    }
    for ((topology, server), answered) in seen {
        let source = view
            .sources
            .iter()
            .find(|s| !s.is_published() && s.topology == topology);
        table.row(vec![
            Cell::text(source.map_or("", |s| s.label.as_str())),
            Cell::count(server + 1),
            Cell::text(answered.agents.join(", ")),
            Cell::count(answered.requests),
            Cell::estimate(mean_of_amounts(&answered.ttft_ms).as_ref(), 0),
            Cell::estimate(mean_of_amounts(&answered.rates).as_ref(), 1),
        ]);
    }
    table
}
