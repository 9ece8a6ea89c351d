use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use crate::Client;
use crate::wire::{ChatRequest, GenerateRequest, Message, Think};
use scripted::{JSON, NDJSON, Server, Step, chunk};

const FINAL: &str = "{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2}\n";

const fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

fn call(prompt: &str) -> GenerateCall {
    GenerateCall {
        model: "gemma3".to_owned(),
        system: None,
        history: None,
        prompt: prompt.to_owned(),
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
        Step::Head("200 OK", NDJSON),
        chunk("{\"response\":\"\",\"done\":false}\n"),
        Step::Wait(10),
        chunk("{\"response\":\"a\",\"done\":false}\n{\"response\":\"b\",\"done\":false}\n"),
        Step::Wait(10),
        chunk("{\"response\":\"c\",\"do"),
        Step::Wait(10),
        chunk("ne\":false}\n"),
        Step::Wait(10),
        chunk(FINAL),
        Step::Wait(500),
        Step::End,
    ];
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    clock.sleep(Nanos::from_secs(2)).await;
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call("why?"), &mut exchange).await;
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(exchange.sent, Some(ms(2000)));
    assert_eq!(exchange.headers, Some(ms(3500)));
    assert_eq!(exchange.first_token, Some(ms(3510)));
    assert_eq!(exchange.first_content, Some(ms(3510)));
    let chunks: Vec<_> = exchange.chunks.iter().map(|s| s.0 / 1_000_000).collect();
    assert_eq!(chunks, [3510, 3510, 3530]);
    assert_eq!(exchange.last_token, Some(ms(3530)));
    assert_eq!(exchange.done, Some(ms(3540)));
    assert_eq!(exchange.text, "abc");
    assert_eq!(exchange.counters.eval_count, Some(2));
    assert_eq!(exchange.done_reason.as_deref(), Some("stop"));
}

#[tokio::test(start_paused = true)]
async fn requests_say_what_they_are_and_connections_are_used_again() {
    let clock = Clock::start_virtual();
    let script = vec![Step::Head("200 OK", NDJSON), chunk(FINAL), Step::End];
    let server = Server::start(&clock, vec![script.clone(), script]).await;
    let client = super::client(&server, Timeouts::default());
    for prompt in ["one", "two"] {
        let outcome = client
            .generate(&call(prompt), &mut Exchange::default())
            .await;
        assert_eq!(outcome, Outcome::Completed);
        // The connection's own task puts it back into the pool.
        clock.sleep(Nanos::from_millis(1)).await;
    }
    let (first, second) = (server.request(0), server.request(1));
    assert_eq!(first.line, "POST /api/generate HTTP/1.1");
    assert_eq!(
        first.body,
        r#"{"model":"gemma3","prompt":"one","stream":true,"options":{"num_ctx":512}}"#
    );
    let head = first.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", first.body.len())),
        "{head}"
    );
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(head.contains("x-tandem-exchange: 1"), "{head}");
    assert!(
        second.head.contains("x-tandem-exchange: 2"),
        "{}",
        second.head
    );
    assert_eq!((first.connection, second.connection), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_streamed_takes_the_same_path() {
    let clock = Clock::start_virtual();
    let reply = r#"{"message":{"role":"assistant","content":"ab","thinking":"t"},"done":true,"eval_count":3}"#;
    let script = vec![
        Step::Wait(700),
        Step::Head("200 OK", JSON),
        chunk(reply),
        Step::Wait(5),
        Step::End,
    ];
    let server = Server::start(&clock, vec![script]).await;
    let mut request = ChatRequest::new("m", vec![Message::new("user", "hi")]);
    request.stream = false;
    request.common.think = Some(Think::On);
    let mut exchange = Exchange::default();
    let reply = super::client(&server, Timeouts::default())
        .chat(&request, &mut exchange)
        .await;
    assert_eq!(reply.outcome, Outcome::Completed);
    assert_eq!(
        (exchange.text.as_str(), exchange.thinking.as_str()),
        ("ab", "t")
    );
    assert_eq!(exchange.done, Some(ms(700)));
    assert_eq!(exchange.first_token, Some(ms(700)));
    assert_eq!(exchange.counters.eval_count, Some(3));
    assert_eq!(
        server.request(0).body,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false,"think":true}"#
    );
}

#[tokio::test(start_paused = true)]
async fn tool_calls_come_back_with_the_reply() {
    let clock = Clock::start_virtual();
    let bytes = include_str!("../../../../fixtures/ndjson/tools_middle.ndjson");
    let script = vec![Step::Head("200 OK", NDJSON), chunk(bytes), Step::End];
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    let request = ChatRequest::new("m", vec![Message::new("user", "weather?")]);
    let reply = client.chat(&request, &mut Exchange::default()).await;
    let cities: Vec<_> = reply
        .tool_calls
        .iter()
        .map(|call| call.function.arguments["city"].as_str().unwrap())
        .collect();
    assert_eq!(cities, ["Köln", "Oslo"]);
}

#[tokio::test(start_paused = true)]
async fn what_follows_the_final_object_changes_nothing() {
    let clock = Clock::start_virtual();
    let bytes = include_str!("../../../../fixtures/ndjson/second_final.ndjson");
    let endings = [Step::End, Step::Close, Step::Reset, Step::Wait(3_600_000)];
    let scripts = endings.map(|end| vec![Step::Head("200 OK", NDJSON), chunk(bytes), end]);
    let server = Server::start(&clock, scripts.to_vec()).await;
    for _ in 0..4 {
        let client = super::client(&server, Timeouts::default());
        let mut exchange = Exchange::default();
        let began = clock.now();
        let outcome = client.generate(&call("x"), &mut exchange).await;
        assert_eq!(outcome, Outcome::Completed);
        assert_eq!(exchange.counters.eval_count, Some(9));
        assert_eq!(exchange.text, "x");
        assert_eq!(exchange.done, Some(began));
        assert!(clock.now().since(began) <= Nanos::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn many_streams_at_once_keep_their_own_time() {
    let clock = Clock::start_virtual();
    let token = chunk("{\"response\":\"a\",\"done\":false}\n");
    let scripts = (0..40_u64).map(|i| {
        let mut script = vec![Step::Wait(100), Step::Head("200 OK", NDJSON)];
        for _ in 0..20 {
            script.extend([Step::Wait(7 + i % 3), token.clone()]);
        }
        script.extend([chunk(FINAL), Step::End]);
        script
    });
    let server = Server::start(&clock, scripts.collect()).await;
    let client = std::sync::Arc::new(super::client(&server, Timeouts::default()));
    let mut tasks = Vec::new();
    for _ in 0..40 {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            let mut exchange = Exchange::default();
            let outcome = client.generate(&call("x"), &mut exchange).await;
            (outcome, exchange)
        }));
    }
    let mut lengths = Vec::new();
    for task in tasks {
        let (outcome, exchange) = task.await.unwrap();
        assert_eq!(outcome, Outcome::Completed);
        assert_eq!(exchange.sent, Some(ms(0)));
        assert_eq!(exchange.headers, Some(ms(100)));
        let gaps: Vec<_> = exchange
            .chunks
            .windows(2)
            .map(|w| w[1].since(w[0]))
            .collect();
        assert!(gaps.iter().all(|gap| *gap == gaps[0]), "{gaps:?}");
        lengths.push(gaps[0]);
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [7, 8, 9].map(Nanos::from_millis));
}

#[tokio::test]
async fn on_a_real_clock_nothing_of_the_ledger_is_sent() {
    let clock = Clock::real();
    let script = vec![Step::Head("200 OK", NDJSON), chunk(FINAL), Step::End];
    let server = Server::start(&clock, vec![script]).await;
    let client = Client::new(&server.address.to_string(), clock, Timeouts::default()).unwrap();
    let mut exchange = Exchange::default();
    let request = GenerateRequest::new("m", "x");
    let reply = client.generate_with(&request, &mut exchange).await;
    assert_eq!(reply.outcome, Outcome::Completed);
    assert!(exchange.sent <= exchange.headers && exchange.headers <= exchange.done);
    let head = server.request(0).head.to_ascii_lowercase();
    assert!(!head.contains("x-tandem"), "{head}");
}
