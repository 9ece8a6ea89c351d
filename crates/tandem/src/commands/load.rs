//! `tandem load`: sends a fixed number of requests and reports latency and throughput.

mod plan;
mod print;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::WorkPool;
use document::output::say;
use document::words::plural;
use domain::Nanos;
use domain::exit::{Exit, Fatal, OrFatal as _};
use domain::plan::{CachePolicy, Timeouts};
use domain::record::load::{ClientCost, Figures, LOAD_SCHEMA, LoadFile, LoadResult, LoadSettings};
use domain::record::{NonceRoot, TimeScale};
use results::{FolderError, Lock};
use runtime::Shutdown;
use runtime::load::{Backlog, LoadPlan, LoadSetup, LoadShape, run_load};

use crate::budget;
use crate::descriptors;
use crate::flags::LoadArgs;
use crate::folder;
use crate::process;
use crate::rows::{self, Rows};
use crate::stage::{self, Stage, StageSetup};
use crate::target;
use crate::terminal;

/// The current repetition of the load, and the state that all repetitions share.
struct Repetition {
    /// From 1.
    number: u32,
    /// There are several, each in a subfolder.
    is_one_of_several: bool,
    /// The folder of all; the first repetition names it when it was not given.
    folder: Option<PathBuf>,
    /// The lock on that folder, if anything is written.
    lock: Option<Lock>,
    /// Seed of the nonces, given or drawn by the first repetition; each further repetition adds one.
    nonce: Option<NonceRoot>,
}

impl Repetition {
    fn folder_in(&self, all: &Path) -> PathBuf {
        if self.is_one_of_several {
            results::load::repetition(all, self.number)
        } else {
            all.to_owned()
        }
    }
}

pub(crate) fn load(args: &LoadArgs) -> Result<Exit, Fatal> {
    let repetitions = args.workload.repetitions.get();
    let mut repetition = Repetition {
        number: 0,
        is_one_of_several: repetitions > 1,
        folder: args.output.out.clone(),
        lock: None,
        nonce: args.workload.nonce.nonce,
    };
    let mut some_failed = false;
    for number in 1..=repetitions {
        repetition.number = number;
        match once(args, &mut repetition)? {
            Exit::Done => {}
            Exit::SomeFailed => some_failed = true,
            other => return Ok(other),
        }
    }
    Ok(Exit::of_run(false, some_failed))
}

fn once(args: &LoadArgs, repetition: &mut Repetition) -> Result<Exit, Fatal> {
    let mut plan = plan::plan(args)?;
    // Repetitions differ in arrivals and texts, and are equal on each server of a comparison.
    plan.seed = plan.seed.wrapping_add(u64::from(repetition.number - 1));
    let target = target::choose(&args.server, &args.workload.request.model)?;
    let (runtime, facts) = args.runtime.start(&target, &args.server.http)?;
    runtime.block_on(async {
        let fitted = target::fit_options(std::slice::from_ref(&plan.options), target.found());
        stage::announce(&target, &args.server, &fitted, |text| say(text));
        let setup = StageSetup {
            model: &args.workload.request.model,
            servers: 1,
            seed: args.workload.seed,
            timeouts: args.timeouts.timeouts(),
            runtime: facts,
            fitted,
            ..StageSetup::default()
        };
        let stage = Stage::set(target, &args.server, setup).await?;
        terminal::until_stopped("requests in flight are cancelled", async |stop| {
            run(stage, args, repetition, plan, stop).await
        })
        .await
    })
}

async fn run(
    stage: Stage,
    args: &LoadArgs,
    repetition: &mut Repetition,
    mut plan: LoadPlan,
    stop: &Shutdown,
) -> Result<Exit, Fatal> {
    if let Some(out) = &repetition.folder {
        folder::refuse_used(out)?;
        folder::refuse_used(&repetition.folder_in(out))?;
    }
    let at_once = match plan.shape {
        LoadShape::Closed { agents, .. } => Some(agents),
        LoadShape::Open { agents, .. } | LoadShape::Replay { agents, .. } => agents,
    };
    if let Some(agents) = at_once {
        descriptors::enough_for(agents.get(), stage.simulator.is_some())?;
    }
    let mut warmed = false;
    if !args.workload.no_preload {
        let Some(all_loaded) = stage.preload(&plan.model, &plan.options).await? else {
            return Ok(Exit::Interrupted);
        };
        warmed = all_loaded;
    }
    let (all, mut header) = stage.begin(
        repetition.folder.as_deref(),
        &args.output.name,
        &args.server,
    )?;
    let folder = (!args.output.no_record).then(|| repetition.folder_in(&all));
    if folder.is_some() && repetition.lock.is_none() {
        repetition.lock = Some(folder::begin(&all)?);
    }
    repetition.folder = Some(all);
    let nonce = stage.nonce(repetition.nonce, args.workload.seed);
    repetition.nonce = Some(nonce);
    let number = u64::from(repetition.number);
    plan.nonce = NonceRoot::new(nonce.value().wrapping_add(number - 1));
    header.nonce = (plan.cache == CachePolicy::Nonce).then_some(plan.nonce);
    let pool = match args.agent.work_threads {
        Some(threads) => WorkPool::new(threads, std::env::temp_dir()),
        None => WorkPool::for_clock(&stage.clock),
    };
    let slo = args.output.slo.clone();
    let mut file = LoadFile {
        schema: LOAD_SCHEMA,
        header,
        asked: LoadSettings {
            timeouts: Some(args.timeouts.timeouts())
                .filter(|limits| *limits != Timeouts::default()),
            slo: slo.as_ref().map(|slo| slo.text().to_owned()),
            ..rows::asked(&plan, pool.threads())
        },
        result: None,
    };
    let rows_file = folder.as_ref().map(|dir| rows::create(dir, &file));
    let rows_file = rows_file.transpose();
    let rows_file = rows_file.map_err(FolderError::before_anything)?;
    // Virtual time skips every wait.
    let pace = match stage.time_scale {
        None => Some(1.0),
        Some(TimeScale::Scaled(scale)) => Some(scale),
        Some(TimeScale::Virtual) => None,
    };
    let sending = plan.sending().zip(pace);
    let sending = sending.map(|(time, pace)| time.as_duration().div_f64(pace));
    if let Some(time) = sending {
        let (requests, time) = (plural(plan.requests, "request"), terminal::time(time));
        let text = format!("{requests}, the last of which starts after {time}.");
        say(text);
    }
    let bar = terminal::bar(
        args.output.json,
        Some(plan.requests.into()),
        "{bar:24} {pos}/{len} requests  {elapsed} elapsed, {left}",
        sending,
    );
    bar.enable_steady_tick(terminal::TICK);
    let (rows, on_record) = Rows::start(rows_file, slo, bar.clone(), stop.clone())?;
    let requests = plan.requests;
    let setup = LoadSetup {
        pool,
        backlog: Some(Arc::clone(&rows.backlog)),
        ..LoadSetup::new(plan, stage.backends, stage.clock, on_record)
    };
    let cpu_before = process::cpu_time();
    let end = run_load(setup, stop).await?;
    let cpu = cpu_before.zip(process::cpu_time());
    bar.finish_and_clear();
    let shared = stage.simulator.is_some();
    drop(stage.simulator);
    let backlog = Arc::clone(&rows.backlog);
    let kept = rows.finish()?;
    let figures = kept.collected.figures();
    let status = Exit::of_run(end.interrupted, figures.outcomes.not_completed() > 0);
    file.result = Some(LoadResult {
        interrupted: end.interrupted,
        not_begun: requests - end.started_requests,
        peak_in_flight: end.peak_in_flight,
        warmed: Some(warmed),
        client: client(cpu.filter(|_| !shared), &figures, shared, &backlog),
        figures,
    });
    if !end.interrupted {
        // Afterwards, so that it delays no request and its cost is in no figure.
        file.header.client_budget = budget::before_run(args.budget, &file.header).await;
    }
    // Write even when printing fails: a full disk under standard output must not lose the figures.
    let printed = terminal::print(args.output.json, &file, || print::block(&file));
    if let Some(dir) = folder {
        let incomplete = format!("{} is not complete", dir.display());
        kept.written.or_environment(&*incomplete)?;
        results::load::write(&dir, &file).or_environment(incomplete)?;
        say(format_args!("Wrote {}", dir.display()));
    }
    printed?;
    Ok(status)
}

fn client(
    cpu: Option<(Nanos, Nanos)>,
    figures: &Figures,
    shared: bool,
    backlog: &Backlog,
) -> ClientCost {
    let cpu = cpu.map(|(before, after)| after.saturating_sub(before));
    let tokens = figures.tokens.saturating_add(figures.tokens_not_completed);
    let per_token = |cpu: Nanos| (tokens > 0).then(|| cpu.0 as f64 / 1e3 / tokens as f64);
    ClientCost {
        cpu_s: cpu.map(Nanos::as_secs_f64),
        cpu_us_per_token: cpu.and_then(per_token),
        peak_memory_bytes: process::peak_memory(),
        shared_with_simulator: shared,
        disk_waits: backlog.waits(),
        disk_wait_s: backlog.waited().as_secs_f64(),
    }
}
