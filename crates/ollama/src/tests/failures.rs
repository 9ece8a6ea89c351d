use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp, TimeoutPhase};

use scripted::{JSON, NDJSON, Server, Step, chunk, json};

const TOKEN: &str = "{\"response\":\"a\",\"done\":false}\n";

fn call() -> GenerateCall {
    GenerateCall {
        model: "gemma3".to_owned(),
        system: None,
        history: None,
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
