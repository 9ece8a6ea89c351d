//! A sweep: every arm of a plan, in order, each recorded as it ends.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use agents::WorkPool;
use clock::Clock;
use domain::backend::ChatBackend;
use domain::event::{Event, Observer};
use domain::plan::CachePolicy;
use domain::record::{ARTEFACTS_FOLDER, JournalLine, Manifest, Mark, MarkKind, NonceRoot};
use domain::telemetry::Gpus;
use domain::{Nanos, OutcomeCounts, Stamp};
use results::{ResultsDir, ResumePoint};
use telemetry::Sources;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::arm::{ArmAttempt, run_arm};
use crate::context::SweepContext;
use crate::error::RuntimeError;
use crate::journal::Journal;
use crate::sampling;
use crate::shutdown::{Shutdown, unless};
use crate::state::{self, ASK_LIMIT};

/// Default of [`SweepSetup::dead_arms`].
pub const DEFAULT_DEAD_ARMS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// What a sweep needs. The plan, the repetitions and the endpoints are in the manifest of `results`.
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct SweepSetup {
    /// The results folder, created or resumed.
    pub results: ResultsDir,
    /// Root of the nonces of the prompts that this process sends. Each process that resumes the sweep has a
    /// new one, because the prompt cache of a server outlives the process.
    pub nonce: NonceRoot,
    /// The servers, in the order of the manifest's endpoints.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    /// The sweep's clock. In a resumed sweep it starts at the offset of the resume point.
    pub clock: Clock,
    /// The GPUs to read; `None` without any.
    pub gpu: Option<Gpus>,
    /// Whether the host, and the servers' processes on it, are sampled as well. Use `false` in virtual time,
    /// whose moments have nothing to do with the host.
    pub host: bool,
    pub observer: Arc<dyn Observer>,
    /// Most requests in flight at once over all agents; `None` for no limit.
    pub admission: Option<NonZeroUsize>,
    /// Folder of the CSV files that agents with the `full` workflow read.
    pub benchmarks: PathBuf,
    /// Time limit of an arm, after which its requests are cancelled; `None` for no limit.
    pub arm_deadline: Option<Nanos>,
    /// Consecutive arms in which no server could be reached after which the sweep stops.
    pub dead_arms: NonZeroU32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepSummary {
    pub arms: usize,
    /// Arms that were complete before this process started.
    pub already_complete: usize,
    /// Arms that this process completed.
    pub completed: usize,
    /// Arms that this process started and could not complete.
    pub not_completed: usize,
    /// Main requests of this process, by outcome.
    pub requests: OutcomeCounts,
    /// Steps of agents, other than requests, that failed in this process: an artefact could not be written,
    /// or tables could not be read.
    pub failed_steps: u32,
    /// Whether it was stopped by the user.
    pub interrupted: bool,
    /// Time that this process took, on the sweep's clock.
    pub took: Nanos,
}

impl SweepSummary {
    /// True if every arm of the plan is complete, and in this process every request completed and no step failed.
    pub fn is_whole(&self) -> bool {
        self.is_complete() && self.requests.not_completed() == 0 && self.failed_steps == 0
    }

    pub fn is_complete(&self) -> bool {
        self.already_complete + self.completed == self.arms
    }
}

/// Runs the arms of the plan that are not complete, one after another.
///
/// A failed request is a record, and the sweep continues. Fails when nothing can be recorded: the results folder cannot
/// be written, the setup contradicts the plan or the manifest, a server does not have the model, or no server could be
/// reached in `dead_arms` consecutive arms. Earlier records are kept, and [`ResultsDir::resume`] continues from them.
pub async fn run_sweep(
    setup: SweepSetup,
    shutdown: Shutdown,
) -> Result<SweepSummary, RuntimeError> {
    let clock = setup.clock.clone();
    let plan = &setup.results.manifest.plan;
    let span = tracing::info_span!("sweep", plan = plan.name, model = plan.model);
    // A large future, which callers would copy about.
    let sweep = Box::pin(sweep(setup, &shutdown).instrument(span));
    tokio::select! {
        biased;
        result = sweep => result,
        never = shutdown.abort_after_grace(&clock) => match never {},
    }
}

async fn sweep(setup: SweepSetup, shutdown: &Shutdown) -> Result<SweepSummary, RuntimeError> {
    let ResultsDir {
        dir,
        manifest,
        resume,
        journal,
        lock: _lock,
    } = setup.results;
    let clock = setup.clock;
    check_setup(&manifest, &setup.backends)?;
    if manifest.plan.reads_tables() {
        agents::read_tables(&setup.benchmarks).map_err(RuntimeError::Benchmarks)?;
    }

    let endpoints = manifest.header.endpoints;
    let servers = endpoints.iter().map(|e| e.url.clone()).collect();
    let plan = Arc::new(manifest.plan);
    let stop = shutdown.stopping().child_token();
    let unwritable = CancellationToken::new();
    let journal = Arc::new(Journal::new(journal, unwritable.clone())?);
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
    let permits = setup.admission.map(|most| Semaphore::new(most.get()));
    let mut context = SweepContext {
        artefacts: dir.join(ARTEFACTS_FOLDER),
        plan: Arc::clone(&plan),
        nonce: setup.nonce,
        backends: setup.backends,
        permits: permits.map(Arc::new),
        endpoints,
        clock: clock.clone(),
        journal: Arc::clone(&journal),
        observer: setup.observer,
        stop: stop.clone(),
        abort: shutdown.aborted().child_token(),
        pool: WorkPool::for_clock(&clock),
        benchmarks: setup.benchmarks,
        arm_deadline: setup.arm_deadline,
        probed,
    };
    context.warn_each(warnings);
    check_model(&context).await?;
    context.warn_each(state::warm_up(&context).await);

    let mut todo = plan.expand(manifest.repetitions);
    let arms = todo.len();
    todo.retain(|spec| !complete.contains(spec));
    let began = clock.now();
    context.observer.on_event(&Event::SweepStarted {
        arms: todo.len(),
        already_complete: arms - todo.len(),
    });
    let unique = plan.protocol.cache == CachePolicy::Nonce;
    let mark = |what, note: &str| {
        let begins = matches!(what, MarkKind::Started | MarkKind::Resumed);
        journal.append(JournalLine::Mark(Mark {
            at: clock.now(),
            what,
            note: note.to_owned(),
            nonce: (begins && unique).then_some(setup.nonce),
        }));
    };
    let started = [MarkKind::Started, MarkKind::Resumed][usize::from(resumed)];
    mark(started, "");
    let mut summary = SweepSummary {
        arms,
        already_complete: arms - todo.len(),
        ..SweepSummary::default()
    };
    let sources = Sources {
        gpu: setup.gpu,
        host: setup.host,
        servers: if setup.host { servers } else { Vec::new() },
    };
    let telemetry = sampling::start(&dir, &clock, plan.telemetry_hz, sources, &journal)?;
    let mut dead_in_a_row = 0;
    let mut arms_with_help = 0;
    let mut known_changes = Vec::new();
    let mut stuck = None;
    for spec in &todo {
        // Send nothing to a server while records cannot be written.
        journal.settle();
        if stop.is_cancelled() || unwritable.is_cancelled() {
            break;
        }
        let config = plan.configs.iter().find(|c| c.id == spec.run.config);
        let config = config.expect("arms are expanded from these configurations");
        let attempt = attempts.entry(spec.clone()).or_default();
        *attempt += 1;
        let attempt = ArmAttempt {
            spec,
            config,
            number: *attempt,
        };
        // When the journal takes no more lines, the tasks of the arm are dropped.
        let end = unless(&unwritable, run_arm(&mut context, attempt)).await;
        let Some(end) = end.flatten() else { break };
        if end.record.complete {
            summary.completed += 1;
        } else {
            summary.not_completed += 1;
        }
        if let Some(warning) = end.cache.warning().filter(|_| unique) {
            arms_with_help += 1;
            // Warn once with the details; the number of arms follows at the end.
            if arms_with_help == 1 {
                context.warn(format!("{spec}: {warning}"));
            }
        }
        for changed in end.record.changed_servers {
            if known_changes.contains(&changed) {
                continue;
            }
            let endpoint = &context.endpoints[changed.endpoint as usize];
            let (before, now) = (&endpoint.server, &changed.server);
            context.warn(format!(
                "{} was {} {} when the sweep began and is {} {} after {spec}: results from before and after the \
                 change cannot be compared",
                endpoint.url, before.kind, before.version, now.kind, now.version
            ));
            known_changes.push(changed);
        }
        match end.dead {
            None => dead_in_a_row = 0,
            Some(last) => {
                dead_in_a_row += 1;
                context.warn(format!("{spec}: no server could be reached: {last}"));
                if dead_in_a_row >= setup.dead_arms.get() {
                    stuck = Some(RuntimeError::Unreachable {
                        arms: dead_in_a_row,
                        last,
                    });
                    break;
                }
            }
        }
    }
    if let Some(telemetry) = telemetry {
        context.warn_each(sampling::warning(telemetry.stop().await));
    }
    if arms_with_help > 1 {
        context.warn(format!(
            "a prompt cache helped, or may have, in {arms_with_help} arms"
        ));
    }
    journal.check()?;
    summary.requests = journal.counts();
    summary.failed_steps = journal.failed_steps();
    summary.took = clock.now().since(began);
    if let Some(e) = &stuck {
        mark(MarkKind::Interrupted, &e.to_string());
    } else if summary.is_complete() {
        mark(MarkKind::Finished, "");
    } else if stop.is_cancelled() {
        summary.interrupted = true;
        mark(MarkKind::Interrupted, "");
    }
    journal.sync();
    journal.check()?;
    stuck.map_or(Ok(summary), Err)
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
    let mut configs = manifest.plan.configs.iter();
    let without_agents = configs.find(|config| config.agents.is_empty());
    without_agents.map_or(Ok(()), |config| {
        let config = config.id.to_string();
        Err(RuntimeError::NoAgents { config })
    })
}

/// Checks that every server has the model, without which every request would fail. A server that cannot be asked
/// gets a warning only: it may be up by its first request.
async fn check_model(context: &SweepContext) -> Result<(), RuntimeError> {
    for backend in &context.backends {
        let model = &context.plan.model;
        let asked = context.clock.timeout(ASK_LIMIT, backend.find_model(model));
        let Some(asked) = unless(&context.stop, asked).await else {
            return Ok(());
        };
        match asked {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => {
                return Err(RuntimeError::ModelNotFound {
                    endpoint: backend.endpoint(),
                    model: model.clone(),
                });
            }
            Ok(Err(e)) => context.warn(format!("could not ask for the model {model}: {e}")),
            Err(clock::Elapsed) => context.warn(format!(
                "{} did not say within {ASK_LIMIT} whether it has the model {model}",
                backend.endpoint()
            )),
        }
    }
    Ok(())
}
