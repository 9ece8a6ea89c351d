//! One level: so many agents in a closed loop, looked at until their limits can be judged or the
//! budget is used up.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use domain::Nanos;
use domain::exit::Fatal;
use domain::hash::derive;
use domain::plan::CachePolicy;
use domain::record::capacity::{CapacityRecord, Decision, LevelEnd, Phase, Probe, Window};
use domain::record::load::{ClientCost, LOAD_SCHEMA, LoadFile, LoadResult, REQUESTS_FILE, Shape};
use domain::record::{NonceRoot, RequestRecord, RunHeader};
use domain::{ModelOptions, Stamp};
use indicatif::ProgressBar;
use metrics::capacity::{
    self, LevelFigures, Objective, Rule, Sample, Watch, Watched, steady_window,
};
use metrics::load::Collected;
use results::FolderError;
use runtime::load::{LoadEnd, LoadPlan, LoadSetup, LoadShape, OnRecord, run_load};
use runtime::{Shutdown, ShutdownLevel};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Running;
use super::show::Progress;
use crate::folder;
use crate::rows::{self, Rows};
use crate::stage::Stage;

/// What requests in flight get to end in once a level is over. They belong to it all the same:
/// their tokens arrived while it was steady.
const GRACE: Nanos = Nanos::from_secs(60);

/// Requests planned for an agent: more than any budget, so that none ever has nothing to do.
const ENDLESS: u32 = 1 << 20;

/// A level, run.
pub(super) struct Level {
    pub(super) probe: Probe,
    pub(super) figures: Option<LevelFigures>,
}

/// What looking at a level led to.
struct Looked {
    records: Vec<RequestRecord>,
    looks: Vec<u32>,
    end: LevelEnd,
    /// The look that decided it.
    decided: Option<(Window, Decision)>,
    /// When nothing new began any more, if it was not decided.
    stopped: Stamp,
}

/// What all levels of a run share.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) stage: &'a Stage,
    /// Root of this process's nonces.
    pub(super) nonce: NonceRoot,
    pub(super) record: &'a CapacityRecord,
    pub(super) objective: &'a Objective,
    /// What is asked.
    pub(super) prompt: &'a str,
    pub(super) running: &'a Running,
    pub(super) progress: &'a Progress,
}

/// Runs a level and judges it. `others` are the levels before it.
pub(super) async fn run(
    ground: Ground<'_>,
    (agents, phase): (NonZeroU32, Phase),
    dir: &Path,
    others: &[LevelFigures],
) -> Result<Level, Fatal> {
    let Ground { stage, record, .. } = ground;
    let plan = plan(ground, agents);
    let mut file = load_file(record, &plan, agents.get());
    let stop = Shutdown::new(GRACE);
    let opened = rows::create(dir, &file)?;
    let (rows, keep) = Rows::start(Some(opened), None, ProgressBar::hidden(), stop.clone())?;
    let (tell, heard) = unbounded_channel();
    let on_record: OnRecord = Arc::new(move |row: RequestRecord| {
        // Whoever listens ends with the level, after the last sender only.
        let _ = tell.send(row.clone());
        keep(row);
    });
    ground.running.level(&stop);
    ground.progress.started(agents.get());
    let setup = LoadSetup {
        backlog: Some(Arc::clone(&rows.backlog)),
        ..LoadSetup::new(plan, stage.backends.clone(), stage.clock.clone(), on_record)
    };
    let (end, looked) = tokio::join!(
        run_load(setup, &stop),
        look(ground, agents.get(), heard, &stop)
    );
    let end = end?;
    let level = judge(ground, (agents.get(), phase), dir, &looked, others);
    let written = rows.finish()?.written;
    written.map_err(FolderError::write(&dir.join(REQUESTS_FILE)))?;
    file.result = Some(result(&looked.records, &end));
    results::load::write(dir, &file)?;
    Ok(level)
}

fn plan(ground: Ground<'_>, agents: NonZeroU32) -> LoadPlan {
    let Ground { record, nonce, .. } = ground;
    let asked = &record.asked;
    let shape = LoadShape::Closed {
        agents,
        think: Nanos::from_secs_f64(asked.think_s),
    };
    let requests = agents.get().saturating_mul(ENDLESS);
    let of_level = |root: u64| {
        derive(&[
            "capacity",
            &root.to_string(),
            &record.probes.len().to_string(),
            &agents.to_string(),
        ])
    };
    LoadPlan {
        cache: if asked.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        },
        options: ModelOptions {
            num_predict: Some(asked.num_predict),
            ..ModelOptions::default()
        },
        seed: of_level(asked.seed),
        // A level must not find its prompts in the cache that another one left.
        nonce: NonceRoot::new(of_level(nonce.value())),
        ..LoadPlan::new(shape, requests, &asked.model, ground.prompt)
    }
}

fn load_file(record: &CapacityRecord, plan: &LoadPlan, agents: u32) -> LoadFile {
    LoadFile {
        schema: LOAD_SCHEMA,
        // The run's own file says what the client ran on and where.
        header: RunHeader {
            name: format!("{}, {agents} agents", record.header.name),
            runtime: None,
            client_budget: None,
            environment: None,
            nonce: (plan.cache == CachePolicy::Nonce).then_some(plan.nonce),
            ..record.header.clone()
        },
        asked: domain::record::load::Asked {
            model: plan.model.clone(),
            shape: Shape::Closed {
                agents,
                think_s: record.asked.think_s,
            },
            requests: plan.requests,
            num_predict: record.asked.num_predict,
            seed: plan.seed,
            same_prompt: record.asked.same_prompt,
            turns: None,
            work: None,
            timeouts: None,
            slo: None,
        },
        result: None,
    }
}

/// Takes the records as they come and stops the level when it can be judged, when its budget is used
/// up, or when somebody stops the run.
async fn look(
    ground: Ground<'_>,
    agents: u32,
    mut heard: UnboundedReceiver<RequestRecord>,
    stop: &Shutdown,
) -> Looked {
    let asked = &ground.record.asked;
    let mut watch = Watch::new(asked, ground.objective, agents);
    let mut out = Looked {
        records: Vec::new(),
        looks: Vec::new(),
        end: LevelEnd::Budget,
        decided: None,
        stopped: Stamp(u64::MAX),
    };
    let time_is_up = async {
        match asked.budget.time_per_level_s {
            Some(s) => ground.stage.clock.sleep(Nanos::from_secs_f64(s)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_is_up);
    let mut timed = false;
    loop {
        let row = tokio::select! {
            biased;
            row = heard.recv() => row,
            () = &mut time_is_up, if !timed => {
                timed = true;
                if stop.level() == ShutdownLevel::Running {
                    out.stopped = ground.stage.clock.now();
                    stop.stop();
                }
                continue;
            }
        };
        let Some(row) = row else { break };
        out.records.push(row);
        ground.progress.heard(out.records.len());
        if stop.level() != ShutdownLevel::Running {
            continue;
        }
        match watch.see(&out.records) {
            Watched::On => {}
            Watched::Decided(window, decision) => {
                out.end = LevelEnd::Decided;
                out.decided = Some((window, decision));
                stop.stop();
            }
            Watched::Budget => {
                out.stopped = ground.stage.clock.now();
                stop.stop();
            }
        }
    }
    out.looks = watch.looks().to_vec();
    if ground.running.interrupted() && out.decided.is_none() {
        out.end = LevelEnd::Interrupted;
    }
    out
}

fn judge(
    ground: Ground<'_>,
    (agents, phase): (u32, Phase),
    dir: &Path,
    looked: &Looked,
    others: &[LevelFigures],
) -> Level {
    let (asked, objective) = (&ground.record.asked, ground.objective);
    let rule = Rule { error: asked.error };
    let (window, decision) = if let Some((window, decision)) = &looked.decided {
        (Some(*window), decision.clone())
    } else {
        let think = Nanos::from_secs_f64(asked.think_s);
        let stopped = Some(looked.stopped).filter(|at| *at < Stamp(u64::MAX));
        let window = steady_window(&looked.records, agents, asked.warmup, think, stopped);
        let decision = window.map_or_else(Decision::unknown, |window| {
            let sample = Sample::of(&looked.records, window);
            rule.judge(&sample, objective, &looked.looks)
        });
        (window, decision)
    };
    let figures = window.map(|w| LevelFigures::of(&looked.records, agents, w, objective));
    Level {
        probe: capacity::probe(
            folder::name_of(dir, ""),
            (agents, phase, looked.end),
            looked.looks.clone(),
            decision,
            figures.as_ref(),
            others,
            asked.max_failed,
        ),
        figures,
    }
}

/// All records of the level, warm-up and all: the folder's own figures.
fn result(records: &[RequestRecord], end: &LoadEnd) -> LoadResult {
    let mut collected = Collected::new(None);
    for record in records {
        collected.add(record);
    }
    LoadResult {
        // A level has as many requests as it takes: it is whole when it is judged.
        interrupted: false,
        not_begun: 0,
        peak_in_flight: end.peak_in_flight,
        warmed: None,
        figures: collected.figures(),
        client: ClientCost::default(),
    }
}
