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
        // The connection's own task puts it back into the pool.
        clock.sleep(Nanos::from_millis(20)).await;
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
