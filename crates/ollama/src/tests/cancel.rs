use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos, Stamp};

use scripted::{NDJSON, Server, Step, chunk};

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

/// Runs a script and drops the request after 250 ms.
async fn dropped(script: Vec<Step>) -> (Exchange, Server) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, vec![script]).await;
    let client = super::client(&server, Timeouts::default());
    let mut exchange = Exchange::default();
    let limit = Nanos::from_millis(250);
    let ended = clock
        .timeout(limit, client.generate(&call(), &mut exchange))
        .await;
    assert_eq!(ended, Err(clock::Elapsed));
    assert_eq!(clock.now(), Stamp(250_000_000));
    // Were the exchange still open in the ledger, this would never return.
    clock.sleep(Nanos::from_millis(1)).await;
    // The client lives on: only this request's connection may go.
    server.sees_a_close().await;
    drop(client);
    (exchange, server)
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_before_its_head_closes_the_connection() {
    let (exchange, _) = dropped(vec![Step::AwaitClose]).await;
    assert_eq!(exchange.sent, Some(Stamp::ZERO));
    assert_eq!(exchange.headers, None);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_in_its_stream_closes_the_connection_and_keeps_what_was_seen() {
    let token = chunk("{\"response\":\"a\",\"done\":false}\n");
    let (exchange, _) = dropped(vec![
        Step::Wait(100),
        Step::Head("200 OK", NDJSON),
        token.clone(),
        Step::Wait(100),
        token,
        Step::AwaitClose,
    ])
    .await;
    assert_eq!(exchange.text, "aa");
    assert_eq!(exchange.chunks, [100, 200].map(|ms| Stamp(ms * 1_000_000)));
    assert_eq!(exchange.headers, Some(Stamp(100_000_000)));
    assert_eq!(exchange.done, None);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_runs_out_closes_the_connection_too() {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, vec![vec![Step::AwaitClose]]).await;
    let client = super::client(
        &server,
        Timeouts {
            first_byte: Nanos::from_millis(50),
            ..Timeouts::default()
        },
    );
    let outcome = client.generate(&call(), &mut Exchange::default()).await;
    assert_eq!(outcome.class(), "timed_out");
    server.sees_a_close().await;
}
