//! Every cell of the fault table, played on a real client and compared with what the table says.

mod common;

use common::{Bench, Call, End, post, virtually};
use domain::backend::Exchange;
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Outcome, TimeoutPhase};
use ollama::wire::{ChatRequest, GenerateRequest, Message};
use serde_json::{Value, json};
use simulator::faults::{ClientPath, Expected, FAULTS, FaultKind, FaultRule, markdown};

const MODEL: &str = "gemma3:latest";
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(1),
    first_byte: Nanos::from_secs(20),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(600),
};

fn class(outcome: &Outcome) -> Expected {
    match outcome {
        Outcome::Completed => Expected::Completed,
        Outcome::Incomplete => Expected::Incomplete,
        Outcome::Failed { failure, .. } => Expected::Failed(*failure),
        Outcome::TimedOut { phase } => Expected::TimedOut(*phase),
        Outcome::Cancelled => panic!("nobody cancelled"),
    }
}

/// What our own client makes of it.
async fn native(bench: &Bench, path: ClientPath) -> (Expected, Exchange) {
    let client =
        ollama::Client::new(&bench.endpoint, bench.clock.clone(), LIMITS).expect("a client");
    let mut exchange = Exchange::default();
    let reply = match path {
        ClientPath::GenerateStream | ClientPath::GenerateWhole => {
            let mut request = GenerateRequest::new(MODEL, "say something");
            request.stream = path == ClientPath::GenerateStream;
            client.generate_with(&request, &mut exchange).await
        }
        _ => {
            let mut request = ChatRequest::new(MODEL, vec![Message::new("user", "say something")]);
            request.stream = path == ClientPath::ChatStream;
            client.chat(&request, &mut exchange).await
        }
    };
    (class(&reply.outcome), exchange)
}

/// What a careful /v1 client makes of it.
async fn v1(bench: &Bench, streamed: bool) -> Expected {
    let (clock, endpoint) = (&bench.clock, bench.endpoint.as_str());
    let ask = json!({"model": MODEL, "stream": streamed,
        "messages": [{"role": "user", "content": "say something"}]});
    let call: Call<'_> = post("/v1/chat/completions", ask);
    let answer = match clock
        .timeout(LIMITS.total, call.send(clock, endpoint))
        .await
    {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Expected::Failed(FailureKind::ConnectionRefused);
        }
        Ok(Err(_)) => return Expected::Failed(FailureKind::ConnectionReset),
        // The bare client does not say how far it got, so ask it again for one frame.
        Err(_) => {
            let begun = Call {
                leave_after: Some(1),
                ..call
            };
            let head = clock
                .timeout(LIMITS.first_byte, begun.send(clock, endpoint))
                .await;
            return Expected::TimedOut(match head {
                Ok(_) => TimeoutPhase::BetweenChunks,
                Err(_) => TimeoutPhase::FirstByte,
            });
        }
    };
    match answer.status {
        200 => {}
        404 => return Expected::Failed(FailureKind::ModelNotFound),
        503 => return Expected::Failed(FailureKind::Busy),
        status => return Expected::Failed(FailureKind::Http { status }),
    }
    let promised = if streamed {
        "text/event-stream"
    } else {
        "application/json"
    };
    if !answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with(promised))
    {
        return Expected::Failed(FailureKind::WrongContentType);
    }
    if answer.end == End::Broken {
        return Expected::Failed(FailureKind::ConnectionReset);
    }
    let mut finished = false;
    let events: Vec<&[u8]> = if streamed {
        answer
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect()
    } else {
        vec![&answer.body]
    };
    for event in events {
        if event.len() > ollama::ndjson::MAX_LINE {
            return Expected::Failed(FailureKind::LineTooLong);
        }
        let event = event.strip_prefix(b"data: ").unwrap_or(event);
        if event == b"[DONE]" {
            return Expected::Completed;
        }
        match serde_json::from_slice::<Value>(event) {
            Ok(object) => finished = !object["choices"][0]["finish_reason"].is_null(),
            Err(error) if error.is_eof() => return Expected::Incomplete,
            Err(_) => return Expected::Failed(FailureKind::Malformed),
        }
    }
    if finished && !streamed {
        Expected::Completed
    } else {
        Expected::Incomplete
    }
}

#[test]
fn every_cell_of_the_table_holds() {
    let mut wrong = Vec::new();
    for row in FAULTS {
        for (path, expected) in ClientPath::ALL.into_iter().zip(row.expected) {
            virtually(async {
                let bench = Bench::faulty(FaultRule::always(row.kind)).await;
                let found = match path {
                    ClientPath::V1Stream => v1(&bench, true).await,
                    ClientPath::V1Whole => v1(&bench, false).await,
                    _ => native(&bench, path).await.0,
                };
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
fn what_a_fault_left_is_still_seen() {
    virtually(async {
        let bench = Bench::faulty(FaultRule {
            after_tokens: 5,
            ..FaultRule::always(FaultKind::ResetMidToken)
        })
        .await;
        let (found, exchange) = native(&bench, ClientPath::GenerateStream).await;
        assert_eq!(found, Expected::Failed(FailureKind::ConnectionReset));
        assert_eq!(exchange.times.chunks.len(), 5);
        assert!(exchange.times.done.is_none() && !exchange.text.is_empty());
    });
}

#[test]
fn a_clock_jump_bends_the_servers_durations_and_nothing_else() {
    for (jump_s, seen) in [(3600.0, true), (-3600.0, false)] {
        virtually(async {
            let bench = Bench::faulty(FaultRule {
                jump_s,
                ..FaultRule::always(FaultKind::ClockJump)
            })
            .await;
            let (found, exchange) = native(&bench, ClientPath::GenerateStream).await;
            assert_eq!(found, Expected::Completed);
            let took = exchange
                .times
                .done
                .expect("done")
                .since(exchange.times.sent.expect("sent"));
            assert!(took < Nanos::from_secs(3), "{took}");
            let total = exchange.times.counters.total;
            assert_eq!(
                total.is_some_and(|total| total > Nanos::from_secs(3600)),
                seen
            );
        });
    }
}

#[test]
fn a_stall_of_a_given_length_ends() {
    virtually(async {
        let bench = Bench::faulty(FaultRule {
            pause: Some(Nanos::from_secs(5)),
            after_tokens: 2,
            ..FaultRule::always(FaultKind::Stall)
        })
        .await;
        let (found, exchange) = native(&bench, ClientPath::ChatStream).await;
        assert_eq!(found, Expected::Completed);
        assert_eq!(
            exchange.times.chunks[2].since(exchange.times.chunks[1]),
            Nanos(5_010_000_000)
        );
    });
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
        let mut seen = Vec::new();
        for at in [0, 11, 16] {
            bench
                .clock
                .sleep_until(domain::Stamp(at * 1_000_000_000))
                .await;
            seen.push(native(&bench, ClientPath::GenerateStream).await.0);
        }
        let refused = Expected::Failed(FailureKind::ConnectionRefused);
        assert_eq!(seen, [Expected::Completed, refused, Expected::Completed]);
    });
}

#[test]
fn the_page_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, markdown()).expect("docs/faults.md can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == markdown(),
        "docs/faults.md is stale; UPDATE_DOCS=1 cargo test -p simulator --test faults"
    );
}

#[test]
fn a_storm_of_503_comes_and_goes() {
    virtually(async {
        let bench = Bench::faulty(FaultRule {
            from: Some(Nanos::from_secs(10)),
            lasts: Some(Nanos::from_secs(5)),
            rate: Some(0.5),
            ..FaultRule::always(FaultKind::Busy)
        })
        .await;
        let mut refused = Vec::new();
        for second in 5..20 {
            let at = domain::Stamp(second * 1_000_000_000);
            bench.clock.sleep_until(at).await;
            let statuses = (0..4).map(|_| bench.generate(json!({"model": MODEL})));
            let answers = futures_util::future::join_all(statuses).await;
            let busy = answers.iter().filter(|answer| answer.status == 503).count();
            assert_eq!(
                answers.iter().filter(|answer| answer.status == 200).count(),
                4 - busy
            );
            refused.push(busy);
        }
        let (before, rest) = refused.split_at(5);
        let (during, after) = rest.split_at(5);
        assert_eq!((before, after), ([0; 5].as_slice(), [0; 5].as_slice()));
        assert!(
            (3..=17).contains(&during.iter().sum::<usize>()),
            "{refused:?}"
        );
    });
}
