//! The figures table of recorded runs (a row a run) and the published table of TR113.
//!
//! Columns of the figures table: `config`, `scenario`, `concurrent_wall_time_s`, then for each of
//! the agents `a` and `b`: `*_execution_s`, `*_ttft_ms`, `*_load_ms`, `*_prompt_eval_ms`,
//! `*_eval_ms`, `*_tokens`; then `speedup` and `contention_recorded`. Optional: `servers`, `run`,
//! and the agents' options `*_num_gpu`, `*_num_ctx`, `*_temperature`. Without `servers`, one server
//! served all agents, as in TR113's runs. A published table may have the options as `num_gpu`, `num_ctx`
//! and `temperature`.

use std::path::Path;

use domain::plan::{Arm, ConfigId, Topology};
use domain::record::ServerCounters;
use domain::record::TokenSource;
use domain::{ModelOptions, Nanos, Outcome, Stamp};
use metrics::{
    AgentObservation, ArmObservation, PublishedRow, RequestTimes, RunObservation, StampSource,
};

use super::grid::{Grid, Row};
use super::{LoadError, LoadErrorKind, Skipped};

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
        let request = RequestTimes {
            sent: Some(Stamp::ZERO),
            first_token: produced.then(|| at(self.ttft)),
            last_token: produced.then(|| at(self.execution)),
            done: Some(at(self.execution)),
            ended: at(self.execution),
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
            ..RequestTimes::default()
        };
        AgentObservation {
            agent,
            name: self.name,
            options: self.options,
            server: self.server,
            requests: vec![request],
            span: None,
            on_cpu: None,
            rate_recorded: self.rate,
        }
    }
}

/// What somebody else recorded with a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded {
    pub(crate) wall_s: f64,
    pub(crate) speedup: Option<f64>,
    pub(crate) contention: Option<bool>,
}

/// A recorded run: its configuration, scenario and number, and its two agents, which both start at
/// zero and both end.
pub(crate) fn recorded_run(
    (config, scenario, repetition): (ConfigId, String, u32),
    agents: [RecordedAgent; 2],
    recorded: Recorded,
) -> RunObservation {
    let topology = match agents[1].server {
        0 => Topology::Shared,
        _ => Topology::PerAgent,
    };
    let agents = agents.into_iter().zip(0..);
    RunObservation {
        config,
        scenario,
        topology: Some(topology),
        repetition,
        together: Some(ArmObservation {
            arm: Arm::Together,
            state_rule: None,
            agents: agents.map(|(agent, place)| agent.observe(place)).collect(),
            complete: true,
            throttled: Vec::new(),
            client_bias: None,
        }),
        sequential: None,
        probes: Vec::new(),
        contention_recorded: recorded.contention,
        speedup_recorded: recorded.speedup,
        wall_recorded_s: Some(recorded.wall_s),
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
    read: impl Fn(Row<'_>) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let grid = Grid::read(path)?;
    let mut rows = Vec::new();
    for row in grid.rows() {
        match read(row) {
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

fn figures_row(row: Row<'_>) -> Result<RunObservation, LoadError> {
    let own_servers = row.if_there("servers", Row::count)?.unwrap_or(1) > 1;
    let repetition = row.if_there("run", Row::count)?.unwrap_or(1);
    let (config, scenario) = row.names()?;
    let agent = |place: u32, prefix: &str, name: &str| {
        let column = |what: &str| format!("{prefix}_{what}");
        let ms = |what: &str| row.amount(&column(what)).map(Nanos::from_millis_f64);
        Ok(RecordedAgent {
            name: name.to_owned(),
            options: options(row, &format!("{prefix}_"))?,
            server: if own_servers { place } else { 0 },
            execution: row
                .amount(&column("execution_s"))
                .map(Nanos::from_secs_f64)?,
            ttft: ms("ttft_ms")?,
            load: ms("load_ms")?,
            prompt_eval: ms("prompt_eval_ms")?,
            eval: ms("eval_ms")?,
            tokens: row.needed(&column("tokens"), "a whole number", Row::count)?,
            rate: None,
        })
    };
    let agents = [agent(0, "a", "collector")?, agent(1, "b", "insight")?];
    let recorded = Recorded {
        wall_s: row.amount("concurrent_wall_time_s")?,
        speedup: row.number("speedup")?,
        contention: row.flag("contention_recorded")?,
    };
    let repetition = u32::try_from(repetition).unwrap_or(u32::MAX);
    Ok(recorded_run(
        (config, scenario, repetition),
        agents,
        recorded,
    ))
}

/// The options in the columns that begin with `prefix`, where there are any.
fn options(row: Row<'_>, prefix: &str) -> Result<ModelOptions, LoadError> {
    let whole = |what: &str| {
        let count = row.if_there(&format!("{prefix}{what}"), Row::count)?;
        Ok(count.map(u64::cast_signed))
    };
    Ok(ModelOptions {
        num_gpu: whole("num_gpu")?,
        num_ctx: whole("num_ctx")?,
        temperature: row.if_there(&format!("{prefix}temperature"), Row::number)?,
        ..ModelOptions::default()
    })
}

fn published_row(row: Row<'_>) -> Result<PublishedRow, LoadError> {
    let (config, scenario) = row.names()?;
    Ok(PublishedRow {
        config,
        scenario,
        options: options(row, "")?,
        speedup: row.amount("speedup")?,
        efficiency_percent: row.amount("efficiency_percent")?,
        ttft_delta_ms: row.number("ttft_delta_ms")?,
        tp_delta: row.number("tp_delta")?,
        contention: row.needed("contention", "yes or no", Row::flag)?,
    })
}
