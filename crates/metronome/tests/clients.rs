//! The real clients against the server. Timing is never asserted, only order and counts: a stamp
//! can be late on a busy machine, but never early.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos};
use metronome::{MODEL, Pace, Server, StreamLog};
use ollama::Settings;

const PACE: Pace = Pace {
    ttft: Nanos::from_millis(5),
    gap: Nanos::from_millis(2),
    tokens: 12,
};

fn start(clock: &Clock) -> Server {
    Server::start(PACE, ([127, 0, 0, 1], 0).into(), clock.clone()).expect("it starts")
}

fn call(seed: i64) -> GenerateCall {
    GenerateCall {
        model: MODEL.to_owned(),
        prompt: "count".to_owned(),
        options: ModelOptions {
            seed: Some(seed),
            ..ModelOptions::default()
        },
        ..GenerateCall::default()
    }
}

async fn stream(client: &dyn ChatBackend, seed: i64) -> Exchange {
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(seed), &mut exchange).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    exchange
}

/// What must hold on any machine, however loaded.
fn check(exchange: &Exchange, log: &StreamLog) {
    assert!(log.complete);
    assert!(log.accepted <= log.asked);
    assert_eq!(log.writes.len(), PACE.tokens as usize);
    assert_eq!(exchange.times.chunks.len(), log.writes.len());
    assert!(exchange.times.sent.expect("it was sent") <= log.asked);
    let mut before = log.asked;
    for (token, (write, seen)) in (0..).zip(log.writes.iter().zip(&exchange.times.chunks)) {
        assert!(log.due(PACE, token) <= write.started, "sent too soon");
        assert!(before <= write.started && write.started <= write.returned);
        assert!(write.started <= *seen, "seen before it was sent");
        before = write.returned;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_both_clients_see_is_what_was_sent() {
    let clock = Clock::real();
    let server = start(&clock);
    let settings = Settings::new(clock.clone(), Timeouts::default());
    let ollama = ollama::Client::new(settings.clone(), &server.url()).unwrap();
    let openai = openai::Client::new(settings, &server.url()).unwrap();
    let clients: [&dyn ChatBackend; 2] = [&ollama, &openai];
    let mut seen = BTreeMap::new();
    for (protocol, client) in (0..).zip(clients) {
        assert!(client.find_model(MODEL).await.unwrap().is_some());
        let streams = (0..16).map(|i| {
            let seed = 100 * protocol + i;
            async move { (seed, stream(client, seed).await) }
        });
        seen.extend(futures_util::future::join_all(streams).await);
    }
    let log = server.shutdown();
    assert_eq!(log.len(), 32);
    for stream in &log {
        let exchange = &seen[&stream.seed.unwrap()];
        check(exchange, stream);
    }
    let counted = |seed: i64| seen[&seed].times.counters.eval_count;
    assert_eq!(counted(0), Some(12));
    assert_eq!(counted(100), Some(12));
    assert_eq!(
        seen[&0].times.counters.total,
        Some(Nanos::from_millis(5 + 11 * 2)),
        "the counters give the times at which tokens were due"
    );
}

#[tokio::test]
async fn a_preload_is_done_at_once_and_is_no_stream() {
    let clock = Clock::real();
    let server = start(&clock);
    let settings = Settings::new(clock, Timeouts::default());
    let client = ollama::Client::new(settings, &server.url()).unwrap();
    client
        .preload(MODEL, &ModelOptions::default())
        .await
        .unwrap();
    assert!(server.take_log().is_empty());
}

fn exchange(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut reply = String::new();
    socket.read_to_string(&mut reply).expect("it replies");
    reply
}

#[test]
fn connections_are_kept_until_the_client_says_otherwise() {
    let server = start(&Clock::real());
    let body = r#"{"prompt":"x","options":{"num_predict":2}}"#;
    let one = |close: &str| {
        format!(
            "POST /api/generate HTTP/1.1\r\n{close}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // Two requests in one write: the second is answered after the first.
    let reply = exchange(&server, &(one("") + &one("connection: close\r\n")));
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(reply.matches("\"done\":false").count(), 4);
    assert_eq!(reply.matches("\"eval_count\":2").count(), 2);
    let log = server.take_log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].connection, log[1].connection);
    assert!(log[0].writes[1].returned <= log[1].asked);
}

#[test]
fn unsupported_requests_get_an_error_status() {
    let server = start(&Clock::real());
    let ask = |head: &str, body: &str| {
        let length = body.len();
        exchange(
            &server,
            &format!(
                "{head} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    };
    assert!(ask("GET /nowhere", "").starts_with("HTTP/1.1 404 "));
    assert!(ask("DELETE /api/tags", "").starts_with("HTTP/1.1 405 "));
    assert!(ask("POST /api/embed", "{}").starts_with("HTTP/1.1 404 "));
    assert!(ask("POST /api/chat", "nonsense").starts_with("HTTP/1.1 422 "));
    let whole = r#"{"prompt":"x","stream":false}"#;
    assert!(ask("POST /api/generate", whole).starts_with("HTTP/1.1 422 "));
    assert!(exchange(&server, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(server.take_log().is_empty());
}

#[test]
fn a_stream_cut_short_is_logged_as_far_as_it_went() {
    let clock = Clock::real();
    let pace = Pace {
        ttft: Nanos::ZERO,
        gap: Nanos::from_secs(3600),
        tokens: 2,
    };
    let server = Server::start(pace, ([127, 0, 0, 1], 0).into(), clock).unwrap();
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket
        .write_all(b"POST /api/generate HTTP/1.1\r\ncontent-length: 14\r\n\r\n{\"prompt\":\"x\"}")
        .unwrap();
    let mut first = [0; 16];
    socket.read_exact(&mut first).unwrap();
    let log = server.shutdown();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].writes.len(), log[0].complete), (1, false));
}
