//! `tandem load`: a fixed number of requests, and how they were carried.

mod args;
mod print;
pub(crate) mod process;
mod rows;

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use domain::backend::BackendError;
use domain::plan::{CachePolicy, Timeouts};
use domain::record::{Provenance, RequestRecord, RuntimeFacts};
use domain::{FailureKind, ModelOptions, Nanos};
use indicatif::{ProgressBar, ProgressStyle};
use metrics::load::{Asked, ClientCost, Collected, Figures, LOAD_SCHEMA, LoadFile, LoadResult};
use runtime::load::{Arrivals, LoadEnd, LoadPlan, LoadSetup, LoadShape, run_load};
use runtime::{Shutdown, ShutdownLevel};

use self::args::ArrivalsArg;
pub(crate) use self::args::LoadArgs;
use self::rows::Rows;
use crate::commands::calibrate;
use crate::commands::sweep::command_line;
use crate::descriptors;
use crate::exit::{ExitStatus, Fatal};
use crate::folder;
use crate::stage::{self, Cast, Stage};
use crate::target::{self, Fitted, Target};

/// Agents of a closed loop when none are named.
const AGENTS: NonZeroU32 = NonZeroU32::new(8).expect("eight is not zero");

/// Runs the load, prints the figures, and writes them if asked to.
pub(crate) fn load(args: &LoadArgs) -> Result<ExitStatus, Fatal> {
    let target = target::choose(&args.server, &args.model)?;
    let (runtime, facts) = args.runtime.start(&target)?;
    runtime.block_on(async {
        let fitted = fitted(&target, &plan(args));
        let stage = set(target, args, &fitted).await?;
        let stop = Shutdown::new(Nanos::ZERO);
        let told = |level| {
            if level < ShutdownLevel::Aborted {
                eprintln!("Stopping; requests in flight are cancelled.");
            }
        };
        tokio::select! {
            status = run(stage, args, (facts, fitted), &stop) => status,
            error = stop.on_ctrl_c(told) => Err(Fatal::environment(error)),
        }
    })
}

/// What becomes of the load's options on these servers.
fn fitted(target: &Target, plan: &LoadPlan) -> Fitted {
    match target {
        Target::Real(found) => target::fit_load(&plan.options, found),
        Target::Simulator { .. } => Fitted::default(),
    }
}

async fn set(target: Target, args: &LoadArgs, fitted: &Fitted) -> Result<Stage, Fatal> {
    let timeouts = Timeouts::default();
    match target {
        Target::Real(found) => {
            for server in &found {
                eprintln!("Running on {}", server.in_words());
            }
            for note in &fitted.notes {
                eprintln!("note: {note}");
            }
            let facts = found.into_iter().map(|server| server.facts).collect();
            Stage::real(facts, timeouts, Nanos::ZERO)
        }
        Target::Simulator { why } => {
            eprintln!("{}", stage::simulated_in_words(&why, &args.server));
            let cast = Cast {
                model: &args.model,
                servers: 1,
                seed: args.seed,
                timeouts,
            };
            Stage::simulated(&args.server, &cast, Nanos::ZERO).await
        }
    }
}

async fn run(
    stage: Stage,
    args: &LoadArgs,
    (runtime, fitted): (Option<RuntimeFacts>, Fitted),
    stop: &Shutdown,
) -> Result<ExitStatus, Fatal> {
    let plan = plan(args);
    let at_once = match plan.shape {
        LoadShape::Closed { agents, .. } => Some(agents),
        LoadShape::Open { agents, .. } => agents,
    };
    if let Some(agents) = at_once {
        descriptors::enough_for(agents.get(), stage.simulator.is_some())?;
    }
    let budget = calibrate::before_run(&args.server, runtime.as_ref(), &stage.endpoints).await;
    if !args.no_preload {
        tokio::select! {
            loaded = preload(&stage, &plan) => loaded?,
            _ = runtime::asked_to_stop() => {
                eprintln!("Stopped while the model was loaded; nothing was measured.");
                return Ok(ExitStatus::Interrupted);
            }
        }
    }
    let now = folder::wall_clock();
    let simulated = stage.provenance == Provenance::Simulated;
    let dir = args
        .output
        .out
        .clone()
        .unwrap_or_else(|| folder::default_dir(&args.output.name, now, simulated));
    let mut environment = telemetry::environment(stage.gpu_source.clone());
    environment.facts.extend(fitted.facts);
    let mut file = LoadFile {
        schema: LOAD_SCHEMA,
        name: folder::name_of(&dir, &args.output.name),
        provenance: stage.provenance,
        tool: folder::tool(),
        started_at: folder::started_at(now),
        command: command_line(),
        endpoints: stage.endpoints.clone(),
        time_scale: stage.time_scale,
        runtime,
        client_budget: budget,
        environment: Some(environment),
        asked: asked(&plan, args),
        result: None,
    };
    let (rows, send) = if args.output.no_record {
        (None, None)
    } else {
        let (rows, send) = Rows::create(&dir, &file)?;
        (Some(rows), Some(send))
    };
    let bar = bar(args);
    let collected = Arc::new(Mutex::new(Collected::new(args.slo.clone())));
    let on_record = {
        let (collected, bar) = (Arc::clone(&collected), bar.clone());
        Arc::new(move |record: RequestRecord| {
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            collected.add(&record);
            bar.inc(1);
            if let Some(send) = &send {
                // A writer that is gone says why when it is joined.
                let _ = send.send(record);
            }
        })
    };
    let setup = LoadSetup {
        plan: plan.clone(),
        backends: stage.backends,
        clock: stage.clock,
        on_record,
    };
    let cpu_before = process::cpu_time();
    let end = run_load(setup, stop).await.map_err(Fatal::usage)?;
    let cpu = cpu_before.zip(process::cpu_time());
    bar.finish_and_clear();
    let shared = stage.simulator.is_some();
    drop(stage.simulator);
    let figures = collected
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .figures();
    let status = status(&end, &figures);
    file.result = Some(LoadResult {
        interrupted: end.interrupted,
        not_begun: plan.requests - end.begun,
        peak_in_flight: end.peak_in_flight,
        client: client(cpu.filter(|_| !shared), &figures, shared),
        figures,
    });
    finish(&file, rows, args.output.json)?;
    Ok(status)
}

/// What the folder says before anything has run.
fn asked(plan: &LoadPlan, args: &LoadArgs) -> Asked {
    Asked {
        model: plan.model.clone(),
        shape: print::shape(plan.shape),
        requests: plan.requests,
        num_predict: args.num_predict,
        seed: plan.seed,
        same_prompt: args.same_prompt,
        turns: None,
        work: None,
        slo: args.slo.as_ref().map(|slo| slo.text().to_owned()),
    }
}

fn plan(args: &LoadArgs) -> LoadPlan {
    let shape = match args.rate {
        None => LoadShape::Closed {
            agents: args.agents.unwrap_or(AGENTS),
            think: Nanos::from(args.think),
        },
        Some(rate) => LoadShape::Open {
            arrivals: match args.arrivals {
                ArrivalsArg::Constant => Arrivals::Constant(rate),
                ArrivalsArg::Poisson => Arrivals::Poisson(rate),
            },
            agents: args.agents,
        },
    };
    LoadPlan {
        shape,
        requests: args.requests.get(),
        model: args.model.clone(),
        prompt: args.prompt.clone(),
        cache: if args.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        },
        options: ModelOptions {
            num_predict: Some(args.num_predict),
            ..ModelOptions::default()
        },
        seed: args.seed,
    }
}

/// Loads the model on every server, so that no measured request waits for it. Servers that hold
/// their model have nothing to load.
async fn preload(stage: &Stage, plan: &LoadPlan) -> Result<(), Fatal> {
    for backend in &stage.backends {
        match backend.preload(&plan.model, &plan.options).await {
            Ok(())
            | Err(BackendError::Failed {
                failure: FailureKind::Unsupported,
                ..
            }) => {}
            Err(error) => {
                return Err(Fatal::environment(error)
                    .context(format!("{} could not be loaded", plan.model))
                    .hint("--no-preload sends the requests all the same"));
            }
        }
    }
    Ok(())
}

/// Shown where a person can see it.
fn bar(args: &LoadArgs) -> ProgressBar {
    if args.output.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(args.requests.get()));
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24} {pos}/{len} requests  {elapsed} elapsed, {eta} left")
    {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn client(cpu: Option<(Nanos, Nanos)>, figures: &Figures, shared: bool) -> ClientCost {
    let cpu = cpu.map(|(before, after)| after.saturating_sub(before));
    let tokens = figures.tokens + figures.tokens_not_completed;
    ClientCost {
        cpu_s: cpu.map(Nanos::as_secs_f64),
        cpu_us_per_token: cpu
            .filter(|_| tokens > 0)
            .map(|cpu| cpu.0 as f64 / 1e3 / tokens as f64),
        peak_memory_bytes: process::peak_memory(),
        shared_with_simulator: shared,
        ..ClientCost::default()
    }
}

/// Prints first: what was measured must not be lost to a full disk.
fn finish(file: &LoadFile, rows: Option<Rows>, json: bool) -> Result<(), Fatal> {
    let text = if json {
        let mut line = serde_json::to_string(file).map_err(Fatal::environment)?;
        line.push('\n');
        line
    } else {
        print::block(file)
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("the figures could not be printed")
        .map_err(Fatal::environment)?;
    if let Some(rows) = rows {
        let dir = rows.finish(file)?;
        eprintln!("Wrote {}", dir.display());
    }
    Ok(())
}

fn status(end: &LoadEnd, figures: &Figures) -> ExitStatus {
    if end.interrupted {
        ExitStatus::Interrupted
    } else if figures.outcomes.not_completed() > 0 {
        ExitStatus::SomeFailed
    } else {
        ExitStatus::Done
    }
}
