//! `tandem sweep` and `tandem run`: plan, target, run, summary.

mod restore;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use document::Cell;
use document::output::say;
use domain::Nanos;
use domain::exit::{Exit, Fatal};
use domain::plan::{ArmSpec, CachePolicy, Protocol, ProtocolKind, SweepPlan, Topology};
use domain::record::{Manifest, RESULTS_SCHEMA};
use results::{FolderError, ResultsDir};
use runtime::{Shutdown, ShutdownLevel, SweepSetup, run_sweep};

use crate::budget;
use crate::checks::{self, PlanFacts};
use crate::flags::{Common, RunArgs, SweepArgs};
use crate::folder;
use crate::plans;
use crate::progress::Progress;
use crate::stage::{self, Stage, StageSetup};
use crate::summary;
use crate::target::{self, Fitted, Target};
use crate::terminal;

/// Time for requests in flight to end after the first Ctrl-C.
const GRACE: Nanos = Nanos::from_secs(30);

pub(crate) fn sweep(args: &SweepArgs) -> Result<Exit, Fatal> {
    if let Some(dir) = &args.resume {
        return resume(dir, &args.common);
    }
    let mut plan = plans::load(&args.plan)?;
    plan.keep_only(&args.only)?;
    apply_flags(&mut plan, &args.common)?;
    if args.dry_run {
        return dry_run(plan, &args.common);
    }
    start(plan, &args.common)
}

pub(crate) fn run(args: &RunArgs) -> Result<Exit, Fatal> {
    let mut plan = plans::from_flags(args)?;
    apply_flags(&mut plan, &args.common)?;
    start(plan, &args.common)
}

fn apply_flags(plan: &mut SweepPlan, common: &Common) -> Result<(), Fatal> {
    match common.protocol {
        Some(ProtocolKind::Tr113) => {
            plan.protocol = Protocol::tr113();
            plan.topologies = vec![Topology::Shared];
        }
        Some(ProtocolKind::Rigorous) => plan.protocol = Protocol::rigorous(),
        None => {}
    }
    if common.text.no_text {
        plan.keep_text = false;
    }
    if let Some(model) = &common.model {
        plan.model.clone_from(model);
    }
    if let Some(seed) = common.seed {
        plan.seed = seed;
    }
    if let Some(repeats) = common.repeats {
        plan.protocol.repetitions = repeats;
        plan.protocol.repetitions_simulated = repeats;
    }
    Ok(plan.check_arms("the command line")?)
}

fn dry_run(mut plan: SweepPlan, common: &Common) -> Result<Exit, Fatal> {
    let target = target::choose(&common.server, &plan.model)?;
    for note in fit(&mut plan, &target)?.notes {
        say(format_args!("note: {note}"));
    }
    let simulated = !target.is_real();
    let repetitions = plan.repetitions(simulated).get();
    let arms = (1..).zip(plan.expand(repetitions));
    let rows = arms.map(|(number, ArmSpec { run, arm })| {
        vec![
            Cell::count(number),
            Cell::text(run.config.to_string()),
            Cell::text(run.topology.to_string()),
            Cell::count(run.repetition),
            Cell::text(arm.to_string()),
        ]
    });
    let arms = terminal::table(" | <configuration | <servers | repetition | <arm", rows);
    let plan = summary::describe_plan(&plan, repetitions, simulated);
    terminal::write(&format!("{plan}\n{arms}"))?;
    Ok(Exit::Done)
}

fn start(plan: SweepPlan, common: &Common) -> Result<Exit, Fatal> {
    if common.nonce.nonce.is_some() && plan.protocol.cache == CachePolicy::Warm {
        let what =
            "--nonce has no effect: this plan (`cache = \"warm\"`) sends prompts without nonces";
        return Err(Fatal::usage(what).hint("leave --nonce out"));
    }
    let target = target::choose(&common.server, &plan.model)?;
    run_on(target, plan, common, None)
}

/// Adapts the plan to the target's options; refuses a plan that needs more servers than there are.
fn fit(plan: &mut SweepPlan, target: &Target) -> Result<Fitted, Fatal> {
    if target.is_real() {
        let facts = target.found().iter().map(|found| &found.facts);
        let endpoints = facts.map(|facts| (target::under_one_name(&facts.url), &facts.server.kind));
        plan.check_endpoints(endpoints.collect::<BTreeSet<_>>().len())?;
    }
    Ok(target::fit(plan, target.found()))
}

fn resume(dir: &Path, common: &Common) -> Result<Exit, Fatal> {
    let manifest = results::read_manifest(dir).map_err(Fatal::usage)?;
    let common = &restore::flags(dir, &manifest, common)?;
    let why = "it began on the simulator";
    let model = &manifest.plan.model;
    let target = target::again(&manifest.header, &common.server, model, why)?;
    run_on(target, manifest.plan, common, Some(dir))
}

fn run_on(
    target: Target,
    mut plan: SweepPlan,
    common: &Common,
    resume: Option<&Path>,
) -> Result<Exit, Fatal> {
    // A resumed plan was adapted when the sweep began; adapting it again gives the notes to print.
    let fitted = fit(&mut plan, &target)?;
    let progress = Arc::new(Progress::new(common.json));
    let (tokio, runtime) = common.runtime.start(&target, &common.server.http)?;
    tokio.block_on(async {
        let held = resume.map(ResultsDir::resume).transpose()?;
        let point = held.as_ref().and_then(|held| held.resume.as_ref());
        let say = |text: &str| progress.say(text);
        stage::announce(&target, &common.server, &fitted, say);
        if target.is_real() && !common.no_checks {
            let (facts, out) = (PlanFacts::of(&plan), common.out.as_deref());
            checks::before_run(&target, &common.server.http, facts, out, say).await;
        }
        let setup = StageSetup {
            model: &plan.model,
            servers: plan.servers(),
            seed: plan.seed,
            timeouts: plan.timeouts,
            offset: point.map_or(Nanos::ZERO, |point| point.offset),
            runtime,
            fitted,
        };
        let stage = Stage::set(target, &common.server, setup).await?;
        execute(stage, &plan, common, &progress, held).await
    })
}

/// Runs a plan that is adapted to its servers; `held` is the folder of a resumed sweep.
async fn execute(
    stage: Stage,
    plan: &SweepPlan,
    common: &Common,
    progress: &Arc<Progress>,
    held: Option<ResultsDir>,
) -> Result<Exit, Fatal> {
    if held.is_none() {
        if let Some(out) = &common.out {
            folder::refuse_used(out)?;
        }
        let place = common.out.as_deref();
        let place = place.unwrap_or_else(|| Path::new("results"));
        fs::create_dir_all(place).map_err(FolderError::begin(place))?;
    }
    let nonce = stage.nonce(common.nonce.nonce, plan.seed);
    let place = held.as_ref().map(|held| held.dir.as_path());
    let place = place.or(common.out.as_deref());
    let (dir, mut header) = stage.begin(place, &plan.name, &common.server)?;
    header.admission = common.admission;
    if held.is_none() {
        // A resumed sweep keeps its budget.
        header.client_budget = budget::before_run(common.budget, &header).await;
    }
    header.nonce = (plan.protocol.cache == CachePolicy::Nonce).then_some(nonce);
    if let (Some(environment), false) = (&mut header.environment, stage.is_embedded()) {
        let urls: Vec<String> = stage.endpoints.iter().map(|e| e.url.clone()).collect();
        telemetry::describe_devices(environment, stage.gpu.as_ref(), &urls);
    }
    let tables = plan.reads_tables();
    let tables = tables.then(|| restore::tables(common.benchmarks()));
    let manifest = Manifest {
        schema: RESULTS_SCHEMA,
        header,
        runner: "rust-tokio".to_owned(),
        plan_hash: plan.hash(),
        plan: plan.clone(),
        repetitions: plan.repetitions(stage.is_embedded()).get(),
        benchmarks: tables.transpose()?,
    };
    let results = match held {
        Some(held) => {
            held.check_same(&manifest)?;
            held
        }
        None => ResultsDir::create(&dir, manifest)?,
    };
    let shutdown = Shutdown::new(GRACE);
    let on_signal = |level| {
        progress.say(match level {
            ShutdownLevel::Running | ShutdownLevel::Stopping => {
                "Stopping once the requests in flight have ended; Ctrl-C again stops at once."
            }
            ShutdownLevel::Aborted => "Stopping now; the results so far are kept.",
        });
    };
    let setup = SweepSetup {
        results,
        nonce,
        host: !stage.is_embedded(),
        backends: stage.backends,
        clock: stage.clock,
        gpu: stage.gpu,
        observer: Arc::clone(progress) as _,
        admission: common.admission.and_then(|n| n.try_into().ok()),
        benchmarks: common.benchmarks().to_owned(),
        arm_deadline: None,
        dead_arms: runtime::DEFAULT_DEAD_ARMS,
    };
    let summary = tokio::select! {
        summary = run_sweep(setup, shutdown.clone()) => summary.map_err(Fatal::from),
        error = shutdown.on_signal(on_signal) => Err(Fatal::environment(error)),
    };
    progress.finish();
    drop(stage.simulator);
    let summary = summary?;
    summary::print(&dir, &summary, common.json)?;
    Ok(Exit::of_run(summary.interrupted, !summary.is_whole()))
}
