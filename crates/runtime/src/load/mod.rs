//! Load shapes: a fixed number of requests in a closed loop (agents that wait for their answers) or
//! an open one (requests that come when they come).
//!
//! An open loop is never turned into a closed one without a trace: each request keeps the start it
//! was planned for, and what it waited for an agent, or for this program, lies between `scheduled`
//! and `sent`.

mod shape;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use agents::nonce;
use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::hash::{derive, sha256_hex};
use domain::plan::{Arm, CachePolicy, ConfigId, Topology};
use domain::record::{RequestRecord, RequestRole, RunKey, TokenSource};
use domain::{ModelOptions, Nanos, Outcome, Stamp};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::shutdown::Shutdown;

pub use shape::{Arrivals, LoadShape, Rate, Starts};

/// What is to be sent, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    /// When requests start.
    pub shape: LoadShape,
    /// How many there are.
    pub requests: u32,
    /// The model.
    pub model: String,
    /// The prompt, before a nonce is put in front of it.
    pub prompt: String,
    /// Whether prompts differ, so that a prefix cache helps none of them.
    pub cache: CachePolicy,
    /// Options of every request. A sampling seed is added when it has none.
    pub options: ModelOptions,
    /// Root of arrivals, nonces and sampling seeds.
    pub seed: u64,
}

/// A load about to be run.
pub struct LoadSetup {
    /// What is to be sent, and when.
    pub plan: LoadPlan,
    /// The servers, at least one. Agents are dealt to them in turn.
    pub backends: Vec<Arc<dyn ChatBackend>>,
    /// The clock.
    pub clock: Clock,
    /// Takes the record of each request as it ends, on the task that made it: it must not block.
    pub on_record: OnRecord,
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

/// No server to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint to send requests to; give at least one")]
pub struct NoBackend;

/// Runs the load to its end, or until `shutdown` stops it: then nothing new begins, and what is in
/// flight has the grace period before it is cancelled. Every request that began leaves a record.
pub async fn run_load(setup: LoadSetup, shutdown: &Shutdown) -> Result<LoadEnd, NoBackend> {
    if setup.backends.is_empty() {
        return Err(NoBackend);
    }
    let ground = Arc::new(Ground {
        started: setup.clock.now(),
        run: RunKey {
            config: ConfigId::new("load").expect("a plain word is an id"),
            topology: match setup.backends.len() {
                1 => Topology::Shared,
                _ => Topology::PerAgent,
            },
            repetition: 1,
        },
        setup,
        stop: shutdown.stopping().clone(),
        drop: CancellationToken::new(),
        begun: AtomicU32::new(0),
        in_flight: AtomicU32::new(0),
        peak: AtomicU32::new(0),
    });
    let work = async {
        match ground.setup.plan.shape {
            LoadShape::Closed { agents, think } => closed(&ground, agents.get(), think).await,
            LoadShape::Open {
                arrivals,
                agents: None,
            } => unlimited(&ground, arrivals).await,
            LoadShape::Open {
                arrivals,
                agents: Some(most),
            } => limited(&ground, arrivals, most.get()).await,
        }
    };
    let watch = async {
        shutdown.stopping().cancelled().await;
        tokio::select! {
            () = shutdown.aborted().cancelled() => {}
            () = ground.setup.clock.sleep(shutdown.grace()) => {}
        }
        ground.drop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = work => {}
        () = watch => {}
    }
    let begun = ground.begun.load(Ordering::Relaxed);
    Ok(LoadEnd {
        started: ground.started,
        ended: ground.setup.clock.now(),
        begun,
        peak_in_flight: ground.peak.load(Ordering::Relaxed),
        interrupted: begun < ground.setup.plan.requests || ground.drop.is_cancelled(),
    })
}

/// What all requests of a load share.
struct Ground {
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
}

async fn closed(ground: &Arc<Ground>, agents: u32, think: Nanos) {
    let requests = ground.setup.plan.requests;
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(requests) {
        let ground = Arc::clone(ground);
        tasks.spawn(async move {
            let mut scheduled = ground.started;
            for (index, call) in (agent..requests).step_by(agents as usize).zip(0..) {
                if call > 0 && think > Nanos::ZERO && !ground.wait_until(scheduled).await {
                    break;
                }
                if ground.stop.is_cancelled() {
                    break;
                }
                let place = Place { index, agent, call };
                scheduled = ground.request(place, scheduled).await + think;
            }
        });
    }
    join(tasks).await;
}

/// As many agents as there are requests: none ever waits for another.
async fn unlimited(ground: &Arc<Ground>, arrivals: Arrivals) {
    let plan = &ground.setup.plan;
    let mut tasks = JoinSet::new();
    for (index, start) in (0..plan.requests).zip(arrivals.starts(plan.seed)) {
        let scheduled = ground.started + start;
        if !ground.wait_until(scheduled).await {
            break;
        }
        let task = Arc::clone(ground);
        tasks.spawn(async move {
            let place = Place {
                index,
                agent: index,
                call: 0,
            };
            task.request(place, scheduled).await;
        });
        while let Some(ended) = tasks.try_join_next() {
            rethrow(ended);
        }
    }
    join(tasks).await;
}

/// Agents that take the next planned request whenever they are free.
async fn limited(ground: &Arc<Ground>, arrivals: Arrivals, agents: u32) {
    let plan = &ground.setup.plan;
    let planned = (0..plan.requests).zip(arrivals.starts(plan.seed));
    let planned = Arc::new(Mutex::new(planned));
    let mut tasks = JoinSet::new();
    for agent in 0..agents.min(plan.requests) {
        let (ground, planned) = (Arc::clone(ground), Arc::clone(&planned));
        tasks.spawn(async move {
            for call in 0.. {
                let next = planned
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next();
                let Some((index, start)) = next else { break };
                let scheduled = ground.started + start;
                if !ground.wait_until(scheduled).await {
                    break;
                }
                ground
                    .request(Place { index, agent, call }, scheduled)
                    .await;
            }
        });
    }
    join(tasks).await;
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

impl Ground {
    /// False when the load is stopped before the moment has come.
    async fn wait_until(&self, at: Stamp) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = self.setup.clock.sleep_until(at) => true,
        }
    }

    /// Makes one request and records it, however it ends; returns when it ended.
    async fn request(&self, place: Place, scheduled: Stamp) -> Stamp {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let now_in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now_in_flight, Ordering::Relaxed);
        let call = self.call(place.index);
        let endpoint = place.agent as usize % self.setup.backends.len();
        let mut exchange = Exchange::default();
        let outcome = tokio::select! {
            biased;
            outcome = self.setup.backends[endpoint].generate(&call, &mut exchange) => outcome,
            () = self.drop.cancelled() => Outcome::Cancelled,
        };
        let ended = self.setup.clock.now();
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let record = self.record(place, endpoint, call, exchange, outcome, scheduled, ended);
        (self.setup.on_record)(record);
        ended
    }

    fn call(&self, index: u32) -> GenerateCall {
        let plan = &self.setup.plan;
        let prompt = match plan.cache {
            CachePolicy::Warm => plan.prompt.clone(),
            CachePolicy::Nonce => {
                let what = index.to_string();
                let nonce = nonce(plan.seed, &self.run, Arm::Together, 1, 0, &what);
                format!("{nonce} (an identifier, of no meaning)\n\n{}", plan.prompt)
            }
        };
        let mut options = plan.options.clone();
        options.seed.get_or_insert_with(|| {
            let seed = derive(&["load", &plan.seed.to_string(), &index.to_string()]);
            // Servers keep the seed in a 32-bit integer and take -1 for "random".
            (seed & 0x7fff_ffff).cast_signed()
        });
        GenerateCall {
            model: plan.model.clone(),
            system: None,
            prompt,
            options,
            keep_alive: None,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all that is known of a request, once"
    )]
    fn record(
        &self,
        place: Place,
        endpoint: usize,
        call: GenerateCall,
        exchange: Exchange,
        outcome: Outcome,
        scheduled: Stamp,
        ended: Stamp,
    ) -> RequestRecord {
        let chunks = exchange.chunks.len() as u64;
        let (tokens, tokens_from) = match exchange.counters.eval_count {
            Some(count) => (count, TokenSource::Server),
            // Servers omit counters that are zero.
            None if chunks == 0 && exchange.counters.total.is_some() => (0, TokenSource::Server),
            None => (chunks, TokenSource::Estimated),
        };
        RequestRecord {
            run: self.run.clone(),
            arm: Arm::Together,
            attempt: 1,
            role: RequestRole::Main,
            agent: place.agent,
            agent_name: format!("agent{}", place.agent),
            step: "load".to_owned(),
            call: place.call,
            endpoint: u32::try_from(endpoint).unwrap_or(u32::MAX),
            model: call.model,
            options: call.options,
            prompt_sha256: sha256_hex(call.prompt.as_bytes()),
            scheduled,
            connect_ns: exchange.connect,
            sent: exchange.sent,
            headers: exchange.headers,
            first_token: exchange.first_token,
            first_thinking: exchange.first_thinking,
            first_content: exchange.first_content,
            last_token: exchange.last_token,
            done: exchange.done,
            ended,
            outcome,
            tokens,
            tokens_from,
            counters: exchange.counters,
            done_reason: exchange.done_reason,
            chunk_gaps_ns: RequestRecord::gaps(exchange.sent, &exchange.chunks),
            output_chars: exchange.text.chars().count() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
