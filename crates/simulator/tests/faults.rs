//! Every cell of the table in `docs/faults.md`, played on a real client.

mod common;

use common::{Bench, post, virtually};
use domain::backend::{ChatBackend as _, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{Nanos, Outcome};
use ollama::Settings;
use ollama::wire::Request;
use serde_json::{Value, json};
use simulator::faults::{FaultKind, FaultRule};

const MODEL: &str = "gemma3:latest";
const PROMPT: &str = "say something";
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(1),
    first_byte: Nanos::from_secs(20),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(600),
};

/// The outcome that a client reports for a request of the kind that a column is headed with, in the
/// words of the table.
async fn seen(bench: &Bench, column: &str) -> String {
    let (url, clock) = (&bench.endpoint, bench.clock.clone());
    let mut exchange = Exchange::default();
    let settings = Settings::new(clock, LIMITS);
    let (api, way) = column.split_once(", ").expect("an API and a way");
    let call = GenerateCall {
        model: MODEL.to_owned(),
        prompt: PROMPT.to_owned(),
        history: (api == "chat").then(Vec::new),
        ..GenerateCall::default()
    };
    if !matches!(api, "generate" | "chat") {
        if way == "whole" {
            return v1_whole(bench).await;
        }
        let client = openai::Client::new(settings, &format!("{url}/v1")).expect("a client");
        return words(client.generate(&call, &mut exchange).await);
    }
    let mut request = Request::from(&call);
    request.stream = way == "streamed";
    let client = ollama::Client::new(settings, url).expect("a client");
    words(client.run(&request, &mut exchange).await)
}

fn words(outcome: Outcome) -> String {
    let spaced = |name: String| -> String {
        let spaced = name
            .chars()
            .flat_map(|c| c.is_uppercase().then_some(' ').into_iter().chain([c]));
        spaced.collect::<String>().to_lowercase()
    };
    match outcome {
        Outcome::Failed { failure, .. } => match failure {
            domain::FailureKind::Http { status } => format!("failed: HTTP {status}"),
            other => format!("failed:{}", spaced(format!("{other:?}"))),
        },
        Outcome::TimedOut { phase } => format!("timed out:{}", spaced(format!("{phase:?}"))),
        other => spaced(format!("{other:?}")).trim().to_owned(),
    }
}

/// The outcome of a whole answer on /v1, which this project's clients never request.
async fn v1_whole(bench: &Bench) -> String {
    let ask = json!({"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]});
    let call = post("/v1/chat/completions", ask);
    let sending = call.send(&bench.clock, &bench.endpoint);
    let words = match bench.clock.timeout(LIMITS.total, sending).await {
        Err(_) => "timed out: first byte",
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "failed: connection refused"
        }
        Ok(Err(_)) => "failed: connection reset",
        Ok(Ok(answer)) => match answer.status {
            404 => "failed: model not found",
            503 => "failed: busy",
            status if status != 200 => return format!("failed: HTTP {status}"),
            _ if answer.header("content-type") != Some("application/json") => {
                "failed: wrong content type"
            }
            _ if !answer.whole => "failed: connection reset",
            _ if answer.body.len() > ollama::ndjson::MAX_LINE => "failed: line too long",
            _ => match serde_json::from_slice::<Value>(&answer.body) {
                Ok(object) if object["choices"][0]["finish_reason"].is_null() => "incomplete",
                Ok(_) => "completed",
                Err(error) if error.is_eof() => "incomplete",
                Err(_) => "failed: malformed",
            },
        },
    };
    words.to_owned()
}

#[test]
fn every_cell_of_the_table_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (_, table) = page.split_once("\n| `kind` |").expect("a table of kinds");
    let mut rows = table
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().trim_matches('`'))
                .collect::<Vec<_>>()
        });
    // The heading has lost its first cell, and a line of dashes follows it.
    let columns = rows.next().expect("a heading").split_off(1);
    let rows: Vec<_> = rows.skip(1).collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let kind: FaultKind = serde_json::from_value(json!(row[0])).expect("a kind of fault");
        assert_eq!(row[2..].len(), columns.len(), "{row:?}");
        for (column, expected) in columns.iter().zip(&row[2..]) {
            virtually(async {
                let bench = Bench::faulty(FaultRule::always(kind)).await;
                let found = seen(&bench, column).await;
                if found != *expected {
                    wrong.push(format!("{kind:?} on {column}: {found}, not {expected}"));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // serde's message lists every kind there is.
    let unknown = serde_json::from_value::<FaultKind>(json!(""))
        .unwrap_err()
        .to_string();
    let kinds: Vec<_> = unknown.split('`').skip(3).step_by(2).collect();
    assert_eq!(kinds, rows.iter().map(|row| row[0]).collect::<Vec<_>>());
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
        for (at, expected) in [
            (0, "completed"),
            (11, "failed: connection refused"),
            (16, "completed"),
        ] {
            let at = domain::Stamp(at * 1_000_000_000);
            bench.clock.sleep_until(at).await;
            assert_eq!(seen(&bench, "generate, streamed").await, expected);
        }
    });
}
