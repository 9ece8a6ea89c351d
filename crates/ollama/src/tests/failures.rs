use clock::Clock;
use domain::backend::{BackendError, ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp, TimeoutPhase};

use crate::Client;
use scripted::{JSON, NDJSON, Server, Step, chunk, json};

const TOKEN: &str = "{\"response\":\"a\",\"done\":false}\n";

fn call() -> GenerateCall {
    GenerateCall {
        model: "gemma3".to_owned(),
        system: None,
        prompt: "why?".to_owned(),
        options: ModelOptions::default(),
        keep_alive: None,
    }
}

/// Short limits that differ, so that each shows which one ran out.
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_millis(300),
    first_byte: Nanos::from_millis(5_000),
    between_chunks: Nanos::from_millis(700),
    total: Nanos::from_millis(9_000),
};

/// Runs one generation against one script from stamp zero.
async fn against(script: Vec<Step>) -> (Outcome, Exchange, Stamp) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, LIMITS);
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(), &mut exchange).await;
    (outcome, exchange, clock.now())
}

async fn failure(script: Vec<Step>) -> (FailureKind, String) {
    match against(script).await.0 {
        Outcome::Failed { failure, message } => (failure, message),
        other => panic!("{other:?}"),
    }
}

fn began(steps: &[Step]) -> Vec<Step> {
    let mut script = vec![Step::Head("200 OK", NDJSON), chunk(TOKEN), Step::Wait(100)];
    script.extend_from_slice(steps);
    script
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_connection_refused() {
    let clock = Clock::start_virtual();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = Client::new(&address, clock, LIMITS).unwrap();
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(), &mut exchange).await;
    let Outcome::Failed { failure, message } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure, FailureKind::ConnectionRefused);
    assert!(message.starts_with("tcp connect error: "), "{message}");
    assert!(message.to_lowercase().contains("refused"), "{message}");
    assert_eq!(exchange.sent, None);
    let error = client.tags().await.unwrap_err();
    let refused = |e: &BackendError| {
        matches!(e, BackendError::Failed { failure: FailureKind::ConnectionRefused, endpoint, .. }
            if *endpoint == format!("http://{address}"))
    };
    assert!(refused(&error), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_a_connect_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    let url = format!("https://{address}");
    let client = match Client::new(&url, Clock::real(), Timeouts::default()) {
        Ok(client) => client,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let outcome = client.generate(&call(), &mut Exchange::default()).await;
    let connect = |o: &Outcome| {
        matches!(
            o,
            Outcome::Failed {
                failure: FailureKind::Connect,
                ..
            }
        )
    };
    assert!(connect(&outcome), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_are_resets() {
    let reset = FailureKind::ConnectionReset;
    for script in [
        vec![Step::Close],
        vec![Step::Reset],
        began(&[Step::Reset]),
        // Ending a chunked body without its last chunk is a break, not an end.
        began(&[Step::Close]),
        vec![Step::Head("200 OK", NDJSON), Step::Reset],
    ] {
        let (failure, message) = failure(script).await;
        assert_eq!(failure, reset, "{message}");
        assert!(!message.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_keeps_what_was_seen() {
    let (_, exchange, now) = against(began(&[Step::Reset])).await;
    assert_eq!(exchange.text, "a");
    assert_eq!(exchange.first_token, Some(Stamp::ZERO));
    assert_eq!(now, Stamp(100_000_000));
}

#[tokio::test(start_paused = true)]
async fn statuses_carry_the_servers_words() {
    let http = |status| FailureKind::Http { status };
    let busy = "server busy, please try again.  maximum pending requests exceeded";
    for (script, kind, words) in [
        (
            json("404 Not Found", r#"{"error":"model 'gemma3' not found"}"#),
            FailureKind::ModelNotFound,
            "model 'gemma3' not found; to get it: ollama pull gemma3",
        ),
        (
            json(
                "503 Service Unavailable",
                &format!(r#"{{"error":"{busy}"}}"#),
            ),
            FailureKind::Busy,
            busy,
        ),
        (
            json(
                "500 Internal Server Error",
                r#"{"error":{"message":"out of memory"}}"#,
            ),
            http(500),
            "out of memory",
        ),
        (
            vec![
                Step::Head("404 Not Found", "text/plain"),
                chunk("404 page not found\n"),
                Step::End,
            ],
            http(404),
            "404 page not found",
        ),
        (
            vec![
                Step::Head("502 Bad Gateway", "text/html"),
                chunk("<html><head><style>b { x }</style></head><body>\n<h1>Bad"),
                chunk(" Gateway</h1><hr>nginx</body></html>"),
                Step::End,
            ],
            http(502),
            "Bad Gateway nginx",
        ),
        (
            vec![Step::Head("403 Forbidden", "text/plain"), Step::End],
            http(403),
            "HTTP 403 Forbidden with an empty body",
        ),
        (
            vec![
                Step::Head("302 Found", "text/plain"),
                chunk("elsewhere"),
                Step::End,
            ],
            http(302),
            "elsewhere; redirects are not followed",
        ),
        // What had come of the words stands when the connection then breaks.
        (
            vec![
                Step::Head("500 Internal Server Error", "text/plain"),
                chunk("oo"),
                Step::Reset,
            ],
            http(500),
            "oo",
        ),
    ] {
        assert_eq!(failure(script).await, (kind, words.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_line_ends_the_stream() {
    let (kind, message) =
        failure(began(&[chunk("{\"error\":\"runner died\"}\n"), Step::End])).await;
    assert_eq!(
        (kind, message.as_str()),
        (FailureKind::MidStream, "runner died")
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_without_the_final_object_is_incomplete() {
    let close_delimited = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n{TOKEN}"
    );
    for script in [
        began(&[Step::End]),
        began(&[chunk("{\"response\":\"\",\"done\":tr"), Step::End]),
        vec![
            Step::Raw(close_delimited.into_bytes(), 1 + TOKEN.len() as u64),
            Step::Close,
        ],
        // What `stream: false` gives when the server stops on repeats.
        vec![
            Step::Head("200 OK", JSON),
            chunk("{\"response\":\"aaa\",\"done\":false}"),
            Step::End,
        ],
    ] {
        let (outcome, exchange, _) = against(script).await;
        assert_eq!(outcome, Outcome::Incomplete);
        assert!(exchange.text.starts_with('a'));
        assert_eq!(exchange.done, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_protocol_is_told_apart() {
    let garbage = Step::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), 1);
    let bad_chunk = Step::Raw(b"zz\r\nabc\r\n".to_vec(), 1);
    let html = vec![
        Step::Head("200 OK", "text/html; charset=utf-8"),
        chunk("<html>hello</html>"),
        Step::End,
    ];
    for (script, kind, word) in [
        (
            began(&[chunk("{\"response\":\n")]),
            FailureKind::Malformed,
            "it starts with",
        ),
        (
            began(&[Step::Chunk(
                b"{\"response\":\"\xff\",\"done\":false}\n".to_vec(),
            )]),
            FailureKind::Malformed,
            "invalid UTF-8",
        ),
        (vec![garbage], FailureKind::Malformed, ""),
        (began(&[bad_chunk]), FailureKind::Malformed, ""),
        (html, FailureKind::WrongContentType, "<html>hello"),
    ] {
        let (failure, message) = failure(script).await;
        assert_eq!(failure, kind, "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_line_is_refused() {
    let mebibyte = Step::Chunk(vec![b'x'; 1024 * 1024]);
    let mut steps = vec![mebibyte; 9];
    steps.push(Step::AwaitClose);
    let (kind, message) = failure(began(&steps)).await;
    assert_eq!(kind, FailureKind::LineTooLong);
    assert_eq!(message, "a line is longer than 8388608 bytes");
}

#[tokio::test(start_paused = true)]
async fn each_limit_runs_out_at_its_own_time() {
    let mut dripping = vec![Step::Head("200 OK", NDJSON)];
    dripping.extend((0..50).flat_map(|_| [Step::Wait(600), chunk(TOKEN)]));
    for (script, phase, ms) in [
        (vec![Step::Wait(60_000)], TimeoutPhase::FirstByte, 5_000),
        (
            vec![
                Step::Wait(4_999),
                Step::Head("200 OK", NDJSON),
                Step::Wait(60_000),
            ],
            TimeoutPhase::BetweenChunks,
            5_699,
        ),
        (
            began(&[Step::Wait(60_000)]),
            TimeoutPhase::BetweenChunks,
            700,
        ),
        (dripping, TimeoutPhase::Total, 9_000),
    ] {
        let (outcome, _, now) = against(script).await;
        assert_eq!(outcome, Outcome::TimedOut { phase });
        assert_eq!(now, Stamp(ms * 1_000_000), "{phase:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_made_runs_into_the_connect_limit() {
    use socket2::{Domain, SockAddr, Socket, Type};
    // A listener whose backlog is full neither accepts nor refuses.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&SockAddr::from(any)).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    for _ in 0..4 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
        fillers.push(filler);
    }
    // No ledger: nothing of ours is in flight that time would have to wait for.
    let clock = Clock::real();
    let url = address.as_socket().unwrap().to_string();
    let client = Client::new(&url, clock.clone(), LIMITS).unwrap();
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(), &mut exchange).await;
    let phase = TimeoutPhase::Connect;
    assert_eq!(outcome, Outcome::TimedOut { phase });
    assert_eq!(exchange.sent, None);
    assert_eq!(clock.now(), Stamp(300_000_000));
    let error = client.version().await.unwrap_err();
    assert!(matches!(
        error,
        BackendError::TimedOut {
            phase: TimeoutPhase::Connect,
            ..
        }
    ));
    assert_eq!(clock.now(), Stamp(600_000_000));
}
