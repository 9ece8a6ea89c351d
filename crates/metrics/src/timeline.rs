//! Timelines whose answers are known, for tests and studies of the figures.

use domain::plan::{Arm, ConfigId};
use domain::record::ServerCounters;
use domain::record::{Provenance, TokenSource};
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use crate::observation::{
    AgentObservation, ArmObservation, Dataset, RequestTimes, RunObservation, WarmLoad,
};

/// A request under construction: its phases follow one another from `sent` on.
#[derive(Debug, Clone, Copy)]
pub struct RequestBuilder {
    sent: Nanos,
    load: Nanos,
    slot: Nanos,
    prefill: Nanos,
    tokens: u64,
    slow: Option<(u64, Nanos)>,
    per_token: Nanos,
    permit: Option<Nanos>,
}

/// A request sent so many milliseconds after the start.
pub fn request(sent_ms: u64) -> RequestBuilder {
    RequestBuilder::at(Nanos::from_millis(sent_ms))
}

impl RequestBuilder {
    /// A request sent at a moment.
    pub fn at(sent: Nanos) -> Self {
        Self {
            sent,
            load: Nanos::ZERO,
            slot: Nanos::ZERO,
            prefill: Nanos::ZERO,
            tokens: 0,
            slow: None,
            per_token: Nanos::ZERO,
            permit: None,
        }
    }

    /// What its phases before decoding take.
    #[must_use]
    pub fn phases(mut self, load: Nanos, slot: Nanos, prefill: Nanos) -> Self {
        (self.load, self.slot, self.prefill) = (load, slot, prefill);
        self
    }

    /// Its tokens, and what each takes.
    #[must_use]
    pub fn tokens(mut self, tokens: u64, per_token: Nanos) -> Self {
        (self.tokens, self.per_token) = (tokens, per_token);
        self
    }

    /// The first `count` tokens take `per_token` instead.
    #[must_use]
    pub fn first_tokens(mut self, count: u64, per_token: Nanos) -> Self {
        self.slow = Some((count, per_token));
        self
    }

    /// The request as it was observed.
    pub fn build(self) -> RequestTimes {
        let sent = Stamp::ZERO + self.sent;
        let begin = sent + self.load + self.slot + self.prefill;
        let mut at = begin;
        let mut chunks = Vec::new();
        for token in 0..self.tokens {
            at = at
                + match self.slow {
                    Some((count, slow)) if token < count => slow,
                    _ => self.per_token,
                };
            chunks.push(at);
        }
        RequestTimes {
            scheduled: sent - self.permit.unwrap_or_default(),
            admission_wait: self.permit,
            sent: Some(sent),
            first_token: chunks.first().copied(),
            last_token: chunks.last().copied(),
            done: Some(at),
            ended: at,
            chunks,
            tokens: self.tokens,
            tokens_from: TokenSource::Server,
            counters: ServerCounters {
                total: Some(at.since(sent)),
                load: Some(self.load),
                prompt_eval: Some(self.prefill),
                prompt_eval_count: Some(10),
                eval: (self.tokens > 0).then(|| at.since(begin)),
                eval_count: (self.tokens > 0).then_some(self.tokens),
                ..ServerCounters::default()
            },
            outcome: Outcome::Completed,
            ..RequestTimes::default()
        }
    }
}

impl RequestBuilder {
    /// It waited so many milliseconds for a permit before it was sent.
    #[must_use]
    pub fn permit(mut self, ms: u64) -> Self {
        self.permit = Some(Nanos::from_millis(ms));
        self
    }

    /// `load`, ms.
    #[must_use]
    pub fn load(mut self, ms: u64) -> Self {
        self.load = Nanos::from_millis(ms);
        self
    }

    /// Its wait for a slot, ms.
    #[must_use]
    pub fn slot(mut self, ms: u64) -> Self {
        self.slot = Nanos::from_millis(ms);
        self
    }

    /// Its prefill, ms.
    #[must_use]
    pub fn prefill(mut self, ms: u64) -> Self {
        self.prefill = Nanos::from_millis(ms);
        self
    }

    /// Its tokens, and the milliseconds that each takes.
    #[must_use]
    pub fn decode(self, tokens: u64, per_token_ms: u64) -> Self {
        self.tokens(tokens, Nanos::from_millis(per_token_ms))
    }

    /// The first `count` tokens take so many milliseconds instead.
    #[must_use]
    pub fn slow(self, count: u64, per_token_ms: u64) -> Self {
        self.first_tokens(count, Nanos::from_millis(per_token_ms))
    }
}

/// An agent on a server.
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
        span: None,
        rate_recorded: None,
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

/// A run of both arms.
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
        manifest: None,
        environment: None,
        source: "a test".to_owned(),
        runs,
        published: Vec::new(),
        telemetry: Vec::new(),
        contexts: Vec::new(),
        warnings: Vec::new(),
    }
}

/// An agent of a run of two arms: its server, its options, and its calls together and alone.
#[derive(Debug, Clone)]
pub struct Calls {
    server: u32,
    options: ModelOptions,
    together: Vec<RequestBuilder>,
    alone: Vec<RequestBuilder>,
}

impl Calls {
    /// Calls to the first server with default options, as many in both arms.
    pub fn new(together: &[RequestBuilder], alone: &[RequestBuilder]) -> Self {
        Self {
            server: 0,
            options: ModelOptions::default(),
            together: together.to_vec(),
            alone: alone.to_vec(),
        }
    }

    /// The same calls on another server.
    #[must_use]
    pub fn on(self, server: u32) -> Self {
        Self { server, ..self }
    }

    /// The same calls with a context length of their own.
    #[must_use]
    pub fn context(self, num_ctx: i64) -> Self {
        let options = context(num_ctx);
        Self { options, ..self }
    }
}

/// A run of both arms from the stated state.
pub fn two_arms(config: &str, repetition: u32, state: &str, agents: &[Calls]) -> RunObservation {
    let build = |of: fn(&Calls) -> &[RequestBuilder]| {
        let agents = agents.iter().zip(0..).map(|(calls, place)| {
            let requests = of(calls).iter().map(|call| call.build()).collect();
            agent(place, calls.server, calls.options.clone(), requests)
        });
        agents.collect()
    };
    let together = arm(Arm::Together, state, build(|calls| &calls.together));
    let sequential = arm(Arm::Sequential, state, build(|calls| &calls.alone));
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
