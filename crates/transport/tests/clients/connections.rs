//! Which requests make a connection, and how long that took.

use super::*;

/// `connect` of two requests, one after the other.
async fn two(protocol: Protocol, clock: &Clock) -> [Option<Nanos>; 2] {
    let server = Server::start(clock, vec![protocol.whole(), protocol.whole()]).await;
    let client = protocol.client(&server.address.to_string(), clock);
    let mut connects = [None; 2];
    for connect in &mut connects {
        let seen = generate(&*client).await;
        assert_eq!(seen.outcome, Outcome::Completed);
        *connect = seen.exchange.connect;
    }
    let requests = &server.notes.lock().unwrap().requests;
    let kept = requests[0].connection == requests[1].connection;
    assert_eq!(kept, protocol.name == "ollama");
    connects
}

#[tokio::test]
async fn a_connection_that_is_made_is_timed_and_a_kept_one_is_not() {
    let [ollama, openai] = PROTOCOLS;
    let [first, second] = two(ollama, &Clock::real()).await;
    assert!(first > Some(Nanos::ZERO), "{first:?}");
    assert_eq!(second, None);
    let [first, second] = two(openai, &Clock::real()).await;
    assert!(first > Some(Nanos::ZERO) && second > Some(Nanos::ZERO));
}

#[tokio::test]
async fn connecting_lies_before_the_send() {
    for protocol in PROTOCOLS {
        let clock = Clock::real();
        let server = Server::start(&clock, vec![protocol.whole()]).await;
        let client = protocol.client(&server.address.to_string(), &clock);
        let before = clock.now();
        let seen = generate(&*client).await;
        let sent = seen.exchange.sent.unwrap();
        let connect = seen.exchange.connect.unwrap();
        assert!(connect <= sent.since(before), "{connect} {sent:?}");
    }
}

/// A connection costs no virtual time, and which ones are kept is not simulated.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_there_is_no_connect_time() {
    let clock = Clock::start_virtual();
    for protocol in PROTOCOLS {
        assert_eq!(two(protocol, &clock).await, [None, None]);
    }
}

/// What a server does with kept connections is its business: a request that finds one closed makes
/// another, and nobody is told of a failure.
#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_not_used() {
    let [protocol, _] = PROTOCOLS;
    let clock = Clock::real();
    let mut closing = protocol.whole();
    closing.push(Step::Close);
    let server = Server::start(&clock, vec![closing.clone(), closing, protocol.whole()]).await;
    let client = protocol.client(&server.address.to_string(), &clock);
    for request in 0..3 {
        let seen = generate(&*client).await;
        assert_eq!(seen.outcome, Outcome::Completed, "request {request}");
        assert!(seen.exchange.connect.is_some(), "{request}");
        // Until the runtime has heard of the closing.
        clock.sleep(Nanos::from_millis(20)).await;
    }
}

/// Requests at once have a connection each; as many as were made are kept.
#[tokio::test]
async fn requests_at_once_share_no_connection() {
    let [protocol, _] = PROTOCOLS;
    let clock = Clock::real();
    let slow = || {
        let mut script = protocol.began(&[]);
        script.extend([chunk(protocol.last), Step::End]);
        script
    };
    let server = Server::start(&clock, (0..6).map(|_| slow()).collect()).await;
    let client = protocol.client(&server.address.to_string(), &clock);
    for round in 0..2 {
        let (a, b, c) = tokio::join!(generate(&*client), generate(&*client), generate(&*client));
        for seen in [a, b, c] {
            assert_eq!(seen.outcome, Outcome::Completed);
            assert_eq!(seen.exchange.connect.is_some(), round == 0);
        }
    }
    let requests = &server.notes.lock().unwrap().requests;
    let mut used: Vec<_> = requests.iter().map(|seen| seen.connection).collect();
    used.sort_unstable();
    assert_eq!(used, [0, 0, 1, 1, 2, 2]);
}
