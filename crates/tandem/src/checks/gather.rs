//! Reads the metadata of servers and probes them with short requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall, LoadedModel};
use domain::exit::Fatal;
use domain::plan::{StatePolicy, SweepPlan, Timeouts};
use domain::{FailureKind, ModelOptions, Nanos, Outcome};
use futures_util::future::join_all;

use super::facts::{PlanFacts, ServerReport};
use super::keep_alive;
use super::memory::{self, Need, Shape};
use super::slots::{self, Probe, Slots, Window};
use crate::flags::HttpFlags;
use crate::target::{self, LIMITS, Seen};

/// Maximum time of the probe's first request, which may load the model, and of the others.
const LOAD_LIMIT: Nanos = Nanos::from_secs(300);
const REQUESTS_LIMIT: Nanos = Nanos::from_secs(120);

/// Tokens of the first request, and the least of the others.
const NUM_PREDICT: i64 = 32;
const MOST_TOKENS: f64 = 512.0;

/// Minimum time of an answer on a fast server: long compared with the delays between the sends.
const ANSWER_S: f64 = 0.3;

const MOST_TOGETHER: usize = 8;

const PROBE_LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(5),
    first_byte: LOAD_LIMIT,
    between_chunks: Nanos::from_secs(60),
    total: LOAD_LIMIT,
};

/// Concurrent requests of the probe: one more than the plan has agents, to find that many slots.
pub(super) fn together(plan: &PlanFacts) -> usize {
    (plan.agents + 1).clamp(3, MOST_TOGETHER)
}

/// The options of the configuration that needs the most memory. An unset context counts as Ollama's default.
pub(super) fn largest(plan: &SweepPlan) -> ModelOptions {
    let context = |o: &ModelOptions| o.num_ctx.unwrap_or(memory::DEFAULT_CONTEXT.cast_signed());
    let layers = |o: &ModelOptions| o.num_gpu.filter(|n| *n >= 0).unwrap_or(i64::MAX);
    plan.agents()
        .map(|agent| &agent.options)
        .max_by_key(|o| (context(o), layers(o)))
        .cloned()
        .unwrap_or_default()
}

pub(super) fn all_options(plan: &SweepPlan) -> Vec<&ModelOptions> {
    plan.agents().map(|agent| &agent.options).collect()
}

pub(super) fn load_facts(
    model: &str,
    agents: usize,
    options: &ModelOptions,
    endpoints: usize,
) -> PlanFacts {
    let context = options.num_ctx.and_then(|n| u64::try_from(n).ok());
    PlanFacts {
        name: "load".to_owned(),
        model: model.to_owned(),
        configs: 1,
        agents,
        servers: endpoints,
        largest_context: context,
        largest_named_context: context,
        ..PlanFacts::default()
    }
}

/// Reads a server's metadata, without a generation request.
pub(super) async fn look(
    seen: &Seen,
    options: &[&ModelOptions],
    facts: &PlanFacts,
    (http, clock): (&HttpFlags, &Clock),
    simulated: bool,
) -> Result<ServerReport, Fatal> {
    let endpoint = &seen.found.facts;
    let kind = &endpoint.server.kind;
    let compatible = openai::wire::is_kind(kind);
    let backend = target::client(endpoint, http, clock, LIMITS)?;
    let loaded_before = backend.loaded().await.ok();
    let reported = |name: &str| seen.found.told.get(name).and_then(|n| n.parse().ok());
    let (mut shape, mut architecture) = (None, None);
    let model = endpoint.model.clone();
    if let (Some(model), false) = (&model, compatible) {
        let key = target::api_key()?.filter(|_| !simulated);
        let settings = target::settings(http, clock, LIMITS)?.api_key(key);
        let client = ollama::Client::build(settings, &endpoint.url).map_err(Fatal::usage)?;
        if let Ok(shown) = client.show(&model.name, false).await {
            shape = Shape::of(&shown.model_info);
            architecture = memory::architecture(&shown.model_info).map(str::to_owned);
        }
    }
    let need = need(
        model.as_ref().and_then(|m| m.size_bytes),
        shape.as_ref(),
        facts,
        None,
        None,
    );
    Ok(ServerReport {
        server: endpoint.server.clone(),
        loads_on_demand: !compatible,
        simulated,
        key_sent: !simulated && target::api_key()?.is_some(),
        model,
        has: seen.has.clone(),
        slots_reported: reported("slots"),
        context_reported: reported("context_per_slot"),
        options_not_sent: target::not_sent(options, kind),
        architecture,
        shape,
        need,
        loaded_before,
        loaded: None,
        keep_alive_s: None,
        probe: None,
    })
}

/// The memory of the plan's largest configuration; `seen_context` is the server's default context.
fn need(
    weights: Option<u64>,
    shape: Option<&Shape>,
    plan: &PlanFacts,
    seen_context: Option<u64>,
    slots: Option<u64>,
) -> Option<Need> {
    let context = match plan.largest_context {
        Some(named) => Some(named),
        None => seen_context.max(
            plan.largest_named_context
                .filter(|_| seen_context.is_some()),
        ),
    };
    Some(Need::of(weights?, shape?, context, slots))
}

/// Loads the model with the largest configuration's options, sends one request and then several at the same
/// time, and unloads the model unless it was loaded before.
pub(super) async fn probe(
    seen: &Seen,
    report: &mut ServerReport,
    plan: &SweepPlan,
    facts: &PlanFacts,
    (http, clock): (&HttpFlags, &Clock),
) -> Result<(), Fatal> {
    let Some(model) = &report.model else {
        return Ok(());
    };
    let backend = target::client(&seen.found.facts, http, clock, PROBE_LIMITS)?;
    let options = largest(plan);
    let began = clock.now();
    let mut probe = Probe {
        together: together(facts),
        num_predict: NUM_PREDICT,
        slots: Slots::Unknown {
            why: "no request completed".to_owned(),
        },
        tokens_per_s_alone: None,
        took_s: 0.0,
        failures: Vec::new(),
        key_refused: false,
    };
    let requests = ProbeRequests {
        backend,
        model: model.name.clone(),
        options,
    };
    // The first request may load the model, so it is not one of the measured ones.
    let alone = clock
        .timeout(LOAD_LIMIT, requests.send(0, NUM_PREDICT))
        .await;
    if let Some((window, rate)) = probe.take(alone.ok()) {
        probe.tokens_per_s_alone = rate.filter(|_| window.chunks > 1);
        let longer = rate.map_or(0.0, |rate| (rate * ANSWER_S).min(MOST_TOKENS));
        let num_predict = NUM_PREDICT.max(longer as i64);
        probe.num_predict = num_predict;
        let numbers = 1..=probe.together as u64;
        let many = join_all(numbers.map(|n| requests.send(n, num_predict)));
        let answers: Vec<_> = match clock.timeout(REQUESTS_LIMIT, many).await {
            Ok(answers) => answers.into_iter().map(Some).collect(),
            Err(_) => vec![None],
        };
        let windows: Vec<Window> = answers
            .into_iter()
            .filter_map(|answer| probe.take(answer))
            .map(|(window, _)| window)
            .collect();
        probe.slots = slots::infer(&windows);
    }
    let ended = clock.now();
    probe.took_s = ended.since(began).as_secs_f64();
    let same = |m: &LoadedModel| m.name == model.name;
    let running = requests.backend.loaded().await.unwrap_or_default();
    report.loaded = running.into_iter().find(same);
    if report.loads_on_demand && !report.simulated && probe.tokens_per_s_alone.is_some() {
        report.keep_alive_s = match &report.loaded {
            None => Some(0.0),
            Some(loaded) => loaded.expires_at.as_deref().and_then(keep_alive::from_now),
        };
    }
    let slots = match probe.slots {
        Slots::Exactly { n } | Slots::AtLeast { n } => Some(n as u64),
        Slots::Unknown { .. } => None,
    };
    report.need = need(
        model.size_bytes,
        report.shape.as_ref(),
        facts,
        report.loaded.as_ref().and_then(|l| l.context_length),
        slots,
    );
    let was_loaded = report.loaded_before.iter().flatten().any(same);
    if report.loads_on_demand && !was_loaded && report.loaded.is_some() {
        // A failure is harmless: the server unloads an idle model by itself.
        let _ = clock
            .timeout(LIMITS.total, requests.backend.unload(&model.name))
            .await;
    }
    report.probe = Some(probe);
    Ok(())
}

struct ProbeRequests {
    backend: Arc<dyn ChatBackend>,
    model: String,
    options: ModelOptions,
}

impl ProbeRequests {
    async fn send(&self, n: u64, num_predict: i64) -> (Outcome, Exchange) {
        let call = GenerateCall {
            model: self.model.clone(),
            system: None,
            history: None,
            // Different starts, so that no prompt cache answers one of them sooner.
            prompt: format!("{n}: count from one to one hundred, in words."),
            options: ModelOptions {
                num_predict: Some(num_predict),
                seed: Some(n.cast_signed() + 1),
                ..self.options.clone()
            },
            keep_alive: None,
        };
        let mut exchange = Exchange::default();
        let outcome = self.backend.generate(&call, &mut exchange).await;
        (outcome, exchange)
    }
}

impl Probe {
    /// The window and the rate of a completed request; records the failure of any other.
    fn take(&mut self, answer: Option<(Outcome, Exchange)>) -> Option<(Window, Option<f64>)> {
        let Some((outcome, exchange)) = answer else {
            return self.fail("no answer within the probe's limit");
        };
        match outcome {
            Outcome::Completed => {}
            Outcome::Failed { failure, message } => {
                self.key_refused |= matches!(failure, FailureKind::Http { status: 401 | 403 });
                return self.fail(&message);
            }
            Outcome::TimedOut { .. } => return self.fail("no answer in time"),
            Outcome::Incomplete => {
                let missing = exchange.times.notes.iter().find(|note| note.is_missing());
                return self.fail(missing.map_or("the answer ended too soon", |m| m.in_words()));
            }
            Outcome::Cancelled => return None,
        }
        let sent = exchange.times.sent?;
        let (first, last) = exchange.times.first_token.zip(exchange.times.last_token)?;
        let tokens = exchange
            .times
            .counters
            .eval_count
            .unwrap_or(exchange.times.chunks.len() as u64);
        let span = last.since(first);
        let window = Window {
            sent,
            first,
            last,
            chunks: exchange.times.chunks.len(),
        };
        let rate = (tokens > 1 && span > Nanos::ZERO && !exchange.times.is_gathered())
            .then(|| (tokens - 1) as f64 / span.as_secs_f64());
        Some((window, rate))
    }

    fn fail<T>(&mut self, message: &str) -> Option<T> {
        if !self.failures.iter().any(|known| known == message) {
            self.failures.push(message.to_owned());
        }
        None
    }
}

pub(super) fn plan_facts(plan: &SweepPlan) -> PlanFacts {
    let servers = plan.servers();
    let named = plan.agents().filter_map(|agent| agent.options.num_ctx);
    let largest_named_context = named.max().and_then(|n| u64::try_from(n).ok());
    let every_one_named = plan.agents().all(|agent| agent.options.num_ctx.is_some());
    let mut differing = BTreeSet::new();
    let mut reloading = 0;
    for config in &plan.configs {
        let mut reloads = false;
        for topology in &plan.topologies {
            for (i, one) in config.agents.iter().enumerate() {
                for (k, other) in config.agents.iter().enumerate().skip(i + 1) {
                    let same = topology.endpoint_of(i, servers) == topology.endpoint_of(k, servers);
                    let (a, b) = (&one.options, &other.options);
                    if same && (a.reloads_for(b) || b.reloads_for(a)) {
                        reloads = true;
                        differing.extend(a.runner_differences(b).iter().map(|o| o.name));
                    }
                }
            }
        }
        reloading += usize::from(reloads);
    }
    PlanFacts {
        name: plan.name.clone(),
        model: plan.model.clone(),
        configs: plan.configs.len(),
        agents: plan.most_agents(),
        servers,
        largest_context: largest_named_context.filter(|_| every_one_named),
        largest_named_context,
        reloading,
        reloading_options: differing.into_iter().collect(),
        sets_state: plan.protocol.state != StatePolicy::AsLeft,
    }
}
