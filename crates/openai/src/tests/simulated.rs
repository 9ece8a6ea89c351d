//! Tests against the simulator's `/v1`, which shares no code with this client.

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Outcome};
use simulator::profile::Profile;
use simulator::{LogLine, RequestLog, Simulator, SimulatorConfig};

use crate::{Client, Settings};

/// A simulator in virtual time, and its client.
async fn start(chunk_tokens: usize) -> (Simulator, Client, Clock) {
    let clock = Clock::start_virtual();
    let mut profile = Profile::builtin("rtx4080-laptop").unwrap();
    // The server's stamps then equal the client's. Latencies are drawn per request, and two
    // protocols are two requests.
    profile.network.latency_min_ms = 0.0;
    profile.network.latency_max_ms = 0.0;
    let mut config = SimulatorConfig::new(profile, clock.clone());
    config.chunk_tokens = chunk_tokens;
    let simulator = Simulator::start(config).await.unwrap();
    let url = format!("{}/v1", simulator.endpoints()[0]);
    let client = Client::new(Settings::new(clock.clone(), Timeouts::default()), &url).unwrap();
    (simulator, client, clock)
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

/// The chat exchange as the server logged it.
fn logged(simulator: &Simulator) -> RequestLog {
    let mut lines = simulator.log().into_iter();
    let chat = lines.find_map(|line| match line {
        LogLine::Request(request) if request.path == "/v1/chat/completions" => Some(request),
        _ => None,
    });
    chat.unwrap()
}

#[test]
fn counts_and_stamps_are_the_servers() {
    for chunk_tokens in [1, 4] {
        clock::virtual_runtime().unwrap().block_on(async {
            let (simulator, client, _) = start(chunk_tokens).await;
            let mut exchange = Exchange::default();
            let outcome = client.generate(&call(40), &mut exchange).await;
            assert_eq!(outcome, Outcome::Completed);
            assert_eq!(exchange.done_reason.as_deref(), Some("length"));
            let times = exchange.times;
            assert_eq!(times.counters.eval_count, Some(40));
            // The client's chunks equal the server's, and a chunk is not a token.
            let seen = logged(&simulator);
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

#[test]
fn the_same_run_has_the_same_stamps_and_native_agrees() {
    let run = |is_native| {
        clock::virtual_runtime().unwrap().block_on(async {
            let (simulator, client, clock) = start(1).await;
            let mut exchange = Exchange::default();
            let outcome = if is_native {
                let url = &simulator.endpoints()[0];
                let client =
                    ollama::Client::new(Settings::new(clock, Timeouts::default()), url).unwrap();
                let mut call = call(30);
                call.history = Some(Vec::new());
                // The defaults of `/v1`.
                (call.options.temperature, call.options.top_p) = (Some(1.0), Some(1.0));
                client.generate(&call, &mut exchange).await
            } else {
                client.generate(&call(30), &mut exchange).await
            };
            assert_eq!(outcome, Outcome::Completed);
            exchange.times
        })
    };
    let [first, second, native] = [false, false, true].map(run);
    assert_eq!(first, second);
    // The same request shows the same TTFT: only framing differs.
    assert_eq!(native.chunks, first.chunks);
}

#[test]
fn the_simulator_names_itself_and_has_its_models() {
    clock::virtual_runtime().unwrap().block_on(async {
        let (_simulator, client, _) = start(1).await;
        let identity = client.identify().await.unwrap();
        assert_eq!(identity.kind, "tandem-simulator /v1");
        assert!(identity.is_simulator() && crate::wire::is_kind(&identity.kind));
        assert!(!identity.holds_model());
        assert!(client.find_model("gemma3:latest").await.unwrap().is_some());
        assert_eq!(client.find_model("nosuch").await.unwrap(), None);
    });
}
