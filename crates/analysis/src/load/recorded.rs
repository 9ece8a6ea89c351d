//! A folder of recorded runs: `<config>/summary.json` and `<config>/run_N/metrics.json`.

use std::fs;
use std::path::{Path, PathBuf};

use domain::plan::ConfigId;
use domain::record::ServerCounters;
use domain::{ModelOptions, Nanos, OPTIONS, OptionValue};
use metrics::{AgentObservation, RunObservation};
use serde::Deserialize;

use super::figures::{recorded_agent, recorded_run};
use super::{LeftOut, LoadError, LoadErrorKind, read_json};

#[derive(Debug, Deserialize)]
struct MetricsFile {
    collector: AgentFile,
    insight: AgentFile,
    scenario: String,
    run_number: u32,
    summary: RunSummary,
}

#[derive(Debug, Deserialize)]
struct AgentFile {
    config: AgentConfig,
    execution_time_s: f64,
    result: AgentResult,
}

#[derive(Debug, Deserialize)]
struct AgentConfig {
    id: String,
    base_url: String,
    #[serde(default)]
    options: ModelOptions,
}

#[derive(Debug, Deserialize)]
struct AgentResult {
    aggregate_metrics: Aggregate,
}

#[derive(Debug, Deserialize)]
struct Aggregate {
    average_tokens_per_second: f64,
    average_ttft_ms: f64,
    load_duration_ms: f64,
    prompt_eval_duration_ms: f64,
    eval_duration_ms: f64,
    total_tokens_generated: u64,
}

#[derive(Debug, Deserialize)]
struct RunSummary {
    concurrency_speedup: f64,
    concurrent_wall_time_s: f64,
    resource_contention_detected: bool,
}

/// The part of `summary.json` that is checked: every run that it lists must exist.
#[derive(Debug, Deserialize)]
struct SummaryFile {
    runs: Vec<SummaryRun>,
}

#[derive(Debug, Deserialize)]
struct SummaryRun {
    run_number: u32,
}

/// True when the folder or one of its subfolders holds recorded runs.
pub(crate) fn is_recorded(folder: &Path) -> bool {
    configs(folder).is_ok_and(|configs| !configs.is_empty())
}

/// The folders of configurations: the folder itself, or its subfolders.
fn configs(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if is_config(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let mut configs = subfolders(folder)?;
    configs.retain(|folder| is_config(folder));
    Ok(configs)
}

fn is_config(folder: &Path) -> bool {
    folder.join("summary.json").is_file()
        || subfolders(folder).is_ok_and(|all| all.iter().any(|f| f.join("metrics.json").is_file()))
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| LoadError::io(folder, e))? {
        let path = entry.map_err(|e| LoadError::io(folder, e))?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

pub(crate) fn read(
    folder: &Path,
    left_out: &mut LeftOut,
) -> Result<Vec<RunObservation>, LoadError> {
    let mut runs = Vec::new();
    for config in configs(folder)? {
        read_config(&config, left_out, &mut runs)?;
    }
    Ok(runs)
}

fn read_config(
    folder: &Path,
    left_out: &mut LeftOut,
    runs: &mut Vec<RunObservation>,
) -> Result<(), LoadError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let Some(id) = ConfigId::from_folder(&name) else {
        let kind = LoadErrorKind::BadConfigId(name.into_owned());
        left_out.or_skip(Err::<(), _>(LoadError::new(folder, kind)))?;
        return Ok(());
    };
    let mut present = Vec::new();
    for run in subfolders(folder)? {
        let path = run.join("metrics.json");
        if !path.is_file() {
            continue;
        }
        let read = read_json::<MetricsFile>(&path, "recorded run");
        if let Some(file) = left_out.or_skip(read)? {
            present.push(file.run_number);
            runs.push(observe(&id, file));
        } else {
            // The run exists, though it is unreadable: it is reported only once.
            let name = run.file_name().unwrap_or_default().to_string_lossy();
            let number = name.rsplit('_').next();
            present.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
    }
    let summary = folder.join("summary.json");
    if summary.is_file() {
        let listed = read_json::<SummaryFile>(&summary, "summary of recorded runs");
        left_out.or_skip(listed.and_then(|file| {
            let missing = file.runs.iter().find(|r| !present.contains(&r.run_number));
            missing.map_or(Ok(()), |run| {
                let path = folder.join(format!("run_{}/metrics.json", run.run_number));
                Err(LoadError::new(&path, LoadErrorKind::NotFound))
            })
        }))?;
    }
    Ok(())
}

fn observe(id: &ConfigId, file: MetricsFile) -> RunObservation {
    let own_servers = file.collector.config.base_url != file.insight.config.base_url;
    let agent = |agent: AgentFile, place: u32| {
        let figures = agent.result.aggregate_metrics;
        let counters = ServerCounters {
            total: Some(Nanos::from_secs_f64(agent.execution_time_s)),
            load: Some(Nanos::from_millis_f64(figures.load_duration_ms)),
            prompt_eval: Some(Nanos::from_millis_f64(figures.prompt_eval_duration_ms)),
            eval: Some(Nanos::from_millis_f64(figures.eval_duration_ms)),
            eval_count: Some(figures.total_tokens_generated),
            ..ServerCounters::default()
        };
        let AgentConfig { id, options, .. } = agent.config;
        let server = if own_servers { place } else { 0 };
        let ttft = Nanos::from_millis_f64(figures.average_ttft_ms);
        AgentObservation {
            rate_recorded_tokens_per_s: Some(figures.average_tokens_per_second),
            ..recorded_agent(place, id, shortest(options), server, ttft, counters)
        }
    };
    let agents = [agent(file.collector, 0), agent(file.insight, 1)];
    RunObservation {
        wall_recorded_s: Some(file.summary.concurrent_wall_time_s),
        speedup_recorded: Some(file.summary.concurrency_speedup),
        contention_recorded: Some(file.summary.resource_contention_detected),
        ..recorded_run(id.clone(), file.scenario, file.run_number, agents)
    }
}

/// Undoes the recorder's rounding: it stored options as 32-bit floats and wrote them as 64-bit ones, so that
/// 0.6 became 0.6000000238418579. The shortest decimal for the same 32-bit float is the original.
fn shortest(mut options: ModelOptions) -> ModelOptions {
    for option in OPTIONS {
        if let Some(OptionValue::Float(value)) = option.get(&options) {
            let narrow = value as f32;
            if f64::from(narrow).to_bits() == value.to_bits()
                && let Ok(meant) = narrow.to_string().parse()
            {
                option.set(&mut options, OptionValue::Float(meant));
            }
        }
    }
    options
}
