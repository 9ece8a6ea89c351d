use clock::Clock;
use domain::backend::{ChatBackend, Exchange};
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Outcome, Stamp, TimeoutPhase};

use super::streaming::{TOKEN, call};
use crate::{ApiKey, ClientBuilder};
use scripted::{JSON, SSE, Server, Step, chunk, json};

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
    let mut script = vec![Step::Head("200 OK", SSE), chunk(TOKEN), Step::Wait(100)];
    script.extend_from_slice(steps);
    script
}

#[tokio::test(start_paused = true)]
async fn statuses_carry_the_servers_words_and_what_to_do() {
    let http = |status| FailureKind::Http { status };
    for (script, kind, words) in [
        (
            json(
                "404 Not Found",
                r#"{"error":{"message":"The model `m` does not exist.","type":"NotFoundError"}}"#,
            ),
            FailureKind::ModelNotFound,
            "The model `m` does not exist.; asked for m, /v1/models lists what there is",
        ),
        (
            json(
                "404 Not Found",
                r#"{"object":"error","message":"The model `m` does not exist.","code":404}"#,
            ),
            FailureKind::ModelNotFound,
            "The model `m` does not exist.; asked for m, /v1/models lists what there is",
        ),
        (
            json(
                "404 Not Found",
                r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#,
            ),
            http(404),
            "File Not Found; is this an OpenAI-compatible server, and its base URL?",
        ),
        (
            json("404 Not Found", r#"{"detail":"Not Found"}"#),
            http(404),
            "Not Found; is this an OpenAI-compatible server, and its base URL?",
        ),
        (
            json(
                "503 Service Unavailable",
                r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            ),
            FailureKind::Busy,
            "Loading model",
        ),
        (
            json("401 Unauthorized", r#"{"error":"Unauthorized"}"#),
            http(401),
            "Unauthorized; the server wants a key: set TANDEM_API_KEY",
        ),
    ] {
        assert_eq!(failure(script).await, (kind, words.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_not_repeated() {
    let clock = Clock::start_virtual();
    let words = r#"{"error":{"message":"Incorrect API key provided: sk-secret."}}"#;
    let mid = vec![
        Step::Head("200 OK", SSE),
        chunk("data: {\"error\":\"key sk-secret is out of credit\"}\n\n"),
        Step::End,
    ];
    let refused = json("401 Unauthorized", words);
    let server = Server::start(&clock, vec![refused.clone(), refused, mid]).await;
    let client = ClientBuilder::new(clock)
        .api_key(Some(ApiKey::new("sk-secret").unwrap()))
        .build(&server.address.to_string())
        .unwrap();
    let error = client.identify().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sk-secret"));
    assert!(
        error.to_string().ends_with(
            "Incorrect API key provided: [key].; the server refused the key in TANDEM_API_KEY"
        ),
        "{error}"
    );
    for words in ["provided: [key].", "key [key] is out of credit"] {
        let outcome = client.generate(&call(), &mut Exchange::default()).await;
        let text = format!("{outcome:?}");
        assert!(
            text.contains(words) && !text.contains("sk-secret"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_stream_is_told_apart() {
    let whole = r#"{"object":"chat.completion","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    for (body, words) in [
        (whole, "the server ignored `stream`"),
        (
            r#"{"error":{"message":"no stream for you"}}"#,
            "status 200 with an error instead of a stream: no stream for you",
        ),
    ] {
        let (kind, message) =
            failure(vec![Step::Head("200 OK", JSON), chunk(body), Step::End]).await;
        assert_eq!(kind, FailureKind::WrongContentType);
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_ends_the_stream() {
    let error = "data: {\"error\":{\"message\":\"runner died\"}}\n\ndata: [DONE]\n\n";
    let (kind, message) = failure(began(&[chunk(error), Step::End])).await;
    assert_eq!(
        (kind, message.as_str()),
        (FailureKind::MidStream, "runner died")
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_without_reason_or_done_is_incomplete() {
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for script in [
        began(&[Step::End]),
        began(&[chunk(stop), Step::End]),
        began(&[chunk("data: [DONE]\n\n"), Step::End]),
        began(&[chunk("data: {\"choices\":[{\"del"), Step::End]),
    ] {
        let (outcome, exchange, _) = against(script).await;
        assert_eq!(outcome, Outcome::Incomplete);
        assert_eq!(exchange.text, "a");
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
            began(&[chunk("data: {\"choices\":\n\n")]),
            FailureKind::Malformed,
            "it starts with",
        ),
        (
            began(&[Step::Chunk(
                b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n".to_vec(),
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
    assert_eq!(message, "an event is longer than 8388608 bytes");
}

#[tokio::test(start_paused = true)]
async fn each_limit_runs_out_at_its_own_time() {
    let mut dripping = vec![Step::Head("200 OK", SSE)];
    dripping.extend((0..50).flat_map(|_| [Step::Wait(600), chunk(TOKEN)]));
    for (script, phase, ms) in [
        (vec![Step::Wait(60_000)], TimeoutPhase::FirstByte, 5_000),
        (
            vec![
                Step::Wait(100),
                Step::Head("200 OK", SSE),
                Step::Wait(4_000),
                chunk(": still waiting for a slot\n\n"),
                Step::Wait(60_000),
            ],
            TimeoutPhase::FirstByte,
            5_000,
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
