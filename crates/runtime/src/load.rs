//! Loads: a fixed number of requests in a closed loop (each agent waits for its answer before it sends again) or
//! in an open loop (requests start at planned times).
//!
//! A request of an open loop keeps its planned start even if the client cannot keep up: the time that it waited for an
//! agent, or for this program, lies between `scheduled` and `sent`.

mod backlog;
mod conversation;
mod request;
mod shape;

use std::collections::BTreeMap;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agents::{WorkError, WorkPool};
use clock::Clock;
use domain::backend::ChatBackend;
use domain::exit::{Exit, Fails};
use domain::plan::{CachePolicy, Topology};
use domain::record::{NonceRoot, RequestRecord, RunKey, Turn};
use domain::work::Work;
use domain::{ModelOptions, Nanos, Stamp};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::conversation::Conversation;
use crate::shutdown::{Shutdown, unless};

pub use backlog::Backlog;
pub use conversation::Turns;
pub use shape::{Arrivals, Gaps, LoadShape, Rate, RateCurve, Speed, Variation};

#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    pub shape: LoadShape,
    /// Of a trace, its first ones.
    pub requests: u32,
    pub model: String,
    /// The prompt, without a nonce.
    pub prompt: String,
    /// Whether prompts differ, so that no prefix cache helps.
    pub cache: CachePolicy,
    /// Options of every request. A sampling seed is added if there is none.
    pub options: ModelOptions,
    /// Root of arrivals and sampling seeds.
    pub seed: u64,
    /// Root of the nonces of prompts, and of the prompts for which a trace has only a length.
    pub nonce: NonceRoot,
    /// Sessions of several turns; `None` for independent requests and for traces.
    pub turns: Option<Turns>,
    /// Work of an agent before each request. A request is due when it is done.
    pub work: Work,
}

impl LoadPlan {
    /// Independent requests without work between them and without options.
    pub fn new(shape: LoadShape, requests: u32, model: &str, prompt: &str) -> Self {
        Self {
            shape,
            requests,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            cache: CachePolicy::Nonce,
            options: ModelOptions::default(),
            seed: 1,
            nonce: NonceRoot::new(1),
            turns: None,
            work: Work::default(),
        }
    }
}

#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct LoadSetup {
    pub plan: LoadPlan,
    /// The servers, at least one. Agent `i` uses server `i` modulo their number.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    pub clock: Clock,
    /// Threads for the agents' work.
    pub pool: WorkPool,
    /// Receives the record of each request as it ends, on the request's task; must not block.
    pub on_record: OnRecord,
    /// Rows that wait for the disk. While there are too many, no request starts.
    pub backlog: Option<Arc<Backlog>>,
}

impl LoadSetup {
    /// A setup with the default pool for the agents' work and no backlog.
    pub fn new(
        plan: LoadPlan,
        backends: Vec<Arc<dyn ChatBackend>>,
        clock: Clock,
        on_record: OnRecord,
    ) -> Self {
        Self {
            plan,
            backends,
            pool: WorkPool::for_clock(&clock),
            clock,
            on_record,
            backlog: None,
        }
    }
}

pub type OnRecord = Arc<dyn Fn(RequestRecord) + Send + Sync>;

/// The outcome of a load, apart from its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadEnd {
    /// The planned start of the first request.
    pub started: Stamp,
    /// The end of the last request.
    pub ended: Stamp,
    /// Requests that were started, each of which left a record.
    pub started_requests: u32,
    /// The most requests in flight at one time.
    pub peak_in_flight: u32,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    #[error("no endpoint to send requests to; give at least one")]
    NoBackend,
    /// The agents' work failed, which ended the load. Earlier records are kept.
    #[error("the agents' work could not be done")]
    Work(#[source] WorkError),
}

impl Fails for LoadError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoBackend => Exit::Usage,
            Self::Work(_) => Exit::Environment,
        }
    }
}

/// Runs a load to its end, or until `shutdown` stops it: then nothing new starts, and requests in flight have the
/// grace period before they are cancelled. Every request that was started leaves a record.
///
/// Fails when the setup has no server and when the agents' work fails.
pub async fn run_load(setup: LoadSetup, shutdown: &Shutdown) -> Result<LoadEnd, LoadError> {
    if setup.backends.is_empty() {
        return Err(LoadError::NoBackend);
    }
    let context = Arc::new(LoadContext {
        started: setup.clock.now(),
        run: RunKey::of_load(match setup.backends.len() {
            1 => Topology::Shared,
            _ => Topology::PerAgent,
        }),
        setup,
        stop: shutdown.stopping().child_token(),
        drop: shutdown.aborted().child_token(),
        started_requests: AtomicU32::new(0),
        in_flight: AtomicU32::new(0),
        peak: AtomicU32::new(0),
        work_error: Mutex::new(None),
    });
    let work = async {
        match &context.setup.plan.shape {
            LoadShape::Closed { agents, think } => closed(&context, agents.get(), *think).await,
            LoadShape::Open { agents, .. } | LoadShape::Replay { agents, .. } => match agents {
                None => unlimited(&context).await,
                Some(most) => limited(&context, most.get()).await,
            },
        }
    };
    tokio::select! {
        biased;
        () = work => {}
        never = shutdown.abort_after_grace(&context.setup.clock) => match never {},
    }
    if let Some(error) = context.work_error.lock().take() {
        return Err(LoadError::Work(error));
    }
    let started_requests = context.started_requests.load(Ordering::Relaxed);
    Ok(LoadEnd {
        started: context.started,
        ended: context.setup.clock.now(),
        started_requests,
        peak_in_flight: context.peak.load(Ordering::Relaxed),
        interrupted: started_requests < context.setup.plan.requests || context.drop.is_cancelled(),
    })
}

struct LoadContext {
    setup: LoadSetup,
    run: RunKey,
    started: Stamp,
    /// Cancelled when nothing new may start.
    stop: CancellationToken,
    /// Cancelled when requests in flight are to be dropped.
    drop: CancellationToken,
    started_requests: AtomicU32,
    in_flight: AtomicU32,
    peak: AtomicU32,
    work_error: Mutex<Option<WorkError>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Number among all requests of the load, from 0. The prompt and the sampling seed follow from this alone,
    /// so that they do not depend on which agent was free first.
    index: u32,
    agent: u32,
    /// Number among the agent's requests, from 0.
    call: u32,
    turn: Option<Turn>,
}

async fn closed(context: &Arc<LoadContext>, agents: u32, think: Nanos) {
    let (requests, each) = (context.setup.plan.requests, context.setup.plan.turns_each());
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(requests) {
        let context = Arc::clone(context);
        tasks.spawn(async move {
            let mut due = context.started;
            let own = |of: Range<u32>| of.step_by(agents as usize);
            let calls = own(agent..requests).zip(0..);
            for (first, first_call) in calls.step_by(each as usize) {
                let pause = if first_call > 0 { think } else { Nanos::ZERO };
                due = due + pause;
                if !context.rest(pause, due).await {
                    break;
                }
                // Session `s` belongs to agent `s` modulo the number of agents, as requests do.
                let number = agent + first_call / each * agents;
                let indices = own(first..requests);
                let session = context.session(number, agent, first_call, indices, due);
                let Some(ended) = session.await else {
                    break;
                };
                due = ended;
            }
        });
    }
    tasks.join_all().await;
}

/// A planned start of a request, or of a session of several.
#[derive(Debug, Clone)]
struct Planned {
    /// Number among the planned starts, from 0.
    number: u32,
    at: Stamp,
    /// The agent, if the plan names it.
    agent: Option<u32>,
}

/// The starts of an open loop or a trace, in order.
fn planned(context: &LoadContext) -> Box<dyn Iterator<Item = Planned> + Send> {
    let plan = &context.setup.plan;
    let started = context.started;
    match &plan.shape {
        LoadShape::Replay { trace, speed, .. } => {
            let (trace, speed, sessions) = (Arc::clone(trace), *speed, trace.sessions());
            let entries = (0..plan.requests).take(trace.entries.len());
            Box::new(entries.map(move |number| {
                let entry = &trace.entries[number as usize];
                Planned {
                    number,
                    at: started + speed.rescale(entry.start),
                    // Requests without a session get agents of their own, numbered after the sessions.
                    agent: Some(entry.session.unwrap_or(sessions + number)),
                }
            }))
        }
        LoadShape::Open { arrivals, .. } => {
            let starts = (0..plan.sessions()).zip(arrivals.starts(plan.seed));
            Box::new(starts.map(move |(number, start)| Planned {
                number,
                at: started + start,
                agent: None,
            }))
        }
        LoadShape::Closed { .. } => Box::new(std::iter::empty()),
    }
}

/// Runs planned starts with as many agents as are needed, so that none waits for another.
async fn unlimited(context: &Arc<LoadContext>) {
    let mut tasks = JoinSet::new();
    let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
    for planned in planned(context) {
        if !context.wait_until(planned.at).await {
            break;
        }
        let agent = planned.agent.unwrap_or(planned.number);
        // Only a trace has agents with several calls.
        let call = planned.agent.map_or(0, |agent| {
            let calls = calls.entry(agent).or_default();
            std::mem::replace(calls, *calls + 1)
        });
        let task = Arc::clone(context);
        tasks.spawn(async move { task.start(planned, agent, call).await });
        while let Some(ended) = tasks.try_join_next() {
            ended.expect("a request's task is not cancelled");
        }
    }
    tasks.join_all().await;
}

/// Runs planned starts with a limited number of agents, each of which takes the next one when it is free.
async fn limited(context: &Arc<LoadContext>, agents: u32) {
    let planned = Arc::new(Mutex::new(planned(context)));
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(context.setup.plan.requests) {
        let (context, planned) = (Arc::clone(context), Arc::clone(&planned));
        tasks.spawn(async move {
            let mut call = 0;
            loop {
                let next = planned.lock().next();
                let Some(next) = next else { break };
                if !context.wait_until(next.at).await {
                    break;
                }
                if context.start(next, agent, call).await.is_none() {
                    break;
                }
                call += context.setup.plan.turns_each();
            }
        });
    }
    tasks.join_all().await;
}

impl LoadPlan {
    /// Number of sessions, of one or several turns each; the last may be shorter.
    fn sessions(&self) -> u32 {
        self.requests.div_ceil(self.turns_each())
    }

    /// Time from the start of the load to its last planned start; none for a closed loop, whose starts depend on
    /// the server.
    pub fn sending(&self) -> Option<Nanos> {
        let last = self.sessions().checked_sub(1)? as usize;
        match &self.shape {
            LoadShape::Open { arrivals, .. } => arrivals.starts(self.seed).nth(last),
            LoadShape::Replay { trace, speed, .. } => {
                let entry = trace.entries.get(last)?;
                Some(speed.rescale(entry.start))
            }
            LoadShape::Closed { .. } => None,
        }
    }

    fn turns_each(&self) -> u32 {
        self.turns.as_ref().map_or(1, |turns| turns.count.get())
    }
}

impl LoadContext {
    /// Sleeps until `at`; false if the load was stopped before.
    async fn wait_until(&self, at: Stamp) -> bool {
        let reached = unless(&self.stop, self.setup.clock.sleep_until(at)).await;
        reached.is_some()
    }

    /// Waits out a pause that ends at `until`, if there is one; false if the load was stopped.
    async fn rest(&self, pause: Nanos, until: Stamp) -> bool {
        let is_over = pause == Nanos::ZERO || self.wait_until(until).await;
        is_over && !self.stop.is_cancelled()
    }

    /// Runs a planned start. Returns the end of its last request; `None` if the load was stopped.
    async fn start(&self, planned: Planned, agent: u32, first_call: u32) -> Option<Stamp> {
        let Planned { number, at, .. } = planned;
        let plan = &self.setup.plan;
        let indices = (number * plan.turns_each()..plan.requests).step_by(1);
        self.session(number, agent, first_call, indices, at).await
    }

    /// Sends an agent's session of several turns, or a single request, one request after another. `indices` are the
    /// numbers of its requests among all of the load; there may be more of them than turns. Returns the end of the
    /// last request; `None` if the load was stopped.
    async fn session(
        &self,
        number: u32,
        agent: u32,
        first_call: u32,
        indices: StepBy<Range<u32>>,
        mut due: Stamp,
    ) -> Option<Stamp> {
        let plan = &self.setup.plan;
        let mut talk = Conversation::default();
        for (turn, index) in (0..plan.turns_each()).zip(indices) {
            if let Some(turns) = &plan.turns
                && turn > 0
            {
                due = due + turns.think;
                if !self.rest(turns.think, due).await {
                    return None;
                }
            }
            let place = Place {
                index,
                agent,
                call: first_call + turn,
                turn: plan.turns.as_ref().map(|_| Turn {
                    session: number,
                    turn: turn + 1,
                }),
            };
            due = self.request(place, due, &mut talk).await?;
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests;
