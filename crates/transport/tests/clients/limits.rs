//! Each limit runs out at its own time.

use domain::TimeoutPhase;
use domain::backend::BackendError;

use super::*;

#[tokio::test(start_paused = true)]
async fn each_limit_runs_out_at_its_own_time() {
    for protocol in PROTOCOLS {
        let mut dripping = vec![Step::Head("200 OK", protocol.stream)];
        dripping.extend((0..50).flat_map(|_| [Step::Wait(600), chunk(protocol.token)]));
        for (script, phase, ms) in [
            (vec![Step::Wait(60_000)], TimeoutPhase::FirstByte, 5_000),
            (
                protocol.began(&[Step::Wait(60_000)]),
                TimeoutPhase::BetweenChunks,
                700,
            ),
            (dripping, TimeoutPhase::Total, 9_000),
        ] {
            let (seen, now) = protocol.against(script).await;
            assert_eq!(seen.outcome, Outcome::TimedOut { phase });
            assert_eq!(now, Stamp(ms * 1_000_000), "{}: {phase:?}", protocol.name);
        }
    }
}

/// The limit between chunks starts anew with each chunk, however many came before.
#[tokio::test(start_paused = true)]
async fn the_limit_between_chunks_runs_from_the_last_one() {
    for protocol in PROTOCOLS {
        let mut script = vec![Step::Head("200 OK", protocol.stream)];
        script.extend((0..5).flat_map(|_| [chunk(protocol.token), Step::Wait(699)]));
        script.extend([chunk(protocol.token), Step::Wait(60_000)]);
        let (seen, now) = protocol.against(script).await;
        let phase = TimeoutPhase::BetweenChunks;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert_eq!(now, Stamp((5 * 699 + 700) * 1_000_000));
        assert_eq!(seen.exchange.chunks.len(), 6);
    }
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
    for protocol in PROTOCOLS {
        // No ledger: nothing of ours is in flight that time would have to wait for.
        let clock = Clock::real();
        let client = protocol.client(&url, &clock);
        let seen = generate(&*client).await;
        let phase = TimeoutPhase::Connect;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert_eq!((seen.exchange.sent, seen.exchange.connect), (None, None));
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
