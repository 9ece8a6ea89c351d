//! Tests in real time, where the direct client reads on a thread of its own.

use std::io::{Read as _, Write as _};

use domain::TimeoutPhase;

use super::*;

/// The head of a stream that ends when its connection closes.
fn head(protocol: Protocol) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n",
        protocol.stream
    )
}

/// Accepts a connection and reads its request.
fn accept(server: &std::net::TcpListener) -> std::net::TcpStream {
    let (mut stream, _) = server.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let _ = stream.read(&mut [0; 4096]).unwrap();
    stream
}

/// The total limit stops a server that never pauses.
#[tokio::test]
async fn a_flood_ends_at_the_total_limit() {
    for protocol in CLIENTS {
        let (server, address) = listening();
        let tokens = protocol.token.repeat(1000);
        let serving = std::thread::spawn(move || {
            let mut stream = accept(&server);
            stream.write_all(head(protocol).as_bytes()).unwrap();
            while stream.write_all(tokens.as_bytes()).is_ok() {}
        });
        let limits = Timeouts {
            total: Nanos::from_millis(60),
            ..LIMITS
        };
        let client = protocol.limited(&address, &Clock::real(), limits);
        let seen = generate(&*client).await;
        let phase = TimeoutPhase::Total;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert!(!seen.exchange.times.chunks.is_empty());
        // Not on this thread, where reqwest has yet to close its connection.
        let served = tokio::task::spawn_blocking(|| serving.join().unwrap());
        served.await.unwrap();
    }
}

/// Chunks do not wake the request's task, so the limit that it set last is outdated when the server falls silent.
#[tokio::test]
async fn a_server_that_falls_silent_meets_the_limit_between_chunks() {
    for protocol in CLIENTS {
        let tokens = "20ms TOKEN ".repeat(5);
        let script = protocol.script(&format!("HEAD {tokens}AWAIT-CLOSE"));
        let limits = Timeouts {
            between_chunks: Nanos::from_millis(300),
            ..LIMITS
        };
        let clock = Clock::real();
        let server = Server::start(&clock, vec![script]).await;
        let client = protocol.limited(&server.address.to_string(), &clock, limits);
        let seen = generate(&*client).await;
        let phase = TimeoutPhase::BetweenChunks;
        assert_eq!(seen.outcome, Outcome::TimedOut { phase });
        assert_eq!(seen.exchange.times.chunks.len(), 5, "{}", protocol.name);
    }
}

/// The caller has what was recorded, though another thread had it when the request was dropped.
#[tokio::test]
async fn a_dropped_request_leaves_what_it_has_seen() {
    for protocol in CLIENTS {
        let clock = Clock::real();
        let script = protocol.script("BEGUN AWAIT-CLOSE");
        let (server, client) = protocol.served(&clock, vec![script]).await;
        let mut exchange = Exchange {
            progress: domain::backend::Progress::counting(),
            ..Exchange::default()
        };
        let progress = exchange.progress.clone();
        let shown = async {
            while progress.get() == 0 {
                clock.sleep(Nanos::from_millis(1)).await;
            }
        };
        let call = call();
        tokio::select! {
            outcome = client.generate(&call, &mut exchange) => panic!("{outcome:?}"),
            () = shown => {}
        }
        assert_eq!(exchange.text, "a");
        assert_eq!(exchange.times.first_token, exchange.times.last_token);
        assert!(exchange.times.sent.is_some() && exchange.times.headers.is_some());
        assert_eq!(exchange.progress.get(), 1);
        server.notes.lock().unwrap().requests.clear();
    }
}

/// A runtime that does not run a request's task delays no stamp: tokens that come before the head is
/// looked at have their own.
#[tokio::test]
async fn a_busy_runtime_delays_no_stamp() {
    for protocol in PROTOCOLS {
        let clock = Clock::real();
        let (server, address) = listening();
        let (go_on, written) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel());
        let serving = std::thread::spawn(move || {
            let mut stream = accept(&server);
            go_on.1.recv().unwrap();
            stream.write_all(head(protocol).as_bytes()).unwrap();
            for text in [protocol.token, protocol.token, protocol.last] {
                std::thread::sleep(std::time::Duration::from_millis(100));
                stream.write_all(text.as_bytes()).unwrap();
            }
            written.0.send(()).unwrap();
        });
        let client = protocol.client(&address, &clock);
        let blocked = async {
            // The request is on its way; from here on its task does not run.
            clock.sleep(Nanos::from_millis(30)).await;
            go_on.0.send(()).unwrap();
            written.1.recv().unwrap();
        };
        let (seen, ()) = tokio::join!(generate(&*client), blocked);
        serving.join().unwrap();
        assert_eq!(seen.outcome, Outcome::Completed, "{}", protocol.name);
        let times = seen.exchange.times;
        let [headers, done] = [times.headers, times.done].map(Option::unwrap);
        let stamps = [headers, times.chunks[0], times.chunks[1], done];
        // If they were read together after the wait, all of them would have one stamp.
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
    }
}
