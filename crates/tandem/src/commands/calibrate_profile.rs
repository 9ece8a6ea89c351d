//! `tandem calibrate-profile`: fits a profile to recorded runs and reports the fit errors.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use document::Cell;
use domain::exit::{Exit, Fatal, Hint as _, OrFatal as _};
use domain::plan::{CachePolicy, StatePolicy};
use metrics::{AgentObservation, Dataset};
use simulator::RunnerOptions;
use simulator::calibrate::{AgentRun, FitReport, RecordedRun, Start, fit, read_figures, replay};
use simulator::profile::Profile;

use crate::flags::CalibrateProfileArgs;
use crate::summary;
use crate::terminal;

pub(crate) fn calibrate(args: &CalibrateProfileArgs) -> Result<Exit, Fatal> {
    let base = Profile::load(&args.profile)?;
    let model = args.model.clone();
    let model = model.unwrap_or_else(|| base.models[0].name.clone());
    let mut runs = Vec::new();
    for input in &args.input {
        runs.extend(recorded(input)?);
    }
    let (apart, shared): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.servers > 1);
    if shared.is_empty() {
        let what = "no runs of agents that share one server; the fit starts from them";
        return Err(Fatal::usage(what));
    }
    let fitted = fit(&base, &model, &shared, &apart)?;
    let constants = fitted.constants.iter().map(|(name, value, figures)| {
        let figures = Cell::number(*figures as f64, 0);
        vec![Cell::text(*name), Cell::number(*value, 4), figures]
    });
    let mut text = terminal::table("<constant | fitted | figures", constants);
    for (title, runs, start) in [
        ("one shared server", &shared, Start::Cold),
        ("a server for each agent", &apart, Start::Warm),
    ] {
        if !runs.is_empty() {
            let again = replay(&fitted.profile, &model, runs, start)?;
            let (n, report) = (runs.len(), FitReport::new(runs, &again));
            let heading = format!("The same requests simulated, {n} runs on {title}");
            let _ = writeln!(text, "\n{heading}:\n{report}");
        }
    }
    if let Some(out) = &args.out {
        fs::write(out, fitted.profile.to_toml())
            .or_environment(format!("{} could not be written", out.display()))?;
        let out = out.display();
        let _ = writeln!(text, "\nWrote {out}; use it with --profile {out}");
    }
    terminal::write(&text)?;
    Ok(Exit::Done)
}

/// The runs of a figures table or of a results folder.
fn recorded(input: &Path) -> Result<Vec<RecordedRun>, Fatal> {
    if input.is_dir() {
        let dataset = summary::read(input)?;
        return Ok(from_dataset(&dataset));
    }
    let file = File::open(input)
        .or_usage(format!("{} could not be read", input.display()))
        .hint("give a figures table (CSV) or a results folder")?;
    Ok(read_figures(&input.display().to_string(), file)?)
}

/// Runs of a results folder as plain figures: those whose agents made one completed request each.
fn from_dataset(dataset: &Dataset) -> Vec<RecordedRun> {
    let protocol = dataset.manifest.as_ref().map(|m| &m.plan.protocol);
    let unloaded = protocol.is_some_and(|p| p.state == StatePolicy::Unloaded);
    let unique = protocol.is_some_and(|p| p.cache == CachePolicy::Nonce);
    let mut runs = Vec::new();
    for run in &dataset.runs {
        let Some(arm) = &run.together else { continue };
        let agents = arm.agents.iter().map(|agent| agent_run(agent, unique));
        let Some(agents) = agents.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let requests = || arm.agents.iter().map(|agent| &agent.requests[0]);
        let sent = requests().filter_map(|request| request.sent).min();
        let done = requests().filter_map(|request| request.done).max();
        let Some((sent, done)) = sent.zip(done) else {
            continue;
        };
        let wall_s = done.since(sent).as_secs_f64();
        let servers: BTreeSet<u32> = arm.agents.iter().map(|a| a.server).collect();
        runs.push(RecordedRun {
            config: run.config.to_string(),
            order: format!("{:020}", sent.0),
            servers: servers.len(),
            unloaded,
            speedup_est: agents.iter().map(|a| a.execution_s).sum::<f64>() / wall_s,
            wall_s,
            agents,
        });
    }
    runs.sort_by(|a, b| a.order.cmp(&b.order));
    runs
}

fn agent_run(agent: &AgentObservation, unique: bool) -> Option<AgentRun> {
    let [request] = agent.requests.as_slice() else {
        return None;
    };
    let ms = |d: Option<domain::Nanos>| d.map_or(0.0, domain::Nanos::as_millis_f64);
    let sent = request.sent?;
    Some(AgentRun {
        agent: agent.agent as usize,
        options: RunnerOptions::from(&agent.options),
        execution_s: request.done?.since(sent).as_secs_f64(),
        ttft_ms: request.first_token?.since(sent).as_millis_f64(),
        load_ms: ms(request.counters.load),
        prompt_eval_ms: ms(request.counters.prompt_eval),
        eval_ms: ms(request.counters.eval),
        tokens: u32::try_from(request.tokens).ok()?,
        prompt_tokens: u32::try_from(request.counters.prompt_eval_count?).ok()?,
        prompt_unique: unique,
    })
}
