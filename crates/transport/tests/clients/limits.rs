//! Servers that cannot be reached.

use domain::TimeoutPhase;
use domain::backend::BackendError;

use super::*;

/// How a generation and a call end at a server that cannot be reached; nothing is sent.
async fn unreached(protocol: Protocol, url: &str, clock: &Clock) -> (Seen, BackendError) {
    let client = protocol.client(url, clock);
    let seen = generate(&*client).await;
    let times = &seen.exchange.times;
    assert_eq!((times.sent, times.connect), (None, None));
    (seen, client.identify().await.unwrap_err())
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
    let url = address.as_socket().unwrap().to_string();
    for protocol in CLIENTS {
        // No ledger: virtual time has no request of ours to wait for.
        let clock = Clock::real();
        let (seen, error) = unreached(protocol, &url, &clock).await;
        let phase = TimeoutPhase::Connect;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert!(matches!(error, BackendError::TimedOut { phase: found, .. } if found == phase));
        // Both took as long as the limit.
        assert_eq!(clock.now(), Stamp(600_000_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_without_a_listener_refuses_the_connection() {
    let clock = Clock::start_virtual();
    for protocol in CLIENTS {
        let (listener, address) = listening();
        drop(listener);
        let (seen, error) = unreached(protocol, &address, &clock).await;
        let (failure, message) = seen.failure();
        assert_eq!(failure, FailureKind::ConnectionRefused);
        assert!(message.starts_with("tcp connect error: "), "{message}");
        assert!(message.to_lowercase().contains("refused"), "{message}");
        let expected = format!("http://{address}: tcp connect error");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

/// A stream that has given its finish reason is not waited for as long as one that may go on.
#[tokio::test(start_paused = true)]
async fn a_stream_left_open_behind_its_reason_is_over_after_a_grace() {
    let clock = Clock::start_virtual();
    let silent = OPENAI.script("BEGUN REASON 3600000ms");
    let pings = "1500ms COMMENT 1500ms PING ".repeat(8);
    let pinging = OPENAI.script(&format!("BEGUN REASON {}", pings.trim_end()));
    for (script, grace_s) in [(silent, 2), (pinging, 10)] {
        let server = Server::start(&clock, vec![script]).await;
        let began = clock.now();
        let client = OPENAI.limited(&server.address.to_string(), &clock, Timeouts::default());
        let Seen { outcome, exchange } = generate(&*client).await;
        assert_eq!(outcome, Outcome::Completed);
        let complete = began + Nanos::from_millis(20);
        assert_eq!(exchange.times.done, Some(complete));
        assert_eq!(clock.now(), complete + Nanos::from_secs(grace_s));
    }
}
