//! The figures table of recorded runs (a row a run) and the published table of TR113.
//!
//! Columns of the figures table: `config`, `scenario`, `concurrent_wall_time_s`, then for each of
//! the agents `a` and `b`: `*_execution_s`, `*_ttft_ms`, `*_load_ms`, `*_prompt_eval_ms`,
//! `*_eval_ms`, `*_tokens`; then `speedup` and `contention_recorded`. Optional: `servers`, `run`,
//! and the agents' options `*_num_gpu`, `*_num_ctx`, `*_temperature`. Without `servers`, one server
//! served all agents, as in TR113's runs.

use std::path::Path;

use domain::backend::ServerCounters;
use domain::plan::{Arm, Topology};
use domain::record::TokenSource;
use domain::{ModelOptions, Nanos, Outcome, Stamp};
use metrics::{
    AgentObservation, ArmObservation, PublishedRow, RequestObservation, RunObservation, StampSource,
};

use super::grid::Grid;
use super::{LoadError, LoadErrorKind, Skipped};

/// The agents of a recorded run, by column prefix.
const AGENTS: [(&str, &str); 2] = [("a", "collector"), ("b", "insight")];

/// What a recorded run tells of one agent.
#[derive(Debug)]
pub(crate) struct RecordedAgent {
    pub(crate) name: String,
    pub(crate) options: ModelOptions,
    pub(crate) server: u32,
    pub(crate) execution: Nanos,
    pub(crate) ttft: Nanos,
    pub(crate) load: Nanos,
    pub(crate) prompt_eval: Nanos,
    pub(crate) eval: Nanos,
    pub(crate) tokens: u64,
    pub(crate) rate: Option<f64>,
}

impl RecordedAgent {
    /// The agent as an observation, with stamps rebuilt from durations. The recorded execution
    /// time is the server's own total for the request.
    pub(crate) fn observe(self, agent: u32) -> AgentObservation {
        let at = |span: Nanos| Stamp(span.0);
        let produced = self.tokens > 0;
        let request = RequestObservation {
            scheduled: Stamp::ZERO,
            admission_wait: None,
            sent: Some(Stamp::ZERO),
            first_token: produced.then(|| at(self.ttft)),
            last_token: produced.then(|| at(self.execution)),
            done: Some(at(self.execution)),
            ended: at(self.execution),
            chunks: Vec::new(),
            tokens: self.tokens,
            tokens_from: TokenSource::Server,
            counters: ServerCounters {
                total: Some(self.execution),
                load: Some(self.load),
                prompt_eval: Some(self.prompt_eval),
                eval_count: Some(self.tokens),
                eval: Some(self.eval),
                ..ServerCounters::default()
            },
            outcome: Outcome::Completed,
            stamps: StampSource::Rebuilt,
        };
        AgentObservation {
            agent,
            name: self.name,
            options: self.options,
            server: self.server,
            requests: vec![request],
            span: None,
            rate_recorded: self.rate,
        }
    }
}

/// The together arm of a recorded run: both agents start at zero and both end.
pub(crate) fn recorded_arm(agents: Vec<RecordedAgent>) -> ArmObservation {
    ArmObservation {
        arm: Arm::Together,
        state_rule: None,
        agents: agents
            .into_iter()
            .zip(0..)
            .map(|(agent, place)| agent.observe(place))
            .collect(),
        complete: true,
        throttled: Vec::new(),
        client_bias: None,
    }
}

/// True for the header of a figures table.
pub(crate) fn is_figures(header: &[String]) -> bool {
    header.iter().any(|c| c == "concurrent_wall_time_s")
}

/// True for the header of a published table.
pub(crate) fn is_published(header: &[String]) -> bool {
    header.iter().any(|c| c == "efficiency_percent") && !is_figures(header)
}

/// Reads a figures table.
pub(crate) fn read_figures(
    path: &Path,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<RunObservation>, LoadError> {
    each_row(path, keep_going, skipped, figures_row)
}

/// Reads a published table.
pub(crate) fn read_published(
    path: &Path,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<PublishedRow>, LoadError> {
    each_row(path, keep_going, skipped, published_row)
}

fn each_row<T>(
    path: &Path,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
    read: impl Fn(&Grid, usize) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let grid = Grid::read(path)?;
    let mut rows = Vec::with_capacity(grid.rows());
    for row in 0..grid.rows() {
        match read(&grid, row) {
            Ok(value) => rows.push(value),
            // A missing column spoils every row alike.
            Err(error) if matches!(error.kind, LoadErrorKind::MissingColumn { .. }) => {
                return Err(error);
            }
            Err(error) if keep_going => skipped.push(Skipped::from_error(&error)),
            Err(error) => return Err(error.of_a_part()),
        }
    }
    if rows.is_empty() {
        return Err(LoadError::new(path, LoadErrorKind::NothingLoaded));
    }
    Ok(rows)
}

fn figures_row(grid: &Grid, row: usize) -> Result<RunObservation, LoadError> {
    let optional_count = |column: &str| {
        if grid.has(column) {
            grid.count(row, column)
        } else {
            Ok(None)
        }
    };
    let servers = optional_count("servers")?.unwrap_or(1);
    let repetition = optional_count("run")?.unwrap_or(1);
    let scenario = grid.text(row, "scenario")?;
    let scenario = grid.some(row, "scenario", scenario, "a scenario's name")?;
    let mut agents = Vec::with_capacity(AGENTS.len());
    for (place, (prefix, name)) in (0_u32..).zip(AGENTS) {
        let cell = |what: &str| grid.amount(row, &format!("{prefix}_{what}"));
        let tokens = format!("{prefix}_tokens");
        let count = grid.count(row, &tokens)?;
        agents.push(RecordedAgent {
            name: name.to_owned(),
            options: options(grid, row, prefix)?,
            server: if servers > 1 { place } else { 0 },
            execution: Nanos::from_secs_f64(cell("execution_s")?),
            ttft: Nanos::from_millis_f64(cell("ttft_ms")?),
            load: Nanos::from_millis_f64(cell("load_ms")?),
            prompt_eval: Nanos::from_millis_f64(cell("prompt_eval_ms")?),
            eval: Nanos::from_millis_f64(cell("eval_ms")?),
            tokens: grid.some(row, &tokens, count, "a whole number")?,
            rate: None,
        });
    }
    Ok(RunObservation {
        config: grid.config(row, "config")?,
        scenario: scenario.to_owned(),
        topology: Some(if servers > 1 {
            Topology::PerAgent
        } else {
            Topology::Shared
        }),
        repetition: u32::try_from(repetition).unwrap_or(u32::MAX),
        together: Some(recorded_arm(agents)),
        sequential: None,
        probes: Vec::new(),
        contention_recorded: grid.flag(row, "contention_recorded")?,
        speedup_recorded: grid.number(row, "speedup")?,
        wall_recorded_s: Some(grid.amount(row, "concurrent_wall_time_s")?),
    })
}

fn options(grid: &Grid, row: usize, prefix: &str) -> Result<ModelOptions, LoadError> {
    let whole = |what: &str| {
        let column = format!("{prefix}_{what}");
        if grid.has(&column) {
            grid.count(row, &column).map(|n| n.map(u64::cast_signed))
        } else {
            Ok(None)
        }
    };
    let temperature = format!("{prefix}_temperature");
    Ok(ModelOptions {
        num_gpu: whole("num_gpu")?,
        num_ctx: whole("num_ctx")?,
        temperature: if grid.has(&temperature) {
            grid.number(row, &temperature)?
        } else {
            None
        },
        ..ModelOptions::default()
    })
}

fn published_row(grid: &Grid, row: usize) -> Result<PublishedRow, LoadError> {
    let scenario = grid.text(row, "scenario")?;
    let flag = grid.flag(row, "contention")?;
    Ok(PublishedRow {
        config: grid.config(row, "config")?,
        scenario: grid
            .some(row, "scenario", scenario, "a scenario's name")?
            .to_owned(),
        speedup: grid.amount(row, "speedup")?,
        efficiency_percent: grid.amount(row, "efficiency_percent")?,
        ttft_delta_ms: grid.number(row, "ttft_delta_ms")?,
        tp_delta: grid.number(row, "tp_delta")?,
        contention: grid.some(row, "contention", flag, "yes or no")?,
    })
}
