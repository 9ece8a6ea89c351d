//! Every cell of the fault table, played on a real client and compared with the table.

mod common;

use common::{Bench, End, post, virtually};
use domain::backend::{ChatBackend as _, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, TimeoutPhase};
use ollama::wire::{Message, Request};
use serde_json::{Value, json};
use simulator::faults::{ClientPath, Expected, FAULTS, FaultKind, FaultRule, markdown};

const MODEL: &str = "gemma3:latest";
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(1),
    first_byte: Nanos::from_secs(20),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(600),
};

/// The outcome that this project's clients report.
async fn seen(bench: &Bench, path: ClientPath) -> Expected {
    let (url, clock) = (&bench.endpoint, bench.clock.clone());
    let native = || ollama::Client::new(url, clock.clone(), LIMITS).expect("a client");
    let mut exchange = Exchange::default();
    let outcome = match path {
        ClientPath::GenerateStream | ClientPath::GenerateWhole => {
            let mut request = Request::generate(MODEL, "say something");
            request.stream = path == ClientPath::GenerateStream;
            native().run(&request, &mut exchange).await
        }
        ClientPath::ChatStream | ClientPath::ChatWhole => {
            let mut request = Request::chat(MODEL, vec![Message::new("user", "say something")]);
            request.stream = path == ClientPath::ChatStream;
            native().run(&request, &mut exchange).await
        }
        ClientPath::V1Stream => {
            let client = openai::Client::new(&format!("{url}/v1"), clock.clone(), LIMITS);
            let call = GenerateCall {
                model: MODEL.to_owned(),
                system: None,
                history: None,
                prompt: "say something".to_owned(),
                options: ModelOptions::default(),
                keep_alive: None,
            };
            let client = client.expect("a client");
            client.generate(&call, &mut exchange).await
        }
        ClientPath::V1Whole => return v1_whole(bench).await,
    };
    match outcome {
        Outcome::Completed => Expected::Completed,
        Outcome::Incomplete => Expected::Incomplete,
        Outcome::Failed { failure, .. } => Expected::Failed(failure),
        Outcome::TimedOut { phase } => Expected::TimedOut(phase),
        Outcome::Cancelled => panic!("no client cancels here"),
    }
}

/// The outcome of a whole answer on /v1, which this project's clients never request.
async fn v1_whole(bench: &Bench) -> Expected {
    let ask = json!({"model": MODEL, "messages": [{"role": "user", "content": "say something"}]});
    let call = post("/v1/chat/completions", ask);
    let sending = call.send(&bench.clock, &bench.endpoint);
    let failure = match bench.clock.timeout(LIMITS.total, sending).await {
        Err(_) => return Expected::TimedOut(TimeoutPhase::FirstByte),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            FailureKind::ConnectionRefused
        }
        Ok(Err(_)) => FailureKind::ConnectionReset,
        Ok(Ok(answer)) => match answer.status {
            404 => FailureKind::ModelNotFound,
            503 => FailureKind::Busy,
            status if status != 200 => FailureKind::Http { status },
            _ if answer.header("content-type") != Some("application/json") => {
                FailureKind::WrongContentType
            }
            _ if answer.end == End::Broken => FailureKind::ConnectionReset,
            _ if answer.body.len() > ollama::ndjson::MAX_LINE => FailureKind::LineTooLong,
            _ => match serde_json::from_slice::<Value>(&answer.body) {
                Ok(object) if object["choices"][0]["finish_reason"].is_null() => {
                    return Expected::Incomplete;
                }
                Ok(_) => return Expected::Completed,
                Err(error) if error.is_eof() => return Expected::Incomplete,
                Err(_) => FailureKind::Malformed,
            },
        },
    };
    Expected::Failed(failure)
}

#[test]
fn every_cell_of_the_table_holds() {
    let mut wrong = Vec::new();
    for row in FAULTS {
        for (path, expected) in ClientPath::ALL.into_iter().zip(row.expected) {
            virtually(async {
                let bench = Bench::faulty(FaultRule::always(row.kind)).await;
                let found = seen(&bench, path).await;
                if found != expected {
                    wrong.push(format!(
                        "{:?} on {path:?}: {found:?}, not {expected:?}",
                        row.kind
                    ));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn refusing_begins_and_ends_on_time() {
    virtually(async {
        let bench = Bench::faulty(FaultRule {
            from: Some(Nanos::from_secs(10)),
            lasts: Some(Nanos::from_secs(5)),
            ..FaultRule::always(FaultKind::Refuse)
        })
        .await;
        let mut found = Vec::new();
        for at in [0, 11, 16] {
            bench
                .clock
                .sleep_until(domain::Stamp(at * 1_000_000_000))
                .await;
            found.push(seen(&bench, ClientPath::GenerateStream).await);
        }
        let refused = Expected::Failed(FailureKind::ConnectionRefused);
        assert_eq!(found, [Expected::Completed, refused, Expected::Completed]);
    });
}

#[test]
fn the_page_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
    let table = markdown();
    let heading = table.lines().next().unwrap();
    let page = std::fs::read_to_string(path).unwrap();
    let (by_hand, _) = page.split_once(heading).expect("the page has the section");
    let right = format!("{by_hand}{table}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &right).expect("docs/faults.md can be written");
    }
    assert!(
        page == right,
        "docs/faults.md is stale; UPDATE_DOCS=1 cargo test --workspace the_page_shows"
    );
}
