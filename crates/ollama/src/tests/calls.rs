use clock::Clock;
use domain::backend::{BackendError, ChatBackend};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions, Nanos, Stamp, TimeoutPhase};

use crate::wire::EmbedRequest;
use scripted::{Server, Step, json};

const PS: &str = r#"{"models":[{"name":"gemma3:latest","size":6,"size_vram":5,
    "expires_at":"2318-01-01T00:00:00Z","context_length":4096}]}"#;
const NO_PS: &str = r#"{"models":[]}"#;

#[tokio::test(start_paused = true)]
async fn the_server_and_its_models_are_read() {
    let clock = Clock::start_virtual();
    let tags = r#"{"models":[{"name":"gemma3:latest","size":3338801804,"digest":"a2af",
        "details":{"parameter_size":"4.3B","quantization_level":"Q4_K_M"}}]}"#;
    let server = Server::start(
        &clock,
        vec![
            json("200 OK", r#"{"version":"0.33.0"}"#),
            json(
                "200 OK",
                r#"{"version":"0.33.0","server":"tandem-simulator"}"#,
            ),
            json("200 OK", tags),
            json("200 OK", tags),
            json("200 OK", PS),
            json(
                "200 OK",
                r#"{"capabilities":["completion"],"model_info":{"gemma3.block_count":34}}"#,
            ),
            json(
                "200 OK",
                r#"{"model":"e","embeddings":[[0.5,-1.0]],"prompt_eval_count":2}"#,
            ),
        ],
    )
    .await;
    let client = super::client(&server, Timeouts::default());
    assert_eq!(client.endpoint(), format!("http://{}", server.address));
    let identity = client.identify().await.unwrap();
    assert_eq!(
        (identity.kind.as_str(), identity.version.as_str()),
        ("ollama", "0.33.0")
    );
    assert_eq!(client.identify().await.unwrap().kind, "tandem-simulator");
    let model = client.find_model("Gemma3").await.unwrap().unwrap();
    assert_eq!(model.digest.as_deref(), Some("a2af"));
    assert_eq!(model.size_bytes, Some(3_338_801_804));
    assert_eq!(model.quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!(client.find_model("gemma3:1b").await.unwrap(), None);
    let loaded = client.loaded().await.unwrap();
    assert_eq!(loaded[0].context_length, Some(4096));
    assert_eq!(
        (loaded[0].size_bytes, loaded[0].size_vram_bytes),
        (Some(6), Some(5))
    );
    let shown = client.show("gemma3", false).await.unwrap();
    assert_eq!(shown.model_info["gemma3.block_count"], 34);
    let request = EmbedRequest::new("e", vec!["x".to_owned()]);
    let vectors = client.embed(&request).await.unwrap();
    assert_eq!(vectors.embeddings, [[0.5, -1.0]]);

    let lines: Vec<_> = (0..7).map(|n| server.request(n).line).collect();
    assert_eq!(lines[0], "GET /api/version HTTP/1.1");
    assert_eq!(lines[4], "GET /api/ps HTTP/1.1");
    assert_eq!(
        server.request(5).body,
        r#"{"model":"gemma3","verbose":false}"#
    );
    assert!(
        server.request(4).head.contains("x-tandem-exchange"),
        "GETs are posted too"
    );
}

#[tokio::test(start_paused = true)]
async fn preload_sends_options_and_an_empty_prompt_and_waits_for_the_load() {
    let clock = Clock::start_virtual();
    let mut script = vec![Step::Wait(3500)];
    script.extend(json(
        "200 OK",
        r#"{"response":"","done":true,"done_reason":"load"}"#,
    ));
    let server = Server::start(&clock, vec![script]).await;
    let options = ModelOptions {
        num_gpu: Some(60),
        ..ModelOptions::default()
    };
    super::client(&server, Timeouts::default())
        .preload("gemma3", &options)
        .await
        .unwrap();
    assert_eq!(clock.now(), Stamp(3_500_000_000));
    assert_eq!(
        server.request(0).body,
        r#"{"model":"gemma3","prompt":"","stream":true,"options":{"num_gpu":60}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn unload_waits_until_the_model_is_listed_no_longer() {
    let clock = Clock::start_virtual();
    let server = Server::start(
        &clock,
        vec![
            json("200 OK", r#"{"done":true,"done_reason":"unload"}"#),
            json("200 OK", PS),
            json("200 OK", PS),
            json("200 OK", NO_PS),
        ],
    )
    .await;
    super::client(&server, Timeouts::default())
        .unload("gemma3")
        .await
        .unwrap();
    assert_eq!(clock.now(), Stamp(100_000_000));
    assert_eq!(
        server.request(0).body,
        r#"{"model":"gemma3","prompt":"","stream":true,"keep_alive":0}"#
    );
}

#[tokio::test(start_paused = true)]
async fn unload_gives_up_at_the_total_limit() {
    let clock = Clock::start_virtual();
    let mut scripts = vec![json("200 OK", r#"{"done":true,"done_reason":"unload"}"#)];
    scripts.extend(std::iter::repeat_n(json("200 OK", PS), 10));
    let server = Server::start(&clock, scripts).await;
    let client = super::client(
        &server,
        Timeouts {
            total: Nanos::from_millis(220),
            ..Timeouts::default()
        },
    );
    let error = client.unload("gemma3:latest").await.unwrap_err();
    assert!(matches!(
        error,
        BackendError::TimedOut {
            phase: TimeoutPhase::Total,
            ..
        }
    ));
    assert_eq!(clock.now(), Stamp(220_000_000));
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_name_the_endpoint_and_the_reason() {
    let clock = Clock::start_virtual();
    let not_found = json("404 Not Found", r#"{"error":"model 'nope' not found"}"#);
    let server = Server::start(
        &clock,
        vec![
            not_found.clone(),
            not_found,
            json("200 OK", r#"{"models": 7}"#),
            vec![Step::Head("200 OK", "text/html"), Step::End],
            json("200 OK", r#"{"done":false}"#),
        ],
    )
    .await;
    let client = super::client(&server, Timeouts::default());
    let kind = |error: BackendError| match error {
        BackendError::Failed { failure, .. } => failure,
        BackendError::TimedOut { .. } => panic!("{error}"),
    };
    let error = client.show("nope", false).await.unwrap_err();
    let expected = format!(
        "http://{}: model 'nope' not found; to get it: ollama pull nope",
        server.address
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(kind(error), FailureKind::ModelNotFound);
    let error = client
        .preload("nope", &ModelOptions::default())
        .await
        .unwrap_err();
    assert_eq!(kind(error), FailureKind::ModelNotFound);
    assert_eq!(
        kind(client.tags().await.unwrap_err()),
        FailureKind::Malformed
    );
    assert_eq!(
        kind(client.ps().await.unwrap_err()),
        FailureKind::WrongContentType
    );
    let error = client
        .preload("m", &ModelOptions::default())
        .await
        .unwrap_err();
    assert_eq!(kind(error), FailureKind::Malformed);
}
