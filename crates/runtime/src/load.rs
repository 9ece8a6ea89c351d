//! Load shapes: a fixed number of requests in a closed loop (agents that wait for their answers) or
//! an open one (requests that come when they come).
//!
//! An open loop is never turned into a closed one without a trace: each request keeps the start it
//! was planned for, and what it waited for an agent, or for this program, lies between `scheduled`
//! and `sent`.

mod backlog;
mod conversation;
mod request;
mod shape;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use agents::{WorkError, WorkPool};
use clock::Clock;
use domain::backend::ChatBackend;
use domain::exit::{Exit, Fails};
use domain::plan::{CachePolicy, Topology};
use domain::record::{NonceRoot, RequestRecord, RunKey, Turn};
use domain::work::Work;
use domain::{ModelOptions, Nanos, Stamp};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::conversation::Conversation;
use self::request::Ask;
use crate::shutdown::Shutdown;

pub use backlog::Backlog;
pub use conversation::Turns;
pub use shape::{Arrivals, Gaps, LoadShape, Rate, RateCurve, Speed, Starts, Variation};
pub use trace::{Trace, TraceEntry, TraceError, TracePrompt};

/// What is to be sent, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    /// When requests start.
    pub shape: LoadShape,
    /// How many there are; of a trace, how many of its first ones.
    pub requests: u32,
    /// The model.
    pub model: String,
    /// The prompt, before a nonce is put in front of it.
    pub prompt: String,
    /// Whether prompts differ, so that a prefix cache helps none of them.
    pub cache: CachePolicy,
    /// Options of every request. A sampling seed is added when it has none.
    pub options: ModelOptions,
    /// Root of arrivals and sampling seeds.
    pub seed: u64,
    /// Root of the nonces that prompts begin with, and of prompts of which a trace tells the length
    /// alone.
    pub nonce: NonceRoot,
    /// Sessions of several turns; `None` for requests that stand alone. A trace has none.
    pub turns: Option<Turns>,
    /// What an agent does before each request. A request is due when it is done.
    pub work: Work,
}

impl LoadPlan {
    /// Requests that stand alone, with nothing between them and no options.
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

/// A load about to be run.
pub struct LoadSetup {
    /// What is to be sent, and when.
    pub plan: LoadPlan,
    /// The servers, at least one. Agents are dealt to them in turn.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    /// The clock.
    pub clock: Clock,
    /// Threads for the agents' work.
    pub pool: WorkPool,
    /// Takes the record of each request as it ends, on the task that made it: it must not block.
    pub on_record: OnRecord,
    /// Rows that wait for the disk; holds requests back while there are too many.
    pub backlog: Option<Arc<Backlog>>,
}

impl LoadSetup {
    /// With the usual pool for the agents' work, and rows that wait for nothing.
    pub fn new(
        plan: LoadPlan,
        backends: Vec<Arc<dyn ChatBackend>>,
        clock: Clock,
        on_record: OnRecord,
    ) -> Self {
        Self {
            plan,
            backends,
            pool: WorkPool::beside_the_network(&clock),
            clock,
            on_record,
            backlog: None,
        }
    }
}

/// Takes records.
pub type OnRecord = Arc<dyn Fn(RequestRecord) + Send + Sync>;

impl fmt::Debug for LoadSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadSetup")
            .field("plan", &self.plan)
            .field("backends", &self.backends)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What became of a load, apart from its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadEnd {
    /// The planned start of the first request.
    pub started: Stamp,
    /// The last request had ended.
    pub ended: Stamp,
    /// Requests that left a record.
    pub begun: u32,
    /// The most requests in flight at one time.
    pub peak_in_flight: u32,
    /// It was stopped before its end.
    pub interrupted: bool,
}

/// A load could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No server to send to.
    #[error("no endpoint to send requests to; give at least one")]
    NoBackend,
    /// The agents' work could not be done; it ended there. What was recorded stays.
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

/// Runs the load to its end, or until `shutdown` stops it: then nothing new begins, and what is in
/// flight has the grace period before it is cancelled. Every request that began leaves a record.
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
        drop: CancellationToken::new(),
        begun: AtomicU32::new(0),
        in_flight: AtomicU32::new(0),
        peak: AtomicU32::new(0),
        broken: Mutex::new(None),
    });
    let work = async {
        match &context.setup.plan.shape {
            LoadShape::Closed { agents, think } => closed(&context, agents.get(), *think).await,
            LoadShape::Open { agents: None, .. } | LoadShape::Replay { agents: None, .. } => {
                unlimited(&context).await;
            }
            LoadShape::Open {
                agents: Some(most), ..
            }
            | LoadShape::Replay {
                agents: Some(most), ..
            } => limited(&context, most.get()).await,
        }
    };
    let watch = async {
        shutdown.stopping().cancelled().await;
        tokio::select! {
            () = shutdown.aborted().cancelled() => {}
            () = context.setup.clock.sleep(shutdown.grace()) => {}
        }
        context.drop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = work => {}
        () = watch => {}
    }
    let broken = context
        .broken
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = { broken }.take() {
        return Err(LoadError::Work(error));
    }
    let begun = context.begun.load(Ordering::Relaxed);
    Ok(LoadEnd {
        started: context.started,
        ended: context.setup.clock.now(),
        begun,
        peak_in_flight: context.peak.load(Ordering::Relaxed),
        interrupted: begun < context.setup.plan.requests || context.drop.is_cancelled(),
    })
}

/// What all requests of a load share.
struct LoadContext {
    setup: LoadSetup,
    run: RunKey,
    started: Stamp,
    /// Begin nothing new once this is cancelled.
    stop: CancellationToken,
    /// Drop what runs once this is cancelled.
    drop: CancellationToken,
    begun: AtomicU32,
    in_flight: AtomicU32,
    peak: AtomicU32,
    /// Why the agents' work could not be done.
    broken: Mutex<Option<WorkError>>,
}

/// Which request it is, and of whom.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Among all requests of the load, from 0. Its prompt and its sampling seed follow from this
    /// alone, so that they do not depend on which agent was free first.
    index: u32,
    agent: u32,
    /// Among the agent's requests, from 0.
    call: u32,
    turn: Option<Turn>,
}

async fn closed(context: &Arc<LoadContext>, agents: u32, think: Nanos) {
    let requests = context.setup.plan.requests;
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(requests) {
        let context = Arc::clone(context);
        tasks.spawn(async move {
            let mut due = context.started;
            let mut talk = Conversation::default();
            for (index, call) in (agent..requests).step_by(agents as usize).zip(0..) {
                let turn = context.setup.plan.turns.as_ref().map(|turns| {
                    let count = turns.count.get();
                    // Dealt like the requests: session s is agent s mod N's.
                    let session = agent + (call / count) * agents;
                    (session, call % count + 1, turns.think)
                });
                let begins = turn.is_none_or(|(_, turn, _)| turn == 1);
                if begins {
                    talk = Conversation::default();
                }
                if call > 0 {
                    let pause = turn
                        .filter(|_| !begins)
                        .map_or(think, |(_, _, pause)| pause);
                    due = due + pause;
                    if pause > Nanos::ZERO && !context.wait_until(due).await {
                        break;
                    }
                }
                if context.stop.is_cancelled() {
                    break;
                }
                let place = Place {
                    index,
                    agent,
                    call,
                    turn: turn.map(|(session, turn, _)| Turn { session, turn }),
                };
                let ended = context.request(place, due, Ask::Plan, &mut talk).await;
                let Some(ended) = ended else { break };
                due = ended;
            }
        });
    }
    join(tasks).await;
}

/// Something that is planned to start: a request, or a session of several.
#[derive(Debug, Clone)]
struct Planned {
    /// Among all that are planned, from 0.
    number: u32,
    at: Stamp,
    ask: Ask,
    /// Whose it is, where the plan says.
    agent: Option<u32>,
}

/// What a plan holds, in the order of its starts.
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
                    ask: Ask::Trace(Arc::clone(&trace)),
                    // Those without a session are agents of their own, after those with one.
                    agent: Some(entry.session.unwrap_or(sessions + number)),
                }
            }))
        }
        LoadShape::Open { arrivals, .. } => {
            let starts = (0..plan.sessions()).zip(arrivals.starts(plan.seed));
            Box::new(starts.map(move |(number, start)| Planned {
                number,
                at: started + start,
                ask: Ask::Plan,
                agent: None,
            }))
        }
        LoadShape::Closed { .. } => Box::new(std::iter::empty()),
    }
}

/// As many agents as are needed: none ever waits for another.
async fn unlimited(context: &Arc<LoadContext>) {
    let mut tasks = JoinSet::new();
    let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
    for planned in planned(context) {
        if !context.wait_until(planned.at).await {
            break;
        }
        let agent = planned.agent.unwrap_or(planned.number);
        // Only a trace's agents come again.
        let call = planned.agent.map_or(0, |agent| {
            let calls = calls.entry(agent).or_default();
            std::mem::replace(calls, *calls + 1)
        });
        let task = Arc::clone(context);
        tasks.spawn(async move { task.session(planned, agent, call).await });
        while let Some(ended) = tasks.try_join_next() {
            rethrow(ended.map(drop));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        rethrow(ended.map(drop));
    }
}

/// Agents that take what is planned next whenever they are free.
async fn limited(context: &Arc<LoadContext>, agents: u32) {
    let planned = Arc::new(Mutex::new(planned(context)));
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(context.setup.plan.requests) {
        let (context, planned) = (Arc::clone(context), Arc::clone(&planned));
        tasks.spawn(async move {
            let mut call = 0;
            loop {
                let next = planned
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next();
                let Some(next) = next else { break };
                if !context.wait_until(next.at).await {
                    break;
                }
                call += context.session(next, agent, call).await;
            }
        });
    }
    join(tasks).await;
}

impl LoadPlan {
    /// Sessions, each of several turns or of one; the last may be cut short.
    fn sessions(&self) -> u32 {
        self.requests.div_ceil(self.turns_each())
    }

    /// Time from the beginning of the load to its last planned start; none of a closed loop, in which
    /// starts depend on the server.
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

async fn join(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        rethrow(ended);
    }
}

/// A panic inside a request is ours, not the server's: it goes on.
fn rethrow(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

impl LoadContext {
    /// False when the load is stopped before the moment has come.
    async fn wait_until(&self, at: Stamp) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = self.setup.clock.sleep_until(at) => true,
        }
    }

    /// All the turns of what was planned, one after another; says how many.
    async fn session(&self, planned: Planned, agent: u32, first_call: u32) -> u32 {
        let plan = &self.setup.plan;
        let each = plan.turns_each();
        let first = planned.number * each;
        let mut talk = Conversation::default();
        let mut due = planned.at;
        for turn in 0..each.min(plan.requests - first) {
            if let Some(turns) = &plan.turns
                && turn > 0
            {
                due = due + turns.think;
                if turns.think > Nanos::ZERO && !self.wait_until(due).await {
                    return turn;
                }
                if self.stop.is_cancelled() {
                    return turn;
                }
            }
            let place = Place {
                index: first + turn,
                agent,
                call: first_call + turn,
                turn: plan.turns.as_ref().map(|_| Turn {
                    session: planned.number,
                    turn: turn + 1,
                }),
            };
            match self
                .request(place, due, planned.ask.clone(), &mut talk)
                .await
            {
                Some(ended) => due = ended,
                None => return turn,
            }
        }
        each
    }
}

#[cfg(test)]
mod tests;
