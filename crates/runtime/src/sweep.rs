//! A sweep: every arm of a plan, in order, each recorded as it ends.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use agents::WorkPool;
use clock::Clock;
use domain::backend::ChatBackend;
use domain::event::{Event, Observer};
use domain::plan::{ArmSpec, CachePolicy};
use domain::record::{ARTEFACTS_FOLDER, JournalLine, Manifest, Mark, MarkKind, NonceRoot};
use domain::telemetry::GpuSampler;
use domain::{Nanos, OutcomeCounts, Stamp};
use results::{ResultsDir, ResumePoint};
use telemetry::Sources;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::arm::run_arm;
use crate::book::Book;
use crate::context::SweepContext;
use crate::error::RuntimeError;
use crate::sampling::Telemetry;
use crate::shutdown::Shutdown;
use crate::state::{self, ASK_LIMIT};

/// Arms one after another in which no server could be reached, before a sweep gives up.
pub const DEFAULT_DEAD_ARMS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// What a sweep needs. Plan, repetitions and endpoints' facts are the manifest's, which is in
/// `results`.
pub struct SweepSetup {
    /// The results folder, created or resumed; holds the manifest with the plan.
    pub results: ResultsDir,
    /// Root of the nonces of the prompts that this process sends: another one for each process that
    /// goes on with the sweep, for a server's prompt cache outlives them.
    pub nonce: NonceRoot,
    /// The servers, in the order of the manifest's endpoints.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    /// The sweep's clock. For a resumed sweep it starts at the resume point's offset.
    pub clock: Clock,
    /// Reads the devices; `None` when there are none to read.
    pub gpu: Option<Box<dyn GpuSampler>>,
    /// Sample the host as well, and the servers' processes where they run on it. Leave it off in virtual time, where the host's readings would
    /// stand at moments that have nothing to do with it.
    pub host: bool,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Most requests in flight at once, over all agents; `None` for no limit.
    pub admission: Option<NonZeroUsize>,
    /// Folder of CSV files that agents with the `full` workflow read.
    pub benchmarks: PathBuf,
    /// Most clock time one arm may take; its requests are then cancelled. `None` leaves it to the
    /// plan's limits on each request.
    pub arm_deadline: Option<Nanos>,
    /// Arms one after another in which no server could be reached, before the sweep stops.
    pub dead_arms: NonZeroU32,
}

impl fmt::Debug for SweepSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweepSetup")
            .field("results", &self.results)
            .field("nonce", &self.nonce)
            .field("backends", &self.backends)
            .field("clock", &self.clock)
            .field("gpu", &self.gpu.is_some())
            .field("host", &self.host)
            .field("admission", &self.admission)
            .field("benchmarks", &self.benchmarks)
            .field("arm_deadline", &self.arm_deadline)
            .field("dead_arms", &self.dead_arms)
            .finish_non_exhaustive()
    }
}

/// How a sweep went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepSummary {
    /// Arms of the plan.
    pub arms: usize,
    /// Arms that were complete before this process began.
    pub already_complete: usize,
    /// Arms this process completed.
    pub completed: usize,
    /// Arms this process began and could not complete.
    pub not_completed: usize,
    /// Main requests of this process, by outcome.
    pub requests: OutcomeCounts,
    /// Steps of agents that failed in this process, apart from requests: an artefact that could not be
    /// written, tables that could not be read.
    pub failed_steps: u32,
    /// Somebody stopped it.
    pub interrupted: bool,
    /// Clock time this process took.
    pub took: Nanos,
    /// What the user should know, in words; each was an event as well.
    pub warnings: Vec<String>,
}

impl SweepSummary {
    /// Every arm of the plan is complete, and in this process every request completed and no step
    /// failed.
    pub fn is_whole(&self) -> bool {
        self.is_complete() && self.requests.not_completed() == 0 && self.failed_steps == 0
    }

    /// Every arm of the plan is complete.
    pub fn is_complete(&self) -> bool {
        self.already_complete + self.completed == self.arms
    }
}

/// Runs what is left of the plan, arm by arm, and returns when it is done, stopped or stuck.
///
/// A failed request is a record and the sweep goes on. Errors are what keeps it from recording
/// anything: a results folder that cannot be written, servers that cannot be reached for
/// `dead_arms` arms one after another, a model that a server does not have. What was recorded
/// before an error stays, and [`ResultsDir::resume`] goes on from there.
pub async fn run_sweep(
    setup: SweepSetup,
    shutdown: Shutdown,
) -> Result<SweepSummary, RuntimeError> {
    let clock = setup.clock.clone();
    let after_grace = async {
        shutdown.stopping().cancelled().await;
        clock.sleep(shutdown.grace()).await;
        shutdown.abort();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        result = sweep(setup, &shutdown) => result,
        () = after_grace => unreachable!("it never ends"),
    }
}

async fn sweep(setup: SweepSetup, shutdown: &Shutdown) -> Result<SweepSummary, RuntimeError> {
    let SweepSetup {
        results,
        nonce,
        backends,
        clock,
        gpu,
        host,
        observer,
        admission,
        benchmarks,
        arm_deadline,
        dead_arms,
    } = setup;
    let ResultsDir {
        dir,
        manifest,
        resume,
        journal,
        lock: _lock,
    } = results;
    check_setup(&manifest, &backends)?;
    if manifest.plan.reads_tables() {
        agents::read_tables(&benchmarks).map_err(|source| RuntimeError::Benchmarks { source })?;
    }

    let endpoints = manifest.header.endpoints;
    let servers = endpoints.iter().map(|e| e.url.clone()).collect();
    let plan = Arc::new(manifest.plan);
    let stop = shutdown.stopping().child_token();
    let abort = shutdown.aborted().child_token();
    let unwritable = CancellationToken::new();
    let book = Arc::new(Book::new(journal, unwritable.clone())?);
    let permits = admission.map(|limit| Arc::new(Semaphore::new(limit.get())));
    let backends = backends
        .into_iter()
        .map(|inner| {
            Arc::new(Admitted {
                inner,
                permits: permits.clone(),
                clock: clock.clone(),
                total: plan.timeouts.total,
                stop: stop.clone(),
            }) as Arc<dyn ChatBackend>
        })
        .collect();
    let resumed = resume.is_some();
    let ResumePoint {
        offset,
        complete,
        mut attempts,
        probed,
        warnings,
    } = resume.unwrap_or_default();
    let now = clock.now().since(Stamp::ZERO);
    if now < offset {
        return Err(RuntimeError::ClockBehind { now, offset });
    }
    let mut context = SweepContext {
        artefacts: dir.join(ARTEFACTS_FOLDER),
        plan: Arc::clone(&plan),
        nonce,
        backends,
        endpoints,
        clock: clock.clone(),
        book: Arc::clone(&book),
        observer: Arc::clone(&observer),
        stop: stop.clone(),
        abort: abort.clone(),
        pool: WorkPool::beside_the_network(&clock),
        benchmarks,
        arm_deadline,
        probed,
    };
    let mut told = Told {
        observer: Arc::clone(&observer),
        warnings: Vec::new(),
    };
    for warning in warnings {
        told.warn(warning);
    }
    check_model(&context, &mut told).await?;
    for note in state::warm_up(&context).await {
        told.warn(note);
    }

    let all = plan.expand(manifest.repetitions);
    let arms = all.len();
    let todo: Vec<ArmSpec> = all
        .into_iter()
        .filter(|spec| !complete.contains(&(spec.run.clone(), spec.arm)))
        .collect();
    let began = clock.now();
    observer.on_event(&Event::SweepStarted {
        arms: todo.len(),
        already_complete: arms - todo.len(),
    });
    let unique = plan.protocol.cache == CachePolicy::Nonce;
    let mark = |what, note: &str| {
        let begins = matches!(what, MarkKind::Started | MarkKind::Resumed);
        book.append(JournalLine::Mark(Mark {
            at: clock.now(),
            what,
            note: note.to_owned(),
            nonce: (begins && unique).then_some(nonce),
        }));
    };
    mark(
        if resumed {
            MarkKind::Resumed
        } else {
            MarkKind::Started
        },
        "",
    );
    let mut summary = SweepSummary {
        arms,
        already_complete: arms - todo.len(),
        completed: 0,
        not_completed: 0,
        requests: OutcomeCounts::default(),
        failed_steps: 0,
        interrupted: false,
        took: Nanos::ZERO,
        warnings: Vec::new(),
    };
    let sources = Sources {
        gpu,
        host,
        servers: if host { servers } else { Vec::new() },
    };
    let sampling = Telemetry::start(&dir, &clock, plan.telemetry_hz, sources, &book)?;
    let mut dead_in_a_row = 0;
    let mut arms_with_help = 0;
    let mut known_changes = Vec::new();
    let mut stuck = None;
    for spec in &todo {
        // No server is asked for anything while a folder takes no records.
        book.settle();
        if stop.is_cancelled() || unwritable.is_cancelled() {
            break;
        }
        let config = plan
            .configs
            .iter()
            .find(|config| config.id == spec.run.config)
            .expect("arms are expanded from these configurations");
        let attempt = attempts.entry((spec.run.clone(), spec.arm)).or_default();
        *attempt += 1;
        let attempt = *attempt;
        let end = tokio::select! {
            biased;
            end = run_arm(&mut context, spec, config, attempt) => end,
            // The journal takes no rows any more, so the arm's tasks are dropped as they stand.
            () = unwritable.cancelled() => None,
        };
        let Some(end) = end else { break };
        if end.complete {
            summary.completed += 1;
        } else {
            summary.not_completed += 1;
        }
        if let Some(warning) = end.cache.warning().filter(|_| unique) {
            arms_with_help += 1;
            // The first arm tells what it is; how many there were is told at the end.
            if arms_with_help == 1 {
                told.warn(format!(
                    "{} ({}, repetition {}, {}): {warning}",
                    spec.run.config, spec.run.topology, spec.run.repetition, spec.arm
                ));
            }
        }
        for changed in end.changed_servers {
            if known_changes.contains(&changed) {
                continue;
            }
            let before = &context.endpoints[changed.endpoint as usize];
            told.warn(format!(
                "{} was {} {} when the sweep began and is {} {} after {} ({}, repetition {}, {}): what came \
                 before and after cannot be compared",
                before.url,
                before.server.kind,
                before.server.version,
                changed.server.kind,
                changed.server.version,
                spec.run.config,
                spec.run.topology,
                spec.run.repetition,
                spec.arm
            ));
            known_changes.push(changed);
        }
        match end.dead {
            None => dead_in_a_row = 0,
            Some(last) => {
                dead_in_a_row += 1;
                told.warn(format!(
                    "{} ({}, repetition {}, {}): no server could be reached: {last}",
                    spec.run.config, spec.run.topology, spec.run.repetition, spec.arm
                ));
                if dead_in_a_row >= dead_arms.get() {
                    stuck = Some(RuntimeError::Unreachable {
                        arms: dead_in_a_row,
                        last,
                    });
                    break;
                }
            }
        }
    }
    if let Some(problem) = sampling.stop().await {
        told.warn(problem);
    }
    if arms_with_help > 1 {
        told.warn(format!(
            "a prompt cache helped, or may have, in {arms_with_help} arms"
        ));
    }
    book.check()?;
    summary.requests = book.counts();
    summary.failed_steps = book.failed_steps();
    summary.took = clock.now().since(began);
    if let Some(e) = &stuck {
        mark(MarkKind::Interrupted, &e.to_string());
    } else if summary.is_complete() {
        mark(MarkKind::Finished, "");
    } else if stop.is_cancelled() {
        summary.interrupted = true;
        mark(MarkKind::Interrupted, "");
    }
    book.sync();
    book.check()?;
    summary.warnings = told.warnings;
    stuck.map_or(Ok(summary), Err)
}

/// What the user should know: told at once and kept for the summary.
struct Told {
    observer: Arc<dyn Observer>,
    warnings: Vec<String>,
}

impl Told {
    fn warn(&mut self, text: String) {
        tracing::warn!("{text}");
        self.observer.on_event(&Event::Warning(text.clone()));
        self.warnings.push(text);
    }
}

fn check_setup(manifest: &Manifest, backends: &[Arc<dyn ChatBackend>]) -> Result<(), RuntimeError> {
    if backends.is_empty() {
        return Err(RuntimeError::NoEndpoint);
    }
    if manifest.header.endpoints.len() != backends.len() {
        return Err(RuntimeError::EndpointCount {
            listed: manifest.header.endpoints.len(),
            given: backends.len(),
        });
    }
    manifest.plan.check_endpoints(backends.len())?;
    match manifest
        .plan
        .configs
        .iter()
        .find(|config| config.agents.is_empty())
    {
        Some(config) => Err(RuntimeError::NoAgents {
            config: config.id.to_string(),
        }),
        None => Ok(()),
    }
}

/// A server without the model fails every request, so it is better said before the first. One that
/// cannot be asked may be there in time.
async fn check_model(context: &SweepContext, told: &mut Told) -> Result<(), RuntimeError> {
    for backend in &context.backends {
        let model = &context.plan.model;
        let asked = tokio::select! {
            biased;
            () = context.stop.cancelled() => return Ok(()),
            asked = context.clock.timeout(ASK_LIMIT, backend.find_model(model)) => asked,
        };
        match asked {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => {
                return Err(RuntimeError::ModelNotFound {
                    endpoint: backend.endpoint(),
                    model: model.clone(),
                });
            }
            Ok(Err(e)) => told.warn(format!("could not ask for the model {model}: {e}")),
            Err(clock::Elapsed) => told.warn(format!(
                "{} did not say within {ASK_LIMIT} whether it has the model {model}",
                backend.endpoint()
            )),
        }
    }
    Ok(())
}
