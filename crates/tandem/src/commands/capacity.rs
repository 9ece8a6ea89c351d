//! `tandem capacity`: finds how many agents a server can run within latency limits.

mod level;
mod show;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use document::Invocation;
use document::capacity::{Answer, AnswerKind, answer};
use document::output::say;
use document::words::plural;
use domain::exit::{Exit, Fatal};
use domain::hash::sha256_hex;
use domain::plan::Timeouts;
use domain::record::capacity::{
    Budget, CAPACITY_FILE, CAPACITY_SCHEMA, CapacityRecord, CapacitySettings, LevelEnd, RunEnd,
    Search,
};
use domain::record::{ClientBudget, NonceRoot, RunHeader, RuntimeFacts};
use domain::{ModelOptions, Nanos};
use metrics::capacity::{LevelFigures, Next, Objective, Scaling, search};
use results::{FolderError, Lock};
use runtime::{Shutdown, ShutdownLevel};
use serde::Serialize;

use self::show::Progress;
use crate::budget;
use crate::checks;
use crate::descriptors;
use crate::flags::{CapacityArgs, DEFAULT_PROMPT, HttpFlags, RuntimeFlags};
use crate::folder;
use crate::simulated;
use crate::stage::{self, Stage, StageSetup};
use crate::target::{self, Fitted, Target};
use crate::terminal;

/// The probability that a level is decided wrongly.
const ERROR: f64 = 0.05;

/// Stops of the whole run and of the current level.
#[derive(Debug)]
struct Running {
    run: Shutdown,
    level: Mutex<Option<Shutdown>>,
}

impl Running {
    fn set_level(&self, level: &Shutdown) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(level.clone());
        if self.interrupted() {
            level.abort();
        }
    }

    fn interrupted(&self) -> bool {
        self.run.level() > ShutdownLevel::Running
    }

    fn stop(&self) {
        let level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(level) = level.as_ref() {
            level.abort();
        }
    }
}

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
    let model = earlier.map_or(&args.request.model, |r| &r.asked.model);
    let args = &restored(args, earlier)?;
    let target = match earlier {
        Some(record) => target::again(&record.header, &args.server, model, "the run began on it")?,
        None => target::choose(&args.server, model)?,
    };
    let (runtime, facts) = args.runtime.start(&target, &args.server.http)?;
    runtime.block_on(async {
        let seed = earlier.map_or(args.seed, |r| r.asked.seed);
        let stage = set(target, args, model, seed).await?;
        let running = Running {
            run: Shutdown::new(Nanos::ZERO),
            level: Mutex::new(None),
        };
        let on_signal = |level| {
            if level < ShutdownLevel::Aborted {
                say("Stopping; the results so far are kept.");
            }
            running.stop();
        };
        tokio::select! {
            status = run(&stage, args, earlier.cloned(), facts, &running) => status,
            error = running.run.on_signal(on_signal) => Err(Fatal::environment(error)),
        }
    })
}

/// The flags, with those that affect figures replaced by the values of the run that is resumed.
fn restored(args: &CapacityArgs, earlier: Option<&CapacityRecord>) -> Result<CapacityArgs, Fatal> {
    let mut args = args.clone();
    let Some(record) = earlier else {
        return Ok(args);
    };
    args.max_agents = NonZeroU32::new(record.asked.search.max_agents).unwrap_or(args.max_agents);
    args.request.num_predict = record.asked.num_predict;
    let (kept, typed) = (&record.asked.prompt, &args.request.prompt);
    let (is_same, fix) = match &record.asked.prompt_sha256 {
        Some(kept) => (
            *kept == sha256_hex(typed.as_bytes()),
            "its text was not kept: repeat it with --prompt",
        ),
        None => (
            typed == kept || typed == DEFAULT_PROMPT,
            "leave --prompt out",
        ),
    };
    if !is_same {
        return Err(Fatal::usage("the run began with another prompt").hint(fix));
    }
    if record.asked.prompt_sha256.is_none() {
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

fn options(args: &CapacityArgs) -> ModelOptions {
    ModelOptions {
        num_predict: Some(args.request.num_predict),
        ..ModelOptions::default()
    }
}

async fn set(target: Target, args: &CapacityArgs, model: &str, seed: u64) -> Result<Stage, Fatal> {
    let say = |text: &str| say(text);
    stage::announce(&target, &args.server, &Fitted::default(), say);
    if target.is_real() && !args.no_checks {
        let place = args.resume.as_deref().or(args.out.as_deref());
        let place = place.unwrap_or_else(|| Path::new("results"));
        let (agents, options) = (args.max_agents.get(), options(args));
        let found = (target.found(), &args.server.http);
        for line in checks::before_load(found, model, agents, &options, place).await {
            say(&line);
        }
    }
    let setup = StageSetup {
        model,
        servers: 1,
        seed,
        timeouts: Timeouts::default(),
    };
    Stage::set(target, &args.server, &setup, Nanos::ZERO).await
}

async fn run(
    stage: &Stage,
    args: &CapacityArgs,
    earlier: Option<CapacityRecord>,
    facts: Option<RuntimeFacts>,
    running: &Running,
) -> Result<Exit, Fatal> {
    // A resumed run has new nonces: the server's cache may hold the prompts of an interrupted level.
    let seed = earlier.as_ref().map_or(args.seed, |r| r.asked.seed);
    let nonce = stage.nonce(args.nonce.nonce, seed);
    let (dir, _lock, mut record) = if let Some(record) = earlier {
        // The caller locked the folder before it read the record.
        (args.resume.clone().unwrap_or_default(), None, record)
    } else {
        if let Some(out) = &args.out {
            folder::refuse_used(out)?;
        }
        descriptors::enough_for(args.max_agents.get(), stage.simulator.is_some())?;
        let budget = budget::before_run(args.budget, facts.as_ref(), &stage.endpoints).await;
        let (dir, lock, record) = begin(stage, args, nonce, facts, budget)?;
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
    if !args.no_preload
        && stage
            .preload(&record.asked.model, &options(args))
            .await?
            .is_none()
    {
        return Ok(Exit::Interrupted);
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
        let context = level::LevelContext {
            stage,
            nonce,
            record: &record,
            objective: &objective,
            prompt: &args.request.prompt,
            running,
            progress: &progress,
        };
        let level = level::run(context, (agents, phase), &place, &levels).await?;
        if !args.json {
            progress.ended(&level.probe, level.figures.as_ref());
        }
        let cache = level.figures.as_ref().and_then(|f| f.load.cache);
        if let Some(helped) = cache
            .filter(|_| !record.asked.same_prompt)
            .and_then(|c| c.warning())
        {
            progress.say(&format!(
                "warning: {}: {helped}",
                plural(agents.get(), "agent")
            ));
        }
        let stopped = level.probe.end == LevelEnd::Interrupted;
        record.probes.push(level.probe);
        if !stopped {
            levels.extend(level.figures);
        }
        results::capacity::write(&dir, &record)?;
        if running.interrupted() {
            break RunEnd::Interrupted;
        }
    };
    progress.finish();
    record.end = Some(end);
    results::capacity::write(&dir, &record)?;
    report(args, &dir, &record, &objective, &levels)
}

fn begin(
    stage: &Stage,
    args: &CapacityArgs,
    nonce: NonceRoot,
    runtime: Option<RuntimeFacts>,
    client_budget: Option<ClientBudget>,
) -> Result<(PathBuf, Lock, CapacityRecord), Fatal> {
    let now = folder::wall_clock();
    let (dir, name) = stage.folder(args.out.as_deref(), &args.name, now);
    let lock = folder::begin(&dir)?;
    let record = CapacityRecord {
        schema: CAPACITY_SCHEMA,
        header: RunHeader {
            client_budget,
            nonce: (!args.request.same_prompt).then_some(nonce),
            ..stage.header(name, now, runtime, &args.server)?
        },
        asked: asked(args),
        probes: Vec::new(),
        end: None,
    };
    results::capacity::write(&dir, &record).map_err(FolderError::before_anything)?;
    Ok((dir, lock, record))
}

fn asked(args: &CapacityArgs) -> CapacitySettings {
    CapacitySettings {
        slo: args.slo.to_string(),
        model: args.request.model.clone(),
        num_predict: args.request.num_predict,
        prompt: if args.text.no_text {
            String::new()
        } else {
            args.request.prompt.clone()
        },
        prompt_sha256: (args.text.no_text).then(|| sha256_hex(args.request.prompt.as_bytes())),
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
            precision: args.precision,
            beyond: args.beyond,
        },
        error: ERROR,
        max_failed: args.max_failed,
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
        let mut warnings = Vec::new();
        let left_out = (&mut Vec::new(), &mut warnings);
        let rows = results::capacity::rows(dir, record.schema, probe, false, left_out)?;
        for warning in warnings {
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
        let mut text = format!(
            "\n{}{}\n",
            terminal::badge(record.header.provenance),
            answer.sentence
        );
        for note in &answer.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    })?;
    say(format_args!(
        "Wrote {}; `{}` makes a report",
        dir.display(),
        Invocation::from_environment().command(&format!("report --input {}", dir.display()))
    ));
    Ok(status(record, &answer, levels))
}

fn status(record: &CapacityRecord, answer: &Answer, levels: &[LevelFigures]) -> Exit {
    let failed = levels.iter().any(|l| {
        let outcomes = &l.load.outcomes;
        outcomes.not_completed() > outcomes.cancelled
    });
    let open = answer.kind == AnswerKind::Unresolved || answer.open > 0;
    let interrupted = record.end == Some(RunEnd::Interrupted);
    Exit::of_run(interrupted, failed || open)
}
