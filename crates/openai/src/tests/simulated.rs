//! Tests against the simulator's `/v1`, which shares no code with this client.

use std::future::Future;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Outcome};
use simulator::profile::Profile;
use simulator::{LogLine, RequestLog, Simulator, SimulatorConfig};

use crate::{Client, ServerFacts};

const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(1),
    first_byte: Nanos::from_secs(60),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(600),
};

fn virtually(body: impl Future<Output = ()>) {
    clock::virtual_runtime().unwrap().block_on(body);
}

async fn start(clock: &Clock, change: impl FnOnce(&mut SimulatorConfig)) -> (Simulator, Client) {
    let mut profile = Profile::builtin("rtx4080-laptop").unwrap();
    // The server's stamps then equal the client's. Latencies are drawn per request, and two
    // protocols are two requests.
    profile.network.latency_min_ms = 0.0;
    profile.network.latency_max_ms = 0.0;
    let mut config = SimulatorConfig::new(profile, clock.clone());
    change(&mut config);
    let simulator = Simulator::start(config).await.unwrap();
    let url = format!("{}/v1", simulator.endpoints()[0]);
    let client = Client::new(&url, clock.clone(), LIMITS).unwrap();
    (simulator, client)
}

fn call(num_predict: i64) -> GenerateCall {
    GenerateCall {
        model: "gemma3:latest".to_owned(),
        prompt: "say something long".to_owned(),
        options: ModelOptions {
            num_predict: Some(num_predict),
            seed: Some(7),
            ..ModelOptions::default()
        },
        ..GenerateCall::default()
    }
}

/// The chat exchanges as the server logged them.
fn chats(simulator: &Simulator) -> Vec<RequestLog> {
    let lines = simulator.log().into_iter();
    lines
        .filter_map(|line| match line {
            LogLine::Request(request) if request.path == "/v1/chat/completions" => Some(request),
            _ => None,
        })
        .collect()
}

#[test]
fn counts_and_stamps_are_the_servers() {
    for chunk_tokens in [1, 4] {
        virtually(async {
            let clock = Clock::start_virtual();
            let (simulator, client) = start(&clock, |config| {
                config.chunk_tokens = chunk_tokens;
            })
            .await;
            let mut exchange = Exchange::default();
            let outcome = client.generate(&call(40), &mut exchange).await;
            assert_eq!(outcome, Outcome::Completed);
            assert_eq!(exchange.done_reason.as_deref(), Some("length"));
            let times = exchange.times;
            assert_eq!(times.counters.eval_count, Some(40));
            // The client's chunks equal the server's, and a chunk is not a token.
            let seen = &chats(&simulator)[0];
            assert_eq!(times.chunks.len() as u64, seen.chunks);
            assert_eq!(seen.chunks, 40_u64.div_ceil(chunk_tokens as u64));
            assert!(times.counters.prompt_eval_count > Some(3));
            // The server reports no durations.
            assert_eq!((times.counters.total, times.counters.eval), (None, None));
            // The model had to be loaded, which takes seconds; TTFT includes all of it.
            let ttft = times.first_token.unwrap().since(times.sent.unwrap());
            assert!(ttft > Nanos::from_secs(1), "{ttft}");
            assert_eq!(times.sent, Some(seen.received));
            assert_eq!(times.headers, seen.responded);
            assert_eq!(times.first_token, times.headers);
        });
    }
}

/// One exchange's stamps from the first to the last.
async fn stamps() -> Vec<u64> {
    let clock = Clock::start_virtual();
    let (_simulator, client) = start(&clock, |_| {}).await;
    let mut exchange = Exchange::default();
    client.generate(&call(30), &mut exchange).await;
    let mut all = vec![
        exchange.times.sent.unwrap().0,
        exchange.times.headers.unwrap().0,
    ];
    all.extend(exchange.times.chunks.iter().map(|at| at.0));
    all.push(exchange.times.done.unwrap().0);
    all
}

#[test]
fn the_same_run_has_the_same_stamps_and_native_agrees() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        virtually(async { runs.push(stamps().await) });
    }
    assert_eq!(runs[0], runs[1]);
    // Through the native protocol the same request shows the same TTFT: only framing differs.
    virtually(async {
        let clock = Clock::start_virtual();
        let (simulator, _) = start(&clock, |_| {}).await;
        let url = simulator.endpoints().remove(0);
        let client = ollama::Client::new(&url, clock.clone(), LIMITS).unwrap();
        let mut request = ollama::wire::Request::chat(
            "gemma3:latest",
            vec![ollama::wire::Message::new("user", "say something long")],
        );
        // The defaults of `/v1`.
        request.options = ModelOptions {
            temperature: Some(1.0),
            top_p: Some(1.0),
            ..call(30).options
        };
        let mut exchange = Exchange::default();
        let outcome = client.run(&request, &mut exchange).await;
        assert_eq!(outcome, Outcome::Completed);
        let native: Vec<u64> = exchange.times.chunks.iter().map(|at| at.0).collect();
        assert_eq!(native, runs[0][2..runs[0].len() - 1]);
    });
}

#[test]
fn the_simulator_names_itself_and_has_its_models() {
    virtually(async {
        let clock = Clock::start_virtual();
        let (_simulator, client) = start(&clock, |_| {}).await;
        let ServerFacts { identity, .. } = client.look().await.unwrap();
        assert_eq!(identity.kind, "tandem-simulator /v1");
        assert!(identity.is_simulator() && crate::wire::is_kind(&identity.kind));
        assert!(!identity.holds_model());
        assert!(client.find_model("gemma3:latest").await.unwrap().is_some());
        assert_eq!(client.find_model("nosuch").await.unwrap(), None);
    });
}
