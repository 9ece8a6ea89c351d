//! One load of a calibration: the real client and load loop against a server whose token times are known.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};

use clock::Clock;
use domain::Nanos;
use domain::backend::ChatBackend;
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::Timeouts;
use domain::record::{BudgetStep, HttpClient, RequestRecord};
use metrics::budget::{Compared, Truth};
use metronome::{MODEL, Pace, Server, StreamLog};
use runtime::Shutdown;
use runtime::load::{LoadPlan, LoadSetup, LoadShape, OnRecord, run_load};

use super::ladder::Load;
use crate::cpus;
use crate::process;

/// Fewer streams do not show in the memory of the process.
const LEAST_FOR_MEMORY: u32 = 16;

/// Margin of the client's timeouts: a local server that is later is stuck, as without file descriptors.
const PATIENCE: Nanos = Nanos::from_secs(30);

#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Use `/v1` instead of Ollama's own API.
    pub(super) compatible: bool,
    pub(super) http: HttpClient,
    /// CPUs to pin the server's thread to, when the client is pinned.
    pub(super) server_cpus: Vec<u32>,
    pub(super) cores: u32,
    /// Memory of the process before the first load, bytes.
    pub(super) memory: Option<u64>,
}

/// Runs one load and compares the client's timestamps with the server's. None when stopped.
pub(super) async fn step(
    load: Load,
    setting: &Setting,
    stop: &Shutdown,
) -> Result<Option<BudgetStep>, Fatal> {
    let clock = Clock::real();
    let server_cpus = setting.server_cpus.clone();
    let pin = move || {
        if !server_cpus.is_empty() {
            // An unpinned server only costs accuracy.
            let _ = cpus::hold_to(&server_cpus);
        }
    };
    let address = ([127, 0, 0, 1], 0).into();
    let server = Server::start_with(load.pace, address, clock.clone(), pin)
        .or_environment("the calibration server could not be started")?;
    let backend = client(&server, &clock, setting, load.pace)?;
    let streams = NonZeroU32::new(load.streams).ok_or_else(|| Fatal::usage("no streams"))?;
    let requests = load.streams.saturating_mul(load.rounds);
    let shape = LoadShape::Closed {
        agents: streams,
        think: Nanos::ZERO,
    };
    let plan = LoadPlan::new(shape, requests, MODEL, "tick");
    let (sender, records) = mpsc::channel();
    let on_record: OnRecord = Arc::new(move |record: RequestRecord| {
        // The receiver is dropped after the last request.
        let _ = sender.send(record);
    });
    let setup = LoadSetup::new(plan, vec![backend], clock.clone(), on_record);
    let cpu = || process::cpu_time().zip(server.cpu_time());
    let (began, before) = (clock.now(), cpu());
    let held = async {
        // Halfway through the first round every stream is open and none has made a record.
        clock.sleep(Nanos(load.pace.length().0 / 2)).await;
        process::memory()
    };
    let (end, held) = tokio::join!(run_load(setup, stop), held);
    let (after, took) = (cpu(), clock.now().since(began));
    if end?.interrupted {
        return Ok(None);
    }
    let mut log = by_seed(server.shutdown(), load.pace);
    let mut compared = Compared::default();
    for record in records.try_iter() {
        let streams = record.options.seed.and_then(|seed| log.get_mut(&seed));
        // Each stream is used once.
        let truth = streams.and_then(Vec::pop);
        compared.add(&record.times, truth.as_ref());
    }
    let tokens = compared.tokens();
    let mut step = compared.step(load.streams, load.pace.gap);
    if let Some(((all0, server0), (all1, server1))) = before.zip(after) {
        let all = all1.saturating_sub(all0);
        let ours = all.saturating_sub(server1.saturating_sub(server0));
        step.cpu_per_token_ns = (tokens > 0).then(|| Nanos(ours.0 / tokens));
        let available = took.0 as f64 * f64::from(setting.cores);
        step.cpu_used_share = Some((all.0 as f64 / available).min(1.0));
    }
    let memory = setting.memory.zip(held);
    let memory = memory.filter(|_| load.streams >= LEAST_FOR_MEMORY);
    step.memory_per_agent_bytes = memory.map(|(before, held)| {
        let more = held.saturating_sub(before) / u64::from(load.streams);
        more.saturating_sub(load.pace.log_bytes())
    });
    Ok(Some(step))
}

fn client(
    server: &Server,
    clock: &Clock,
    setting: &Setting,
    pace: Pace,
) -> Result<Arc<dyn ChatBackend>, Fatal> {
    let limits = Timeouts {
        connect: PATIENCE,
        first_byte: pace.ttft + PATIENCE,
        between_chunks: pace.gap + PATIENCE,
        total: pace.length() + PATIENCE,
    };
    let mut settings = ollama::Settings::new(clock.clone(), limits);
    settings.http = setting.http;
    let url = server.url();
    Ok(if setting.compatible {
        Arc::new(openai::Client::new(settings, &url).map_err(Fatal::environment)?)
    } else {
        Arc::new(ollama::Client::new(settings, &url).map_err(Fatal::environment)?)
    })
}

/// Complete streams by their request's sampling seed, in reverse order of arrival where several share one.
fn by_seed(mut streams: Vec<StreamLog>, pace: Pace) -> HashMap<i64, Vec<Truth>> {
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.asked));
    let mut log: HashMap<i64, Vec<Truth>> = HashMap::new();
    for stream in streams.into_iter().filter(|stream| stream.complete) {
        let Some(seed) = stream.seed else { continue };
        let tokens = (0..).zip(&stream.writes);
        let truth = Truth {
            asked: stream.asked,
            due: tokens.map(|(token, _)| stream.due(pace, token)).collect(),
            sent: stream.writes.iter().map(|write| write.started).collect(),
        };
        log.entry(seed).or_default().push(truth);
    }
    log
}
