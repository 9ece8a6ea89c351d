//! What only this protocol has: typed calls, and replies that are not streamed. `transport` tests what
//! both clients do.

use clock::Clock;
use domain::backend::{BackendError, ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Outcome, Stamp, TimeoutPhase};
use scripted::{Server, Step, json, ok};

use crate::Settings;
use crate::wire::Request;

/// A server that follows these scripts in virtual time, and its client.
async fn served(scripts: Vec<Vec<Step>>, limits: Timeouts) -> (Server, crate::Client) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, scripts).await;
    let settings = Settings::new(clock, limits);
    let client = crate::Client::new(settings, &server.address.to_string()).unwrap();
    (server, client)
}

const PS: &str = r#"{"models":[{"name":"gemma3:latest","size":6,"size_vram":5,
    "expires_at":"2318-01-01T00:00:00Z","context_length":4096}]}"#;
const UNLOADED: &str = r#"{"done":true,"done_reason":"unload"}"#;

#[tokio::test(start_paused = true)]
async fn the_server_and_its_models_are_read() {
    let tags = r#"{"models":[{"name":"gemma3:latest","size":3338801804,"digest":"a2af",
        "details":{"parameter_size":"4.3B","quantization_level":"Q4_K_M"}}]}"#;
    let replies = [
        r#"{"version":"0.33.0"}"#,
        r#"{"version":"0.33.0","server":"tandem-simulator"}"#,
        tags,
        tags,
        PS,
        r#"{"model_info":{"gemma3.block_count":34}}"#,
    ];
    let (server, client) = served(replies.map(ok).to_vec(), Timeouts::default()).await;
    let read = (
        client.identify().await,
        client.identify().await,
        client.find_model("Gemma3").await,
        client.find_model("gemma3:1b").await,
        client.loaded().await,
        client.model_info("gemma3").await,
    );
    insta::assert_debug_snapshot!("read", read);
    let requests = (0..6).map(|n| server.request(n));
    let requests = requests.map(|seen| (seen.line, seen.body));
    insta::assert_debug_snapshot!("requests", requests.collect::<Vec<_>>());
    let head = server.request(4).head;
    assert!(head.contains("x-tandem-exchange"), "GETs are posted too");
}

#[tokio::test(start_paused = true)]
async fn preload_waits_for_the_load_and_unload_until_the_model_is_listed_no_longer() {
    let loaded = ok(r#"{"response":"","done":true,"done_reason":"load"}"#);
    let script = [vec![Step::Wait(3500)], loaded].concat();
    let unloading = [UNLOADED, PS, PS, r#"{"models":[]}"#].map(ok);
    let scripts = [vec![script], unloading.to_vec()].concat();
    let (server, client) = served(scripts, Timeouts::default()).await;
    let options = ModelOptions {
        num_gpu: Some(60),
        ..ModelOptions::default()
    };
    client.preload("gemma3", &options).await.unwrap();
    assert_eq!(server.clock.now(), Stamp(3_500_000_000));
    client.unload("gemma3").await.unwrap();
    assert_eq!(server.clock.now(), Stamp(3_600_000_000));
    for (n, member) in [(0, r#""options":{"num_gpu":60}"#), (1, r#""keep_alive":0"#)] {
        let body = format!(r#"{{"model":"gemma3","prompt":"","stream":true,{member}}}"#);
        assert_eq!(server.request(n).body, body);
    }
}

#[tokio::test(start_paused = true)]
async fn unload_gives_up_at_the_total_limit() {
    let mut replies = vec![ok(PS); 11];
    replies[0] = ok(UNLOADED);
    let limits = Timeouts {
        total: Nanos::from_millis(220),
        ..Timeouts::default()
    };
    let (server, client) = served(replies, limits).await;
    let error = client.unload("gemma3:latest").await.unwrap_err();
    let total = TimeoutPhase::Total;
    assert!(matches!(error, BackendError::TimedOut { phase, .. } if phase == total));
    assert_eq!(server.clock.now(), Stamp(220_000_000));
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_name_the_endpoint_and_the_reason() {
    let not_found = json("404 Not Found", r#"{"error":"model 'nope' not found"}"#);
    let html = vec![Step::Head("200 OK", "text/html"), Step::End];
    let replies = vec![
        not_found.clone(),
        not_found,
        ok(r#"{"models": 7}"#),
        html,
        ok(r#"{"done":false}"#),
    ];
    let (server, client) = served(replies, Timeouts::default()).await;
    let options = ModelOptions::default();
    let errors = [
        client.model_info("nope").await.map(|_| ()),
        client.preload("nope", &options).await,
        client.tags().await.map(|_| ()),
        client.loaded().await.map(|_| ()),
        client.preload("m", &options).await,
    ];
    let errors = errors.map(|called| match called.unwrap_err() {
        BackendError::Failed {
            failure,
            message,
            endpoint,
        } => {
            assert_eq!(endpoint, format!("http://{}", server.address));
            format!("{failure:?}: {message}")
        }
        error @ BackendError::TimedOut { .. } => panic!("{error}"),
    });
    insta::assert_debug_snapshot!(errors);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_streamed_takes_the_same_path() {
    let reply = r#"{"message":{"role":"assistant","content":"ab","thinking":"t"},"done":true,"eval_count":3}"#;
    let script = [vec![Step::Wait(700)], ok(reply)].concat();
    let (server, client) = served(vec![script], Timeouts::default()).await;
    let mut request = Request::from(&GenerateCall {
        model: "m".to_owned(),
        prompt: "hi".to_owned(),
        history: Some(Vec::new()),
        ..GenerateCall::default()
    });
    request.stream = false;
    let mut exchange = Exchange::default();
    let outcome = client.run(&request, &mut exchange).await;
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!([exchange.text, exchange.thinking], ["ab", "t"]);
    assert_eq!(exchange.times.done, Some(Stamp(700_000_000)));
    assert_eq!(exchange.times.first_token, exchange.times.done);
    assert_eq!(exchange.times.counters.eval_count, Some(3));
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}"#;
    assert_eq!(server.request(0).body, body);
}

#[tokio::test(start_paused = true)]
async fn replies_are_read_with_members_missing_unknown_null_or_wrong() {
    let tags = r#"{"models":[
        {"name":"a:1b","size":5,"details":{"parameter_size":null,"quantization_level":"Q4_0"}},
        {"name":"b","new_member":1,"size":-5,"digest":7,"details":"x"},
        null,
        {"size":1e999}
    ]}"#;
    let running = r#"{"models":[{"name":"a","size":"5","size_vram":0,"context_length":4096.0,"expires_at":{}}]}"#;
    let replies = [tags, running].map(ok).to_vec();
    let (_server, client) = served(replies, Timeouts::default()).await;
    let read = (client.tags().await.unwrap(), client.loaded().await.unwrap());
    assert_eq!(
        serde_json::to_value(read).unwrap(),
        serde_json::json!([
            [{ "name": "a:1b", "size_bytes": 5, "quantization": "Q4_0" }, { "name": "b" }, { "name": "" }],
            [{ "name": "a", "size_vram_bytes": 0, "context_length": 4096 }],
        ])
    );
}
