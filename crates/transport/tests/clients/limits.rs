//! Servers that are not reached.

use domain::TimeoutPhase;
use domain::backend::BackendError;

use super::*;

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
    for protocol in PROTOCOLS {
        // No ledger: nothing of ours is in flight that time would have to wait for.
        let clock = Clock::real();
        let client = protocol.client(&url, &clock);
        let seen = generate(&*client).await;
        let phase = TimeoutPhase::Connect;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert_eq!(
            (seen.exchange.times.sent, seen.exchange.times.connect),
            (None, None)
        );
        assert_eq!(clock.now(), Stamp(300_000_000));
        let error = client.identify().await.unwrap_err();
        assert!(matches!(
            error,
            BackendError::TimedOut {
                phase: TimeoutPhase::Connect,
                ..
            }
        ));
        assert_eq!(clock.now(), Stamp(600_000_000));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_connection_refused() {
    let clock = Clock::start_virtual();
    for protocol in PROTOCOLS {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let client = protocol.client(&address, &clock);
        let seen = generate(&*client).await;
        let (failure, message) = seen.failure();
        assert_eq!(failure, FailureKind::ConnectionRefused);
        assert!(message.starts_with("tcp connect error: "), "{message}");
        assert!(message.to_lowercase().contains("refused"), "{message}");
        assert_eq!(
            (seen.exchange.times.sent, seen.exchange.times.connect),
            (None, None)
        );
        let error = client.identify().await.unwrap_err().to_string();
        let expected = format!("http://{address}: tcp connect error");
        assert!(error.starts_with(&expected), "{error}");
    }
}
