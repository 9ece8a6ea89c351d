//! Reads the metadata of servers and probes them with short requests.

use clock::Clock;
use document::output::say;
use domain::backend::{ChatBackend, Exchange, GenerateCall, LoadedModel};
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions, Nanos, Outcome};
use futures_util::future::join_all;

use super::facts::{PlanFacts, ServerReport};
use super::keep_alive;
use super::memory::{self, Need, Shape};
use super::slots::{self, Probe, Window};
use crate::flags::HttpFlags;
use crate::folder;
use crate::target::{self, Found, LIMITS};

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

/// Reads servers for a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inspection<'p> {
    pub(super) plan: &'p PlanFacts,
    pub(super) http: &'p HttpFlags,
    pub(super) clock: &'p Clock,
    pub(super) simulated: bool,
}

impl Inspection<'_> {
    /// Reads a server's metadata, without a generation request.
    pub(super) async fn look(self, found: &Found) -> Result<ServerReport, Fatal> {
        let endpoint = &found.facts;
        let kind = &endpoint.server.kind;
        let compatible = openai::wire::is_kind(kind);
        let backend = target::client(endpoint, self.http, self.clock, LIMITS)?;
        let reported = |name: &str| found.reported.get(name).and_then(|n| n.parse().ok());
        let mut info = None;
        if let (Some(model), false) = (&endpoint.model, compatible) {
            let settings = target::settings(self.http, self.clock, LIMITS)?;
            let client = ollama::Client::new(settings, &endpoint.url).map_err(Fatal::usage)?;
            info = client.model_info(&model.name).await.ok();
        }
        let mut report = ServerReport {
            server: endpoint.server.clone(),
            loads_on_demand: !compatible,
            simulated: self.simulated,
            key_sent: !self.simulated && target::api_key()?.is_some(),
            model: endpoint.model.clone(),
            has: found.models.clone(),
            slots_reported: reported("slots"),
            context_reported: reported("context_per_slot"),
            options_not_sent: target::not_sent(&self.plan.options, kind),
            architecture: info.as_ref().and_then(memory::architecture),
            shape: info.as_ref().and_then(Shape::of),
            loaded_before: backend.loaded().await.ok(),
            ..ServerReport::default()
        };
        report.need = self.need(&report);
        Ok(report)
    }

    /// The memory of the plan's largest configuration. The server's default context is that of the model that the
    /// probe loaded.
    fn need(self, report: &ServerReport) -> Option<Need> {
        let default = report.loaded.as_ref().and_then(|l| l.context_length);
        let named = self.plan.largest_named_context;
        let unnamed = || default.max(named.filter(|_| default.is_some()));
        let context = self.plan.largest_context.or_else(unnamed);
        let slots = report.probe.as_ref().and_then(|probe| probe.slots.count());
        let weights = report.model.as_ref()?.size_bytes?;
        Some(Need::of(weights, report.shape.as_ref()?, context, slots))
    }

    /// The options of the configuration that needs the most memory. An unset context counts as Ollama's default.
    fn largest(self) -> ModelOptions {
        let context = |o: &ModelOptions| o.num_ctx.unwrap_or(memory::DEFAULT_CONTEXT.cast_signed());
        let layers = |o: &ModelOptions| o.num_gpu.filter(|n| *n >= 0).unwrap_or(i64::MAX);
        let options = self.plan.options.iter();
        let largest = options.max_by_key(|o| (context(o), layers(o)));
        largest.cloned().unwrap_or_default()
    }

    /// Loads the model with the largest configuration's options, sends one request and then several at the same
    /// time, and unloads the model unless it was loaded before.
    pub(super) async fn probe(self, found: &Found, report: &mut ServerReport) -> Result<(), Fatal> {
        let Some(model) = &report.model else {
            return Ok(());
        };
        let clock = self.clock;
        // One more than the plan has agents, to find that many slots.
        let together = (self.plan.agents + 1).clamp(3, MOST_TOGETHER);
        if !self.simulated {
            say(format_args!(
                "Sending {} {} short requests, {together} of them at the same time, which loads the model if \
                 necessary; --no-probe skips this.",
                found.facts.url,
                together + 1,
            ));
        }
        let backend = target::client(&found.facts, self.http, clock, PROBE_LIMITS)?;
        let began = clock.now();
        let mut probe = Probe {
            together,
            num_predict: NUM_PREDICT,
            ..Probe::default()
        };
        let options = self.largest();
        let send = |n, num_predict| send(&*backend, &model.name, &options, n, num_predict);
        // The first request may load the model, so it is not one of the measured ones.
        let alone = clock.timeout(LOAD_LIMIT, send(0, NUM_PREDICT)).await;
        if let Some((window, rate)) = probe.take(alone.ok()) {
            probe.tokens_per_s_alone = rate.filter(|_| window.chunks > 1);
            let longer = rate.map_or(0.0, |rate| (rate * ANSWER_S).min(MOST_TOKENS));
            probe.num_predict = NUM_PREDICT.max(longer as i64);
            let many = join_all((1..=together as u64).map(|n| send(n, probe.num_predict)));
            let answers: Vec<_> = match clock.timeout(REQUESTS_LIMIT, many).await {
                Ok(answers) => answers.into_iter().map(Some).collect(),
                Err(_) => vec![None],
            };
            let windows = answers.into_iter().filter_map(|answer| probe.take(answer));
            let windows: Vec<Window> = windows.map(|(window, _)| window).collect();
            probe.slots = slots::infer(&windows);
        }
        probe.took_s = clock.now().since(began).as_secs_f64();
        let same = |m: &LoadedModel| m.name == model.name;
        let running = backend.loaded().await.unwrap_or_default();
        report.loaded = running.into_iter().find(same);
        if report.loads_on_demand && !report.simulated && probe.tokens_per_s_alone.is_some() {
            report.keep_alive_s = match &report.loaded {
                None => Some(0.0),
                Some(loaded) => {
                    let expiry = loaded.expires_at.as_deref();
                    expiry.and_then(|expiry| keep_alive::left(folder::wall_clock(), expiry))
                }
            };
        }
        let was_loaded = report.loaded_before.iter().flatten().any(same);
        if report.loads_on_demand && !was_loaded && report.loaded.is_some() {
            // A failure is harmless: the server unloads an idle model by itself.
            let _ = clock
                .timeout(LIMITS.total, backend.unload(&model.name))
                .await;
        }
        report.probe = Some(probe);
        report.need = self.need(report);
        Ok(())
    }
}

/// Sends request number `n` of a probe.
async fn send(
    backend: &dyn ChatBackend,
    model: &str,
    options: &ModelOptions,
    n: u64,
    num_predict: i64,
) -> (Outcome, Exchange) {
    let call = GenerateCall {
        model: model.to_owned(),
        // Different starts, so that no prompt cache answers one of them sooner.
        prompt: format!("{n}: count from one to one hundred, in words."),
        options: ModelOptions {
            num_predict: Some(num_predict),
            seed: Some(n.cast_signed() + 1),
            ..options.clone()
        },
        ..GenerateCall::default()
    };
    let mut exchange = Exchange::default();
    let outcome = backend.generate(&call, &mut exchange).await;
    (outcome, exchange)
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
        let times = exchange.times;
        let window = Window {
            sent: times.sent?,
            first: times.first_token?,
            last: times.last_token?,
            chunks: times.chunks.len(),
        };
        let tokens = times.counters.eval_count;
        let tokens = tokens.unwrap_or(window.chunks as u64);
        let span = window.last.since(window.first);
        let rate = (tokens > 1 && span > Nanos::ZERO && !times.is_gathered())
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
