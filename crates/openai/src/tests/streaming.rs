use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use crate::{ApiKey, ClientBuilder};
use scripted::{SSE, Server, Step, chunk};

pub(super) const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
pub(super) const FINAL: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";

const fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

pub(super) fn call() -> GenerateCall {
    GenerateCall {
        model: "m".to_owned(),
        system: None,
        history: None,
        prompt: "why?".to_owned(),
        options: ModelOptions {
            num_ctx: Some(512),
            ..ModelOptions::default()
        },
        keep_alive: None,
    }
}

#[tokio::test(start_paused = true)]
async fn every_stamp_is_exact() {
    let clock = Clock::start_virtual();
    let script = vec![
        Step::Wait(1500),
        Step::Head("200 OK", SSE),
        Step::Wait(10),
        chunk("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n"),
        Step::Wait(10),
        chunk(": keep-alive\n\n"),
        Step::Wait(10),
        chunk(&TOKEN.repeat(2)),
        Step::Wait(10),
        Step::Chunk(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xc3".to_vec()),
        Step::Wait(10),
        Step::Chunk(b"\xbc\"}}]}\r\n\r".to_vec()),
        Step::Wait(10),
        chunk(FINAL),
        Step::Wait(500),
        Step::End,
    ];
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    clock.sleep(Nanos::from_secs(2)).await;
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(), &mut exchange).await;
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(exchange.sent, Some(ms(2000)));
    assert_eq!(exchange.headers, Some(ms(3500)));
    assert_eq!(exchange.first_token, Some(ms(3530)));
    let chunks: Vec<_> = exchange.chunks.iter().map(|s| s.0 / 1_000_000).collect();
    assert_eq!(chunks, [3530, 3530, 3550]);
    assert_eq!(exchange.last_token, Some(ms(3550)));
    assert_eq!(exchange.done, Some(ms(3560)));
    assert_eq!(exchange.text, "aaü");
    assert_eq!(exchange.counters.eval_count, Some(2));
    assert_eq!(exchange.done_reason.as_deref(), Some("stop"));
}

#[tokio::test(start_paused = true)]
async fn requests_say_what_they_are_and_have_their_own_connections() {
    let clock = Clock::start_virtual();
    let script = vec![Step::Head("200 OK", SSE), chunk(FINAL), Step::End];
    let server = Server::start(&clock, vec![script.clone(), script]).await;
    let client = ClientBuilder::new(clock.clone())
        .api_key(Some(ApiKey::new("sk-secret").unwrap()))
        .build(&format!("http://{}/v1/", server.address))
        .unwrap();
    assert!(!format!("{client:?}").contains("sk-secret"));
    for _ in 0..2 {
        let outcome = client.generate(&call(), &mut Exchange::default()).await;
        assert_eq!(outcome, Outcome::Completed);
        // Time for a pool to take it back, if there were one.
        clock.sleep(Nanos::from_millis(1)).await;
    }
    let (first, second) = (server.request(0), server.request(1));
    assert_eq!(first.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(
        first.body,
        r#"{"model":"m","messages":[{"role":"user","content":"why?"}],"stream":true,"stream_options":{"include_usage":true}}"#
    );
    let head = first.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("authorization: bearer sk-secret"), "{head}");
    assert!(head.contains("x-tandem-exchange: 1"), "{head}");
    assert_eq!((first.connection, second.connection), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_key_there_is_no_such_header() {
    let clock = Clock::start_virtual();
    let script = vec![Step::Head("200 OK", SSE), chunk(FINAL), Step::End];
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    client.generate(&call(), &mut Exchange::default()).await;
    let head = server.request(0).head.to_ascii_lowercase();
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn what_follows_done_changes_nothing() {
    let clock = Clock::start_virtual();
    let after = format!("{FINAL}{TOKEN}data: {{\"error\":\"late\"}}\n\n");
    let endings = [Step::End, Step::Close, Step::Reset, Step::Wait(3_600_000)];
    let scripts = endings.map(|end| vec![Step::Head("200 OK", SSE), chunk(&after), end]);
    let server = Server::start(&clock, scripts.to_vec()).await;
    for _ in 0..4 {
        let client = super::client(&server, Timeouts::default());
        let mut exchange = Exchange::default();
        let began = clock.now();
        let outcome = client.generate(&call(), &mut exchange).await;
        assert_eq!(outcome, Outcome::Completed);
        assert_eq!(exchange.text, "");
        assert_eq!(exchange.done, Some(began));
        assert!(clock.now().since(began) <= Nanos::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_closes_its_connection_and_keeps_what_was_seen() {
    let clock = Clock::start_virtual();
    let script = vec![Step::Head("200 OK", SSE), chunk(TOKEN), Step::AwaitClose];
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    let mut exchange = Exchange::default();
    let call = call();
    let cut = clock
        .timeout(
            Nanos::from_millis(50),
            client.generate(&call, &mut exchange),
        )
        .await;
    assert!(cut.is_err());
    assert_eq!(exchange.text, "a");
    server.sees_a_close().await;
}
