//! Recorded runs as plain figures.

use std::io::Read;

use csv::StringRecord;
use domain::exit::{Exit, Fails};
use serde::Deserialize;

use crate::core::RunnerOptions;

/// Prompt lengths of TR113's two agents, in our tokens: their prompts have 471 and 378 characters.
/// The figures tables do not hold them.
const PROMPT_TOKENS: [u32; 2] = [116, 93];

/// One run, recorded or replayed: agents that started together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordedRun {
    pub config: String,
    /// Sorts the runs into the order in which they were made.
    pub order: String,
    /// Servers the agents used: one for all, or one each.
    pub servers: usize,
    /// Every server was empty at its start; otherwise as the run before had left it.
    pub unloaded: bool,
    /// From the start to the last end, seconds.
    pub wall_s: f64,
    /// `Σ execution / wall` as recorded.
    pub speedup_est: f64,
    pub agents: Vec<AgentRun>,
}

/// One agent's single request in a run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AgentRun {
    /// Its place: 0 for A, 1 for B.
    #[serde(skip)]
    pub agent: usize,
    #[serde(skip)]
    pub options: RunnerOptions,
    /// From send to end, seconds.
    pub execution_s: f64,
    pub ttft_ms: f64,
    pub load_ms: f64,
    pub prompt_eval_ms: f64,
    pub eval_ms: f64,
    pub tokens: u32,
    #[serde(skip)]
    pub prompt_tokens: u32,
    /// No prompt cache can help. Otherwise an agent sends the same prompt in every run.
    #[serde(skip)]
    pub prompt_unique: bool,
}

impl RecordedRun {
    /// The agents in the order in which they were served: by first token.
    pub fn served(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        order.sort_by(|&i, &j| self.agents[i].ttft_ms.total_cmp(&self.agents[j].ttft_ms));
        order
    }

    /// True when each agent's first token came after the end of the one served before.
    pub fn never_overlapped(&self) -> bool {
        let served = self.served();
        let agents = |pair: &[usize]| [&self.agents[pair[0]], &self.agents[pair[1]]];
        let mut pairs = served.windows(2).map(agents);
        pairs.all(|[first, next]| next.ttft_ms >= first.execution_s * 1e3)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    #[error("{origin}: {source}")]
    Table { origin: String, source: csv::Error },
    #[error("{origin}: no runs; give a table with at least one row")]
    Empty { origin: String },
    #[error("the recording has no {what}, so {parameter} cannot be fitted; {fix}")]
    Missing {
        what: &'static str,
        parameter: &'static str,
        fix: &'static str,
    },
    #[error(
        "{config}: the simulated server did not answer agent {agent}; check the profile's memory and the agent's options"
    )]
    Unanswered { config: String, agent: usize },
    #[error("the profile has no model `{0}`")]
    NoModel(String),
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
}

impl Fails for CalibrateError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A run's columns. Tables without `recorded_at` have the options in the configuration's name.
#[derive(Debug, Deserialize)]
struct Row {
    config: String,
    servers: Option<usize>,
    run: Option<u32>,
    recorded_at: Option<String>,
    concurrent_wall_time_s: f64,
    speedup: f64,
}

fn read_row(headers: &StringRecord, row: &StringRecord) -> Result<RecordedRun, csv::Error> {
    let run: Row = row.deserialize(Some(headers))?;
    // `homo_g80_c1024_t0.8`: both agents alike, as the name says.
    let named = |letter: char| {
        run.config
            .split('_')
            .filter(|_| run.recorded_at.is_none())
            .find_map(|part| part.strip_prefix(letter))
            .and_then(|n| n.parse::<u32>().ok())
    };
    let mut agents = Vec::new();
    for (agent, prefix) in ["a_", "b_"].into_iter().enumerate() {
        // Its columns of the row, without `a_` or `b_`.
        let own = headers
            .iter()
            .map(|name| name.strip_prefix(prefix).unwrap_or(""));
        let own: StringRecord = own.collect();
        let options: RunnerOptions = row.deserialize(Some(&own))?;
        agents.push(AgentRun {
            agent,
            options: RunnerOptions {
                num_ctx: options.num_ctx.or_else(|| named('c')),
                num_gpu: options.num_gpu.or_else(|| named('g').map(i64::from)),
                ..options
            },
            prompt_tokens: PROMPT_TOKENS[agent],
            ..row.deserialize(Some(&own))?
        });
    }
    let order = run
        .recorded_at
        .unwrap_or_else(|| format!("{:06}", run.run.unwrap_or(0)));
    Ok(RecordedRun {
        config: run.config,
        order,
        servers: run.servers.unwrap_or(1),
        unloaded: false,
        wall_s: run.concurrent_wall_time_s,
        speedup_est: run.speedup,
        agents,
    })
}

/// Reads a table of figures such as `fixtures/tr113/recorded.csv`: run a row, agents `a` and `b` side by side. Runs
/// come back in the order in which they were recorded. Fails when the table is empty or a row is invalid.
pub fn read_figures(origin: &str, table: impl Read) -> Result<Vec<RecordedRun>, CalibrateError> {
    let mut reader = csv::Reader::from_reader(table);
    let headers = reader.headers().cloned();
    let runs: Result<Vec<_>, _> = headers.and_then(|headers| {
        let rows = reader.records();
        rows.map(|row| read_row(&headers, &row?)).collect()
    });
    let mut runs = runs.map_err(|source| CalibrateError::Table {
        origin: origin.to_owned(),
        source,
    })?;
    if runs.is_empty() {
        return Err(CalibrateError::Empty {
            origin: origin.to_owned(),
        });
    }
    runs.sort_by(|a, b| a.order.cmp(&b.order));
    Ok(runs)
}
