//! `tandem capacity`: finds how many agents a server can run within latency limits.

mod level;
mod show;

use std::num::NonZeroU32;
use std::path::Path;

use document::Invocation;
use document::capacity::{Answer, AnswerKind, answer};
use document::output::say;
use document::words::plural;
use domain::exit::{Exit, Fatal};
use domain::hash::sha256_hex;
use domain::record::capacity::{
    Budget, CAPACITY_FILE, CAPACITY_SCHEMA, CapacityRecord, CapacitySettings, LevelEnd, RunEnd,
    Search,
};
use metrics::capacity::{LevelFigures, Next, Objective, Scaling, search};
use results::{FolderError, LeftOut};
use runtime::{Shutdown, ShutdownLevel};
use serde::Serialize;

use self::level::Level;
use self::show::Progress;
use crate::budget;
use crate::checks::{self, PlanFacts};
use crate::descriptors;
use crate::flags::{CapacityArgs, DEFAULT_PROMPT, HttpFlags, RuntimeFlags};
use crate::folder;
use crate::simulated;
use crate::stage::{self, Stage, StageSetup};
use crate::target::{self, Fitted};
use crate::terminal;

/// The probability that a level is decided wrongly.
const ERROR: f64 = 0.05;

/// The output of `--json`, which `docs/capacity.md` describes.
#[derive(Debug, Serialize)]
struct Document<'a> {
    record: &'a CapacityRecord,
    answer: &'a Answer,
    scaling: Option<&'a Scaling>,
    levels: &'a [LevelFigures],
}

pub(crate) fn capacity(args: &CapacityArgs) -> Result<Exit, Fatal> {
    let held = args.resume.as_deref().map(results::capacity::resume);
    let held = held.transpose()?;
    let earlier = held.as_ref().map(|(_, record)| record);
    let args = &restored(args, earlier)?;
    let model = &args.request.model;
    let target = match earlier {
        Some(record) => target::again(&record.header, &args.server, model, "the run began on it")?,
        None => target::choose(&args.server, model)?,
    };
    let (runtime, facts) = args.runtime.start(&target, &args.server.http)?;
    runtime.block_on(async {
        stage::announce(&target, &args.server, &Fitted::default(), |text| say(text));
        if target.is_real() && !args.no_checks {
            let (agents, options) = (args.max_agents.get(), args.request.options());
            let facts = PlanFacts::of_load(model, agents, options);
            let place = args.resume.as_deref().or(args.out.as_deref());
            let http = &args.server.http;
            checks::before_run(&target, http, facts, place, |line| say(line)).await;
        }
        let setup = StageSetup {
            model,
            servers: 1,
            seed: args.seed,
            runtime: facts,
            ..StageSetup::default()
        };
        let stage = Stage::set(target, &args.server, setup).await?;
        terminal::until_stopped("the results so far are kept", async |stop| {
            run(&stage, args, earlier.cloned(), stop).await
        })
        .await
    })
}

/// The flags, with those that affect figures replaced by the values of the run that is resumed.
fn restored(args: &CapacityArgs, earlier: Option<&CapacityRecord>) -> Result<CapacityArgs, Fatal> {
    let mut args = args.clone();
    let Some(record) = earlier else {
        return Ok(args);
    };
    args.max_agents = NonZeroU32::new(record.asked.search.max_agents).unwrap_or(args.max_agents);
    args.seed = record.asked.seed;
    args.request.model.clone_from(&record.asked.model);
    args.request.num_predict = record.asked.num_predict;
    let (kept, typed) = (&record.asked.prompt, &args.request.prompt);
    let hash = record.asked.prompt_sha256.as_ref();
    let is_same = match hash {
        Some(hash) => *hash == sha256_hex(typed.as_bytes()),
        None => typed == kept || typed == DEFAULT_PROMPT,
    };
    if !is_same {
        let left_out = "its text was not kept: repeat it with --prompt";
        let fix = hash.map_or("leave --prompt out", |_| left_out);
        return Err(Fatal::usage("the run began with another prompt").hint(fix));
    }
    if hash.is_none() {
        args.request.prompt.clone_from(kept);
    }
    if let Some(facts) = &record.header.runtime {
        args.runtime = RuntimeFlags::of(facts);
        args.server.http = HttpFlags::of(facts);
    }
    if !record.header.is_in_simulated_time() {
        return Ok(args);
    }
    let settings = simulated::recorded(&record.header, CAPACITY_FILE, "run")?;
    simulated::restore(&mut args.server, settings);
    if let Some(files) = simulated::changed(&args.server, settings)? {
        let what = format!("the run cannot be resumed: {files} has changed since it began");
        return Err(Fatal::usage(what).hint("restore the file, or start a new run"));
    }
    Ok(args)
}

async fn run(
    stage: &Stage,
    args: &CapacityArgs,
    earlier: Option<CapacityRecord>,
    stop: &Shutdown,
) -> Result<Exit, Fatal> {
    // A resumed run has new nonces: the server's cache may hold the prompts of an interrupted level.
    let nonce = stage.nonce(args.nonce.nonce, args.seed);
    let (dir, _lock, mut record) = if let Some(record) = earlier {
        // The caller locked the folder before it read the record.
        (args.resume.clone().unwrap_or_default(), None, record)
    } else {
        if let Some(out) = &args.out {
            folder::refuse_used(out)?;
        }
        descriptors::enough_for(args.max_agents.get(), stage.simulator.is_some())?;
        let (dir, mut header) = stage.begin(args.out.as_deref(), &args.name, &args.server)?;
        header.client_budget = budget::before_run(args.budget, &header).await;
        header.nonce = (!args.request.same_prompt).then_some(nonce);
        let lock = folder::begin(&dir)?;
        let record = CapacityRecord {
            schema: CAPACITY_SCHEMA,
            header,
            asked: asked(args),
            probes: Vec::new(),
            end: None,
        };
        results::capacity::write(&dir, &record).map_err(FolderError::before_anything)?;
        (dir, Some(lock), record)
    };
    let objective: Objective = record
        .asked
        .slo
        .parse()
        .map_err(|e| Fatal::usage(format!("{}: slo: {e}", dir.display())))?;
    let mut levels = read_levels(&dir, &record, &objective)?;
    // The file keeps its end until it has another level.
    record.end = None;
    if !args.no_preload {
        let options = args.request.options();
        let loaded = stage.preload(&record.asked.model, &options).await?;
        if loaded.is_none() {
            return Ok(Exit::Interrupted);
        }
    }
    say(format_args!(
        "How many agents within {objective}? At most {} tokens an answer.",
        record.asked.num_predict
    ));
    let progress = Progress::new(args.json);
    let end = loop {
        let (agents, phase) = match search::next(&record.asked.search, &record.observed()) {
            Next::Level(agents, phase) => (agents, phase),
            Next::Done(end) => break RunEnd::Finished(end),
        };
        let agents = NonZeroU32::new(agents).expect("a search begins at one agent or more");
        let place = results::capacity::next_level(&dir, &record, agents.get());
        let level = Level {
            agents,
            phase,
            dir: &place,
            stage,
            nonce,
            record: &record,
            others: &levels,
            objective: &objective,
            prompt: &args.request.prompt,
            stop,
            progress: &progress,
        };
        let (probe, figures) = level.run().await?;
        if !args.json {
            progress.ended(&probe, figures.as_ref());
        }
        let cache = figures.as_ref().and_then(|f| f.load.cache);
        let cache = cache.filter(|_| !record.asked.same_prompt);
        if let Some(helped) = cache.and_then(|c| c.warning()) {
            let agents = plural(agents.get(), "agent");
            progress.say(&format!("warning: {agents}: {helped}"));
        }
        let stopped = probe.end == LevelEnd::Interrupted;
        record.probes.push(probe);
        if !stopped {
            levels.extend(figures);
        }
        results::capacity::write(&dir, &record)?;
        if stop.level() > ShutdownLevel::Running {
            break RunEnd::Interrupted;
        }
    };
    progress.finish();
    record.end = Some(end);
    results::capacity::write(&dir, &record)?;
    report(args, &dir, &record, &objective, &levels)
}

fn asked(args: &CapacityArgs) -> CapacitySettings {
    let (no_text, prompt) = (args.text.no_text, &args.request.prompt);
    let kept = Some(prompt).filter(|_| !no_text);
    CapacitySettings {
        slo: args.slo.to_string(),
        model: args.request.model.clone(),
        num_predict: args.request.num_predict,
        prompt: kept.cloned().unwrap_or_default(),
        prompt_sha256: no_text.then(|| sha256_hex(prompt.as_bytes())),
        same_prompt: args.request.same_prompt,
        think_s: args.think.as_secs_f64(),
        warmup: args.warmup,
        budget: Budget {
            requests_per_agent: args.requests_per_agent.map(NonZeroU32::get),
            time_per_level_s: args.time_per_level.map(|t| t.as_secs_f64()),
        },
        search: Search {
            start: args.start.get(),
            max_agents: args.max_agents.get(),
            precision_share: args.precision,
            beyond: args.beyond,
        },
        error_probability: ERROR,
        max_failed_share: args.max_failed,
        seed: args.seed,
    }
}

fn read_levels(
    dir: &Path,
    record: &CapacityRecord,
    objective: &Objective,
) -> Result<Vec<LevelFigures>, Fatal> {
    let mut levels = Vec::new();
    for probe in &record.probes {
        let (Some(window), false) = (probe.window, probe.end == LevelEnd::Interrupted) else {
            continue;
        };
        let mut left_out = LeftOut::default();
        let rows = results::capacity::rows(dir, record.schema, probe, &mut left_out)?;
        for warning in left_out.warnings {
            say(format_args!("warning: {warning}"));
        }
        levels.push(LevelFigures::of(&rows, probe.agents, window, objective));
    }
    Ok(levels)
}

fn report(
    args: &CapacityArgs,
    dir: &Path,
    record: &CapacityRecord,
    objective: &Objective,
    levels: &[LevelFigures],
) -> Result<Exit, Fatal> {
    let scaling = Scaling::of(levels);
    let answer = answer(record, objective, levels, scaling.as_ref());
    let document = Document {
        record,
        answer: &answer,
        scaling: scaling.as_ref(),
        levels,
    };
    terminal::print(args.json, &document, || {
        let badge = terminal::badge(record.header.provenance);
        let notes = answer.notes.iter().map(|note| format!("{note}\n"));
        let notes: String = notes.collect();
        format!("\n{badge}{}\n{notes}", answer.sentence)
    })?;
    say(format_args!(
        "Wrote {}; `{}` makes a report",
        dir.display(),
        Invocation::from_environment().command(&format!("report --input {}", dir.display()))
    ));
    let failed = levels.iter().any(|l| {
        let outcomes = &l.load.outcomes;
        outcomes.not_completed() > outcomes.cancelled
    });
    let open = answer.kind == AnswerKind::Unresolved || answer.open > 0;
    let interrupted = record.end == Some(RunEnd::Interrupted);
    Ok(Exit::of_run(interrupted, failed || open))
}
