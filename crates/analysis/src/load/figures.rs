//! The figures table of recorded runs (one row per run) and the published table of TR113.
//!
//! Columns of the figures table: `config`, `scenario`, `concurrent_wall_time_s`, then for each of
//! the agents `a` and `b`: `*_execution_s`, `*_ttft_ms`, `*_load_ms`, `*_prompt_eval_ms`,
//! `*_eval_ms`, `*_tokens`; then `speedup` and `contention_recorded`. Optional: `servers`, `run`,
//! and the agents' options `*_num_gpu`, `*_num_ctx`, `*_temperature`. Without `servers`, one server
//! served all agents, as in TR113's runs. A published table may have the options as `num_gpu`, `num_ctx`
//! and `temperature`.

use std::path::Path;

use domain::plan::{Arm, ConfigId, Topology};
use domain::record::{ServerCounters, TokenSource};
use domain::{ModelOptions, Nanos, Outcome, Stamp};
use metrics::{
    AgentObservation, ArmObservation, PublishedRow, RequestTimes, RunObservation, StampSource,
};

use super::grid::{Grid, Row};
use super::{LeftOut, LoadError, LoadErrorKind};

/// An agent with its one request. Its stamps are rebuilt from durations: the recorded execution time is the
/// server's own total.
pub(super) fn recorded_agent(
    agent: u32,
    name: String,
    options: ModelOptions,
    server: u32,
    ttft: Nanos,
    counters: ServerCounters,
) -> AgentObservation {
    let end = Stamp(counters.total.unwrap_or_default().0);
    let tokens = counters.eval_count.unwrap_or_default();
    let request = RequestTimes {
        sent: Some(Stamp::ZERO),
        first_token: (tokens > 0).then_some(Stamp(ttft.0)),
        last_token: (tokens > 0).then_some(end),
        done: Some(end),
        ended: end,
        tokens,
        tokens_from: TokenSource::Server,
        counters,
        outcome: Outcome::Completed,
        stamps: StampSource::Rebuilt,
        ..RequestTimes::default()
    };
    AgentObservation {
        agent,
        name,
        options,
        server,
        requests: vec![request],
        ..AgentObservation::default()
    }
}

/// A recorded run of two agents that both start at zero and complete.
pub(super) fn recorded_run(
    config: ConfigId,
    scenario: String,
    repetition: u32,
    agents: [AgentObservation; 2],
) -> RunObservation {
    let topology = match agents[1].server {
        0 => Topology::Shared,
        _ => Topology::PerAgent,
    };
    RunObservation {
        config,
        scenario,
        topology: Some(topology),
        repetition,
        together: Some(ArmObservation {
            arm: Arm::Together,
            state_rule: None,
            agents: agents.into(),
            complete: true,
            throttled: Vec::new(),
            client_bias: None,
        }),
        sequential: None,
        probes: Vec::new(),
        contention_recorded: None,
        speedup_recorded: None,
        wall_recorded_s: None,
    }
}

pub(crate) fn is_figures(header: &[String]) -> bool {
    header.iter().any(|c| c == "concurrent_wall_time_s")
}

pub(crate) fn is_published(header: &[String]) -> bool {
    header.iter().any(|c| c == "efficiency_percent") && !is_figures(header)
}

/// Reads each row of a table. Errors: a column is missing, a cell cannot be read and is not left out, or there is no
/// row.
pub(super) fn read_rows<T>(
    path: &Path,
    left_out: &mut LeftOut,
    read: impl Fn(Row<'_>) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let grid = Grid::read(path)?;
    let mut rows = Vec::new();
    for row in grid.rows() {
        match read(row) {
            // A missing column makes every row fail alike.
            Err(error) if matches!(error.kind, LoadErrorKind::MissingColumn { .. }) => {
                return Err(error);
            }
            value => rows.extend(left_out.or_skip(value)?),
        }
    }
    if rows.is_empty() {
        return Err(LoadError::new(path, LoadErrorKind::NothingLoaded));
    }
    Ok(rows)
}

pub(super) fn figures_row(row: Row<'_>) -> Result<RunObservation, LoadError> {
    let own_servers = row.if_there("servers", Row::count)?.unwrap_or(1) > 1;
    let repetition = row.if_there("run", Row::count)?.unwrap_or(1);
    let (config, scenario) = row.names()?;
    let agent = |place: u32, prefix: &str, name: &str| {
        let column = |what: &str| format!("{prefix}_{what}");
        let ms = |what: &str| row.amount(&column(what)).map(Nanos::from_millis_f64);
        let execution_s = row.amount(&column("execution_s"))?;
        let ttft = ms("ttft_ms")?;
        let counters = ServerCounters {
            total: Some(Nanos::from_secs_f64(execution_s)),
            load: Some(ms("load_ms")?),
            prompt_eval: Some(ms("prompt_eval_ms")?),
            eval: Some(ms("eval_ms")?),
            eval_count: Some(row.needed(&column("tokens"), "a whole number", Row::count)?),
            ..ServerCounters::default()
        };
        let options = options(row, &format!("{prefix}_"))?;
        let server = if own_servers { place } else { 0 };
        let name = name.to_owned();
        Ok(recorded_agent(place, name, options, server, ttft, counters))
    };
    let agents = [agent(0, "a", "collector")?, agent(1, "b", "insight")?];
    let repetition = u32::try_from(repetition).unwrap_or(u32::MAX);
    Ok(RunObservation {
        wall_recorded_s: Some(row.amount("concurrent_wall_time_s")?),
        speedup_recorded: row.number("speedup")?,
        contention_recorded: row.flag("contention_recorded")?,
        ..recorded_run(config, scenario, repetition, agents)
    })
}

/// The options in the columns that begin with `prefix`.
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

pub(super) fn published_row(row: Row<'_>) -> Result<PublishedRow, LoadError> {
    let (config, scenario) = row.names()?;
    Ok(PublishedRow {
        config,
        scenario,
        options: options(row, "")?,
        speedup: row.amount("speedup")?,
        efficiency_percent: row.amount("efficiency_percent")?,
        ttft_delta_ms: row.number("ttft_delta_ms")?,
        tp_delta_tokens_per_s: row.number("tp_delta")?,
        contention: row.needed("contention", "yes or no", Row::flag)?,
    })
}
