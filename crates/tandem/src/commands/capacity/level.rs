//! One level: a number of agents in a closed loop, until the limits can be judged or the budget is used up.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use domain::Nanos;
use domain::exit::Fatal;
use domain::hash::derive;
use domain::plan::CachePolicy;
use domain::record::capacity::{CapacityRecord, Decision, LevelEnd, LevelRecord, Phase, Window};
use domain::record::load::{ClientCost, LOAD_SCHEMA, LoadFile, LoadResult, REQUESTS_FILE};
use domain::record::{NonceRoot, RequestRecord, RunHeader};
use domain::{ModelOptions, Stamp};
use indicatif::ProgressBar;
use metrics::capacity::{
    self, LevelFigures, Objective, Rule, Sample, Watch, Watched, steady_window,
};
use results::FolderError;
use runtime::load::{LoadPlan, LoadSetup, LoadShape, OnRecord, run_load};
use runtime::{Shutdown, ShutdownLevel};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::show::Progress;
use crate::folder;
use crate::rows::{self, Rows};
use crate::stage::Stage;

/// Time for requests in flight to end after a level; they count, as their tokens arrived under steady load.
const GRACE: Nanos = Nanos::from_secs(60);

/// Requests planned for each agent: more than any budget, so that no agent is ever idle.
const ENDLESS: u32 = 1 << 20;

/// What a level came to: its record, and its figures if it was ever steady.
pub(super) type LevelResult = (LevelRecord, Option<LevelFigures>);

#[derive(Default)]
struct Observed {
    records: Vec<RequestRecord>,
    looks: Vec<u32>,
    /// The window and the decision of the last look, if it decided.
    decided: Option<(Window, Decision)>,
    /// When the level was stopped undecided.
    stopped: Option<Stamp>,
}

#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) agents: NonZeroU32,
    pub(super) phase: Phase,
    /// The level's own folder.
    pub(super) dir: &'a Path,
    pub(super) stage: &'a Stage,
    /// Seed of this process's nonces.
    pub(super) nonce: NonceRoot,
    pub(super) record: &'a CapacityRecord,
    /// The levels before it.
    pub(super) others: &'a [LevelFigures],
    pub(super) objective: &'a Objective,
    pub(super) prompt: &'a str,
    /// Stops the whole run.
    pub(super) stop: &'a Shutdown,
    pub(super) progress: &'a Progress,
}

impl Level<'_> {
    /// Runs the level and judges it.
    pub(super) async fn run(self) -> Result<LevelResult, Fatal> {
        let (agents, dir, stage, record) = (self.agents, self.dir, self.stage, self.record);
        let plan = self.plan();
        let mut file = LoadFile {
            schema: LOAD_SCHEMA,
            // The run's own file has runtime, budget and environment.
            header: RunHeader {
                name: format!("{}, {agents} agents", record.header.name),
                runtime: None,
                client_budget: None,
                environment: None,
                nonce: (plan.cache == CachePolicy::Nonce).then_some(plan.nonce),
                ..record.header.clone()
            },
            asked: rows::asked(&plan, NonZeroU32::MIN),
            result: None,
        };
        let stop = Shutdown::new(GRACE);
        let opened = rows::create(dir, &file)?;
        let (rows, keep) = Rows::start(Some(opened), None, ProgressBar::hidden(), stop.clone())?;
        let (sender, rows_in) = unbounded_channel();
        let on_record: OnRecord = Arc::new(move |row: RequestRecord| {
            // The receiver is dropped after the last sender.
            let _ = sender.send(row.clone());
            keep(row);
        });
        self.progress.started(agents.get());
        let setup = LoadSetup {
            backlog: Some(Arc::clone(&rows.backlog)),
            ..LoadSetup::new(plan, stage.backends.clone(), stage.clock.clone(), on_record)
        };
        let observed = self.observe(rows_in, &stop);
        let (end, observed) = tokio::join!(run_load(setup, &stop), observed);
        let end = end?;
        let outcome = self.judge(&observed);
        let kept = rows.finish()?;
        let rows_file = dir.join(REQUESTS_FILE);
        kept.written.map_err(FolderError::write(&rows_file))?;
        // All records of the level, including the warm-up. A level has no fixed number of requests: it is complete when
        // it is judged.
        file.result = Some(LoadResult {
            interrupted: false,
            not_begun: 0,
            peak_in_flight: end.peak_in_flight,
            warmed: None,
            figures: kept.collected.figures(),
            client: ClientCost::default(),
        });
        results::load::write(dir, &file)?;
        Ok(outcome)
    }

    fn plan(&self) -> LoadPlan {
        let (agents, record) = (self.agents, self.record);
        let asked = &record.asked;
        let shape = LoadShape::Closed {
            agents,
            think: Nanos::from_secs_f64(asked.think_s),
        };
        let requests = agents.get().saturating_mul(ENDLESS);
        let (number, count) = (record.probes.len().to_string(), agents.to_string());
        let of_level = |root: u64| derive(&["capacity", &root.to_string(), &number, &count]);
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
            // No level may find its prompts in the server's cache.
            nonce: NonceRoot::new(of_level(self.nonce.value())),
            ..LoadPlan::new(shape, requests, &asked.model, self.prompt)
        }
    }

    /// Collects the records and stops the level when it can be judged or its budget is used up.
    async fn observe(
        &self,
        mut rows_in: UnboundedReceiver<RequestRecord>,
        stop: &Shutdown,
    ) -> Observed {
        let (asked, clock) = (&self.record.asked, &self.stage.clock);
        let mut watch = Watch::new(asked, self.objective, self.agents.get());
        let mut out = Observed::default();
        let limit = asked.budget.time_per_level_s.map(Nanos::from_secs_f64);
        let time_is_up = async {
            match limit {
                Some(limit) => clock.sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time_is_up);
        let (mut timed, mut interrupted) = (false, false);
        loop {
            let row = tokio::select! {
                biased;
                () = self.stop.stopping().cancelled(), if !interrupted => {
                    interrupted = true;
                    stop.abort();
                    continue;
                }
                row = rows_in.recv() => row,
                () = &mut time_is_up, if !timed => {
                    timed = true;
                    if stop.level() == ShutdownLevel::Running {
                        out.stopped = Some(clock.now());
                        stop.stop();
                    }
                    continue;
                }
            };
            let Some(row) = row else { break };
            out.records.push(row);
            self.progress.heard(out.records.len());
            if stop.level() != ShutdownLevel::Running {
                continue;
            }
            match watch.see(&out.records) {
                Watched::On => {}
                Watched::Decided(window, decision) => {
                    out.decided = Some((window, decision));
                    stop.stop();
                }
                Watched::Budget => {
                    out.stopped = Some(clock.now());
                    stop.stop();
                }
            }
        }
        out.looks = watch.looks().to_vec();
        out
    }

    fn judge(&self, observed: &Observed) -> LevelResult {
        let (asked, objective) = (&self.record.asked, self.objective);
        let agents = self.agents.get();
        let error_probability = asked.error_probability;
        let rule = Rule { error_probability };
        let (window, decision) = if let Some((window, decision)) = &observed.decided {
            (Some(*window), decision.clone())
        } else {
            let think = Nanos::from_secs_f64(asked.think_s);
            let records = &observed.records;
            let window = steady_window(records, agents, asked.warmup, think, observed.stopped);
            let decision = window.map_or_else(Decision::default, |window| {
                let sample = Sample::of(records, window);
                rule.judge(&sample, objective, &observed.looks)
            });
            (window, decision)
        };
        let end = if observed.decided.is_some() {
            LevelEnd::Decided
        } else if self.stop.level() > ShutdownLevel::Running {
            LevelEnd::Interrupted
        } else {
            LevelEnd::Budget
        };
        let figures = window.map(|w| LevelFigures::of(&observed.records, agents, w, objective));
        let record = capacity::probe(
            folder::name_of(self.dir, ""),
            (agents, self.phase, end),
            observed.looks.clone(),
            decision,
            figures.as_ref(),
            self.others,
            asked.max_failed_share,
        );
        (record, figures)
    }
}
