//! One arm: setting the servers' state, running the agents, recording the result.

use std::sync::Arc;

use agents::{AgentEnd, AgentJob, Recorder, run_agent, run_probe};
use domain::backend::Progress;
use domain::cache::CacheCheck;
use domain::event::Event;
use domain::plan::{Arm, ArmSpec, Config};
use domain::record::{ArmRecord, JournalLine};
use domain::{Nanos, Outcome, Stamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::admission::Admitted;
use crate::context::SweepContext;
use crate::journal::found_no_server;
use crate::shutdown::unless;
use crate::{probe, state};

/// Time between two reports of an agent's tokens to the observer.
const REPORT_EVERY: Nanos = Nanos::from_millis(100);

#[derive(Debug)]
pub(crate) struct ArmEnd {
    pub(crate) record: ArmRecord,
    /// The last failure, if no server could be reached.
    pub(crate) dead: Option<String>,
    pub(crate) cache: CacheCheck,
}

/// An arm that is to run: the configuration that it belongs to, and which attempt at it this is, from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArmAttempt<'a> {
    pub(crate) spec: &'a ArmSpec,
    pub(crate) config: &'a Config,
    pub(crate) number: u32,
}

/// Runs one arm and records it. `None` if it was stopped before any agent started.
#[tracing::instrument(
    name = "arm",
    skip_all,
    fields(
        configuration = %arm.spec.run.config,
        topology = %arm.spec.run.topology,
        repetition = arm.spec.run.repetition,
        arm = %arm.spec.arm,
        attempt = arm.number
    )
)]
pub(crate) async fn run_arm(context: &mut SweepContext, arm: ArmAttempt<'_>) -> Option<ArmEnd> {
    let ArmAttempt { spec, config, .. } = arm;
    tracing::info!("preparing the servers");
    let prepared = unless(&context.stop, async {
        let mut notes = state::set(context, config, spec.run.topology).await;
        let before = state::loaded(context).await;
        notes.extend(state::not_unloaded(context, &before));
        (notes, before)
    });
    let (mut notes, loaded_before) = prepared.await?;
    context.journal.take_arm();
    context.observer.on_event(&Event::ArmStarted {
        spec: spec.clone(),
        at: context.clock.now(),
    });

    let mut run = Running::new(context, arm);
    let started = match spec.arm {
        Arm::Sequential => run.one_after_another().await,
        Arm::Together => run.all_at_once().await,
    };
    let Running {
        ends,
        notes: of_run,
        ..
    } = run;
    notes.extend(of_run);
    let ended = context.clock.now();
    let finished = ends.iter().flatten().filter(|end| end.finished).count();
    let mut complete = finished == config.agents.len();
    for (end, agent) in ends.iter().zip(0..) {
        let gave_up = end.as_ref().and_then(|end| end.gave_up.as_ref());
        notes.extend(gave_up.map(|why| format!("agent {agent} gave up at {why}")));
    }

    let (requests, cache) = context.journal.take_arm();
    let is_dead = complete && requests.iter().all(found_no_server);
    let last = requests.last().filter(|_| is_dead);
    let dead = last.map(|request| in_words(&request.times.outcome));
    if dead.is_some() {
        // Every agent ended without a server: a resumed sweep runs this arm again.
        complete = false;
        notes.push("no server could be reached".to_owned());
    }

    let after = async {
        let loaded = state::loaded(context).await;
        (loaded, state::changed_servers(context).await)
    };
    let after = unless(&context.abort, after).await;
    let unknown = || (vec![None; context.backends.len()], Vec::new());
    let (loaded_after, changed_servers) = after.unwrap_or_else(unknown);
    if complete && spec.arm == Arm::Sequential && context.plan.protocol.probe {
        let wanted = probe::wanted(config, context.plan.protocol.state, &requests);
        complete = probe_agents(context, arm, &wanted, &mut notes).await;
    }

    let outcomes = requests.iter().map(|request| &request.times.outcome);
    let completed = outcomes.filter(|o| o.is_completed()).count() as u32;
    let record = ArmRecord {
        run: spec.run.clone(),
        arm: spec.arm,
        attempt: arm.number,
        started,
        ended,
        complete,
        state_rule: context.plan.protocol.state.to_string(),
        loaded_before,
        loaded_after,
        agents: ends.iter().flatten().map(|end| end.span).collect(),
        notes,
        changed_servers,
    };
    context.journal.append(JournalLine::Arm(record.clone()));
    if !context.clock.is_virtual() {
        // In virtual time, running the arms again takes less time than syncing them to disk.
        context.journal.sync();
    }
    context.observer.on_event(&Event::ArmEnded {
        record: record.clone(),
        completed,
        not_completed: requests.len() as u32 - completed,
    });
    Some(ArmEnd {
        record,
        dead,
        cache,
    })
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { message, .. } => message.clone(),
        other => other.class().to_owned(),
    }
}

/// Probes agents after a sequential arm. False if it was stopped before the last probe ended.
async fn probe_agents(
    context: &mut SweepContext,
    arm: ArmAttempt<'_>,
    wanted: &[u32],
    notes: &mut Vec<String>,
) -> bool {
    let run = &arm.spec.run;
    for agent in wanted {
        let key = (run.config.clone(), run.topology, *agent);
        if context.probed.contains(&key) {
            continue;
        }
        let load = state::load_for(context, arm.config, run.topology, *agent as usize);
        match unless(&context.stop, load).await {
            None => return false,
            Some(Some(problem)) => {
                notes.push(problem);
                continue;
            }
            Some(None) => {}
        }
        let (agent_no, progress) = (*agent as usize, Progress::counting());
        let job = job(context, arm, agent_no, progress, &context.abort);
        match run_probe(&job, context.clock.now()).await {
            (Outcome::Completed, Some(_)) => {
                context.probed.insert(key);
            }
            (Outcome::Cancelled, _) => return false,
            (outcome, _) => notes.push(format!(
                "the probe of agent {agent} measured no warm load: {}",
                in_words(&outcome)
            )),
        }
    }
    true
}

fn job(
    context: &SweepContext,
    arm: ArmAttempt<'_>,
    agent: usize,
    progress: Progress,
    cancel: &CancellationToken,
) -> AgentJob {
    let ArmAttempt { spec, config, .. } = arm;
    let endpoint = spec.run.topology.endpoint_of(agent, context.plan.servers());
    let backend = Admitted {
        inner: Arc::clone(&context.backends[endpoint]),
        permits: context.permits.clone(),
        clock: context.clock.clone(),
        total: context.plan.timeouts.total,
        stop: context.stop.clone(),
    };
    AgentJob {
        plan: Arc::clone(&context.plan),
        nonce: context.nonce,
        run: spec.run.clone(),
        arm: spec.arm,
        attempt: arm.number,
        agent: agent as u32,
        spec: config.agents[agent].clone(),
        endpoint: endpoint as u32,
        backend: Arc::new(backend),
        clock: context.clock.clone(),
        recorder: Arc::clone(&context.journal) as Arc<dyn Recorder>,
        stop: context.stop.clone(),
        cancel: cancel.clone(),
        progress,
        pool: context.pool.clone(),
        benchmarks: context.benchmarks.clone(),
        artefacts: context.artefacts.clone(),
    }
}

struct Running<'a> {
    context: &'a SweepContext,
    jobs: Vec<AgentJob>,
    cancel: CancellationToken,
    tasks: JoinSet<(usize, AgentEnd)>,
    /// The counter of each agent, and how many of its chunks were reported.
    tokens: Vec<(Progress, u64)>,
    next_report: Stamp,
    deadline: Option<Stamp>,
    ends: Vec<Option<AgentEnd>>,
    notes: Vec<String>,
}

impl<'a> Running<'a> {
    fn new(context: &'a SweepContext, arm: ArmAttempt<'_>) -> Self {
        let agents = arm.config.agents.len();
        let cancel = context.abort.child_token();
        let job = |agent| job(context, arm, agent, Progress::counting(), &cancel);
        let jobs: Vec<_> = (0..agents).map(job).collect();
        let now = context.clock.now();
        Self {
            context,
            tokens: jobs.iter().map(|job| (job.progress.clone(), 0)).collect(),
            jobs,
            cancel,
            tasks: JoinSet::new(),
            next_report: now + REPORT_EVERY,
            deadline: context.arm_deadline.map(|limit| now + limit),
            ends: vec![None; agents],
            notes: Vec::new(),
        }
    }

    /// Runs one agent after another, each scheduled at the end of the one before. Returns when the first was scheduled.
    async fn one_after_another(&mut self) -> Stamp {
        let started = self.context.clock.now();
        let mut scheduled = started;
        for (agent, job) in std::mem::take(&mut self.jobs).into_iter().enumerate() {
            if self.context.stop.is_cancelled() || self.cancel.is_cancelled() {
                break;
            }
            let task = async move { (agent, run_agent(&job, scheduled).await) };
            self.tasks.spawn(task.in_current_span());
            self.wait_for_all().await;
            match &self.ends[agent] {
                Some(end) if end.finished => scheduled = end.span.ended,
                _ => break,
            }
        }
        started
    }

    /// Runs all agents at once: every task is ready before the common moment at which all are scheduled. Returns that
    /// moment. They are released in the plan's order, which on one thread is the order in which they reach the server.
    async fn all_at_once(&mut self) -> Stamp {
        let (ready, mut all_ready) = mpsc::channel(self.jobs.len());
        let mut releases = Vec::with_capacity(self.jobs.len());
        for (agent, job) in std::mem::take(&mut self.jobs).into_iter().enumerate() {
            let ready = ready.clone();
            let (release, released) = oneshot::channel();
            releases.push(release);
            let task = async move {
                ready.send(()).await.expect("the arm waits for all agents");
                let scheduled = released.await.expect("the arm releases all agents");
                (agent, run_agent(&job, scheduled).await)
            };
            self.tasks.spawn(task.in_current_span());
        }
        for _ in &releases {
            all_ready.recv().await;
        }
        let scheduled = self.context.clock.now();
        for release in releases {
            let released = release.send(scheduled);
            released.expect("an agent's task waits for its release");
        }
        self.wait_for_all().await;
        scheduled
    }

    /// Waits until every task has ended and reports tokens to the observer meanwhile.
    async fn wait_for_all(&mut self) {
        let clock = self.context.clock.clone();
        loop {
            let deadline = async {
                match self.deadline {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                joined = self.tasks.join_next() => match joined {
                    None => break,
                    Some(ended) => {
                        let (agent, end) = ended.expect("agents are cancelled by their token only");
                        self.ends[agent] = Some(end);
                    }
                },
                () = deadline => {
                    self.deadline = None;
                    self.notes.push("the arm's deadline passed".to_owned());
                    self.cancel.cancel();
                }
                () = clock.sleep_until(self.next_report) => {
                    self.report_tokens();
                    self.next_report = clock.now() + REPORT_EVERY;
                }
            }
        }
        self.report_tokens();
    }

    /// Reports the chunks that have arrived since the last report to the observer.
    fn report_tokens(&mut self) {
        let at = self.context.clock.now();
        for ((progress, reported), agent) in self.tokens.iter_mut().zip(0..) {
            let count = progress.get() - *reported;
            *reported += count;
            if count > 0 {
                let event = Event::Tokens { agent, at, count };
                self.context.observer.on_event(&event);
            }
        }
    }
}
