//! Builds timelines whose answers are known, for tests and for validation.

use domain::backend::ServerCounters;
use domain::plan::{Arm, ConfigId};
use domain::record::TokenSource;
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use crate::observation::{
    AgentObservation, ArmObservation, RequestObservation, RunObservation, StampSource,
};

/// A request under construction: its phases follow one another from `sent` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestBuilder {
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
#[cfg(test)]
pub(crate) fn request(sent_ms: u64) -> RequestBuilder {
    RequestBuilder::at(Nanos::from_millis(sent_ms))
}

impl RequestBuilder {
    pub(crate) fn at(sent: Nanos) -> Self {
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

    pub(crate) fn phases(mut self, load: Nanos, slot: Nanos, prefill: Nanos) -> Self {
        (self.load, self.slot, self.prefill) = (load, slot, prefill);
        self
    }

    pub(crate) fn tokens(mut self, tokens: u64, per_token: Nanos) -> Self {
        (self.tokens, self.per_token) = (tokens, per_token);
        self
    }

    /// The first `count` tokens take `per_token` instead.
    pub(crate) fn first_tokens(mut self, count: u64, per_token: Nanos) -> Self {
        self.slow = Some((count, per_token));
        self
    }

    pub(crate) fn build(self) -> RequestObservation {
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
        RequestObservation {
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
            stamps: StampSource::Taken,
        }
    }
}

#[cfg(test)]
impl RequestBuilder {
    /// It waited so long for a permit before it was sent.
    pub(crate) fn permit(mut self, ms: u64) -> Self {
        self.permit = Some(Nanos::from_millis(ms));
        self
    }

    pub(crate) fn load(mut self, ms: u64) -> Self {
        self.load = Nanos::from_millis(ms);
        self
    }

    pub(crate) fn slot(mut self, ms: u64) -> Self {
        self.slot = Nanos::from_millis(ms);
        self
    }

    pub(crate) fn prefill(mut self, ms: u64) -> Self {
        self.prefill = Nanos::from_millis(ms);
        self
    }

    pub(crate) fn decode(self, tokens: u64, per_token_ms: u64) -> Self {
        self.tokens(tokens, Nanos::from_millis(per_token_ms))
    }

    pub(crate) fn slow(self, count: u64, per_token_ms: u64) -> Self {
        self.first_tokens(count, Nanos::from_millis(per_token_ms))
    }
}

/// An agent on a server.
pub(crate) fn agent(
    place: u32,
    server: u32,
    options: ModelOptions,
    requests: Vec<RequestObservation>,
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
pub(crate) fn arm(arm: Arm, state: &str, agents: Vec<AgentObservation>) -> ArmObservation {
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
pub(crate) fn run(
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
pub(crate) fn context(num_ctx: i64) -> ModelOptions {
    ModelOptions {
        num_ctx: Some(num_ctx),
        ..ModelOptions::default()
    }
}
