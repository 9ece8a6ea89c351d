//! Timelines whose answers are known, for tests and studies of the figures.

use domain::plan::{Arm, ConfigId, Topology};
use domain::record::{Provenance, RequestRecord, RunKey, ServerCounters, TokenSource};
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use crate::observation::{
    AgentObservation, ArmObservation, Dataset, RequestTimes, RunObservation, WarmLoad,
};

pub const fn at(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

/// A completed request, sent as planned, whose chunks of one token each arrive at these moments and
/// which ends with the last of them.
pub fn streamed(sent: Stamp, chunks: impl IntoIterator<Item = Stamp>) -> RequestTimes {
    let chunks: Vec<Stamp> = chunks.into_iter().collect();
    let last = chunks.last().copied();
    RequestTimes {
        scheduled: sent,
        sent: Some(sent),
        first_token: chunks.first().copied(),
        last_token: last,
        done: last,
        ended: last.unwrap_or(sent),
        outcome: Outcome::Completed,
        tokens: chunks.len() as u64,
        tokens_from: TokenSource::Server,
        chunks,
        ..RequestTimes::default()
    }
}

pub fn of_load(agent: u32, times: RequestTimes) -> RequestRecord {
    RequestRecord {
        agent,
        ..RequestRecord::new(RunKey::of_load(Topology::Shared), Arm::Together, times)
    }
}

/// A request under construction: its phases follow one another from `sent` on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestBuilder {
    /// When it is sent, from the start.
    pub sent: Nanos,
    pub load: Nanos,
    pub slot: Nanos,
    pub prefill: Nanos,
    pub tokens: u64,
    pub per_token: Nanos,
    /// How many of the first tokens take which time instead.
    pub slow: (u64, Nanos),
    /// Its wait for a permit before it is sent.
    pub permit: Option<Nanos>,
}

pub fn request(sent_ms: u64) -> RequestBuilder {
    RequestBuilder {
        sent: Nanos::from_millis(sent_ms),
        ..RequestBuilder::default()
    }
}

impl RequestBuilder {
    /// From the start.
    pub fn end(&self) -> Nanos {
        self.build().ended.since(Stamp::ZERO)
    }

    pub fn build(self) -> RequestTimes {
        let sent = Stamp::ZERO + self.sent;
        let begin = sent + self.load + self.slot + self.prefill;
        let (slow, slow_token) = self.slow;
        let chunks = (0..self.tokens).scan(begin, |at, token| {
            let is_slow = token < slow;
            *at = *at + if is_slow { slow_token } else { self.per_token };
            Some(*at)
        });
        let times = streamed(sent, chunks);
        let end = times.done.unwrap_or(begin);
        let decoded = (self.tokens > 0).then_some(self.tokens);
        RequestTimes {
            scheduled: sent - self.permit.unwrap_or_default(),
            admission_wait: self.permit,
            done: Some(end),
            ended: end,
            counters: ServerCounters {
                total: Some(end.since(sent)),
                load: Some(self.load),
                prompt_eval: Some(self.prefill),
                prompt_eval_count: Some(10),
                eval: decoded.map(|_| end.since(begin)),
                eval_count: decoded,
                ..ServerCounters::default()
            },
            ..times
        }
    }

    #[must_use]
    pub fn load(mut self, ms: u64) -> Self {
        self.load = Nanos::from_millis(ms);
        self
    }

    #[must_use]
    pub fn slot(mut self, ms: u64) -> Self {
        self.slot = Nanos::from_millis(ms);
        self
    }

    #[must_use]
    pub fn prefill(mut self, ms: u64) -> Self {
        self.prefill = Nanos::from_millis(ms);
        self
    }

    #[must_use]
    pub fn decode(mut self, tokens: u64, per_token_ms: u64) -> Self {
        (self.tokens, self.per_token) = (tokens, Nanos::from_millis(per_token_ms));
        self
    }

    /// The first `count` tokens take `per_token_ms` instead.
    #[must_use]
    pub fn slow(mut self, count: u64, per_token_ms: u64) -> Self {
        self.slow = (count, Nanos::from_millis(per_token_ms));
        self
    }
}

pub fn agent(
    place: u32,
    server: u32,
    options: ModelOptions,
    requests: Vec<RequestTimes>,
) -> AgentObservation {
    AgentObservation {
        agent: place,
        name: format!("agent-{place}"),
        options,
        server,
        requests,
        ..AgentObservation::default()
    }
}

/// A complete arm from the stated state.
pub fn arm(arm: Arm, state: &str, agents: Vec<AgentObservation>) -> ArmObservation {
    ArmObservation {
        arm,
        state_rule: Some(state.to_owned()),
        agents,
        complete: true,
        throttled: Vec::new(),
        client_bias: None,
    }
}

/// A run of the together arm alone, of an agent on the first server for each of these requests.
pub fn run_together(config: &str, repetition: u32, requests: &[RequestBuilder]) -> RunObservation {
    let agents = requests.iter().map(|call| Calls::new(&[*call], &[]));
    let both = two_arms(config, repetition, "warm", &agents.collect::<Vec<_>>());
    run(config, repetition, both.together, None)
}

pub fn run(
    config: &str,
    repetition: u32,
    together: Option<ArmObservation>,
    sequential: Option<ArmObservation>,
) -> RunObservation {
    RunObservation {
        config: ConfigId::new(config).expect("synthetic names are plain"),
        scenario: "synthetic".to_owned(),
        topology: None,
        repetition,
        together,
        sequential,
        probes: Vec::new(),
        contention_recorded: None,
        speedup_recorded: None,
        wall_recorded_s: None,
    }
}

/// Options with a context length, which a server reloads for.
pub fn context(num_ctx: i64) -> ModelOptions {
    ModelOptions {
        num_ctx: Some(num_ctx),
        ..ModelOptions::default()
    }
}

/// The observation of a data set named `test` on the simulator.
pub fn dataset(runs: Vec<RunObservation>) -> Dataset {
    Dataset {
        name: "test".to_owned(),
        provenance: Provenance::Simulated,
        source: "a test".to_owned(),
        runs,
        ..Dataset::default()
    }
}

/// An agent of a run of two arms: its server, its options, and its calls together and alone.
#[derive(Debug, Clone)]
pub struct Calls {
    server: u32,
    options: ModelOptions,
    on_cpu_share: [Option<f64>; 2],
    together: Vec<RequestBuilder>,
    alone: Vec<RequestBuilder>,
}

impl Calls {
    /// Calls to the first server with default options, as many in both arms.
    pub fn new(together: &[RequestBuilder], alone: &[RequestBuilder]) -> Self {
        Self {
            server: 0,
            options: ModelOptions::default(),
            on_cpu_share: [None; 2],
            together: together.to_vec(),
            alone: alone.to_vec(),
        }
    }

    #[must_use]
    pub fn on(self, server: u32) -> Self {
        Self { server, ..self }
    }

    /// The same calls with so much of the model on the CPU, together and alone.
    #[must_use]
    pub fn on_cpu(self, together: f64, alone: f64) -> Self {
        let on_cpu_share = [together, alone].map(Some);
        Self {
            on_cpu_share,
            ..self
        }
    }

    #[must_use]
    pub fn context(self, num_ctx: i64) -> Self {
        let options = context(num_ctx);
        Self { options, ..self }
    }
}

pub fn two_arms(config: &str, repetition: u32, state: &str, agents: &[Calls]) -> RunObservation {
    let build = |of: fn(&Calls) -> (&[RequestBuilder], Option<f64>)| {
        let agents = agents.iter().zip(0..).map(|(calls, place)| {
            let (requests, on_cpu_share) = of(calls);
            let requests = requests.iter().map(|call| call.build()).collect();
            AgentObservation {
                on_cpu_share,
                ..agent(place, calls.server, calls.options.clone(), requests)
            }
        });
        agents.collect()
    };
    let together = build(|calls| (&calls.together, calls.on_cpu_share[0]));
    let together = arm(Arm::Together, state, together);
    let sequential = build(|calls| (&calls.alone, calls.on_cpu_share[1]));
    let sequential = arm(Arm::Sequential, state, sequential);
    run(config, repetition, Some(together), Some(sequential))
}

/// A run of both arms from an unloaded server, with a probe of 100 ms for each agent.
pub fn unloaded(config: &str, repetition: u32, agents: &[Calls]) -> RunObservation {
    let probe = |agent| WarmLoad {
        agent,
        load: Nanos::from_millis(100),
    };
    let mut observed = two_arms(config, repetition, "unloaded", agents);
    observed.probes = (0..agents.len() as u32).map(probe).collect();
    observed
}
