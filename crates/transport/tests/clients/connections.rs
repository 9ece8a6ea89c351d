//! When a request makes a connection, how long that takes, what is sent on it, and when it is closed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use scripted::json;

use super::*;

/// `connect` of two requests in a row.
async fn connect_times(protocol: Protocol, clock: &Clock) -> [Option<Nanos>; 2] {
    let (server, client) = protocol.served(clock, vec![protocol.whole(); 2]).await;
    let mut connects = [None; 2];
    for connect in &mut connects {
        let before = clock.now();
        let times = completed(&*client).await.times;
        *connect = times.connect;
        // The connection is made before the send.
        assert!(*connect <= Some(times.sent.unwrap().since(before)));
    }
    let requests = &server.notes.lock().unwrap().requests;
    assert_eq!(requests[0].connection, requests[1].connection);
    connects
}

/// A completed request; reqwest takes its connection back a little later, and a closing arrives a little later, too.
async fn completed(client: &dyn ChatBackend) -> Exchange {
    let Seen { outcome, exchange } = generate(client).await;
    assert_eq!(outcome, Outcome::Completed);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    exchange
}

#[tokio::test]
async fn a_connection_that_is_made_is_timed_and_a_kept_one_is_not() {
    for protocol in CLIENTS {
        let [first, second] = connect_times(protocol, &Clock::real()).await;
        assert!(first > Some(Nanos::ZERO), "{first:?}");
        assert_eq!(second, None);
    }
}

/// A connection takes no virtual time, and which ones are kept is not simulated.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_there_is_no_connect_time() {
    let clock = Clock::start_virtual();
    for protocol in CLIENTS {
        assert_eq!(connect_times(protocol, &clock).await, [None, None]);
    }
}

/// Servers may close a kept connection at any time: the next request makes another.
#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_not_used() {
    for protocol in CLIENTS {
        let clock = Clock::real();
        let closing = protocol.script("HEAD TOKEN LAST END CLOSE");
        let scripts = vec![closing.clone(), closing, protocol.whole()];
        let (_server, client) = protocol.served(&clock, scripts).await;
        for request in 0..3 {
            let times = completed(&*client).await.times;
            assert!(times.connect.is_some(), "{request}");
        }
    }
}

/// A server closes a kept connection when the next request is on its way, before it answers.
#[tokio::test]
async fn a_request_on_a_connection_that_closes_without_an_answer_is_sent_again_once() {
    for protocol in CLIENTS {
        let clock = Clock::real();
        for end in [Step::Close, Step::Reset] {
            let broken = vec![end.clone()];
            // Not a third time, and not once an answer has begun; reqwest does not report that.
            let head = Step::Raw(b"HTTP/1.1 200 OK\r\n".to_vec(), 1);
            let begun = vec![head, Step::Wait(20), end];
            for (rest, sent, is_completed) in [
                (vec![broken.clone(), protocol.whole()], 3, true),
                (vec![broken.clone(), broken], 3, false),
                (vec![begun], 2, false),
            ] {
                if sent == 2 && protocol.http == HttpClient::Reqwest {
                    continue;
                }
                let scripts = [vec![protocol.whole()], rest].concat();
                let (server, client) = protocol.served(&clock, scripts).await;
                completed(&*client).await;
                if is_completed {
                    completed(&*client).await;
                } else {
                    let seen = generate(&*client).await;
                    assert_eq!(seen.failure().0, FailureKind::ConnectionReset);
                }
                assert_eq!(server.notes.lock().unwrap().requests.len(), sent);
            }
        }
    }
}

/// Concurrent requests have a connection each; all of them are kept.
#[tokio::test]
async fn requests_at_once_share_no_connection() {
    let protocol = OPENAI;
    let clock = Clock::real();
    let slow = protocol.script("BEGUN LAST END");
    let (server, client) = protocol.served(&clock, vec![slow; 6]).await;
    for round in 0..2 {
        let (a, b, c) = tokio::join!(generate(&*client), generate(&*client), generate(&*client));
        for seen in [a, b, c] {
            assert_eq!(seen.outcome, Outcome::Completed);
            assert_eq!(seen.exchange.times.connect.is_some(), round == 0);
        }
    }
    let requests = &server.notes.lock().unwrap().requests;
    let mut used: Vec<_> = requests.iter().map(|seen| seen.connection).collect();
    used.sort_unstable();
    assert_eq!(used, [0, 0, 1, 1, 2, 2]);
}

/// The client of a server that follows these scripts, with a key.
async fn with_key(
    protocol: Protocol,
    clock: &Clock,
    key: Option<&str>,
    scripts: Vec<Vec<Step>>,
) -> (Server, AnyClient) {
    let server = Server::start(clock, scripts).await;
    let mut settings = protocol.settings(clock, Timeouts::default());
    settings.key = key.map(|key| transport::ApiKey::new(key).unwrap());
    let client = (protocol.build)(settings, &server.address.to_string());
    (server, client.unwrap())
}

/// Two requests of each client, as sent.
async fn requests(clock: &Clock, key: Option<&str>) -> String {
    let mut text = String::new();
    for protocol in CLIENTS {
        let (server, client) = with_key(protocol, clock, key, vec![protocol.whole(); 2]).await;
        for n in 0..2 {
            completed(&*client).await;
            let seen = server.request(n);
            let head = seen
                .head
                .replace(&server.address.to_string(), "[server]")
                .replace("\r\n", "\n")
                .replace(env!("CARGO_PKG_VERSION"), "[version]");
            let connection = seen.connection;
            writeln!(text, "{head}\n{}\non connection {connection}\n", seen.body).unwrap();
        }
    }
    text
}

#[tokio::test(start_paused = true)]
async fn requests_in_virtual_time_with_a_key() {
    insta::assert_snapshot!(requests(&Clock::start_virtual(), Some("sk-secret")).await);
}

#[tokio::test]
async fn requests_in_real_time() {
    insta::assert_snapshot!(requests(&Clock::real(), None).await);
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_not_repeated() {
    for protocol in CLIENTS {
        let clock = Clock::start_virtual();
        let words = r#"{"error":{"message":"Incorrect API key provided: sk-secret."}}"#;
        let refused = json("401 Unauthorized", words);
        let words = (protocol.error).replace("runner died", "key sk-secret is out of credit");
        let mid = vec![protocol.head(), chunk(&words), Step::End];
        let scripts = vec![refused.clone(), refused, mid];
        let (_server, client) = with_key(protocol, &clock, Some("sk-secret"), scripts).await;
        let error = client.identify().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sk-secret"));
        let words =
            "Incorrect API key provided: [key].; the server refused the key in TANDEM_API_KEY";
        assert!(error.to_string().ends_with(words), "{error}");
        for words in ["provided: [key].", "key [key] is out of credit"] {
            let outcome = format!("{:?}", generate(&*client).await.outcome);
            assert!(outcome.contains(words), "{outcome}");
            assert!(!outcome.contains("sk-secret"), "{outcome}");
        }
    }
}

/// A reason to stop may be of any length and contain the key, also where the request is dropped after it.
#[tokio::test(start_paused = true)]
async fn the_key_is_removed_from_a_reason_to_stop_and_the_reason_is_cut() {
    let key = "sk-0123456789abcdefghijklmn";
    for protocol in CLIENTS {
        for before in [0, 190, 198] {
            let reason = format!("{}{key}{}", "x".repeat(before), "y".repeat(100_000));
            let last = protocol.last.replace("\"stop\"", &format!("{reason:?}"));
            let clock = Clock::start_virtual();
            let script = vec![protocol.head(), chunk(&last), Step::End];
            let (_server, client) = with_key(protocol, &clock, Some(key), vec![script]).await;
            let reason = generate(&*client).await.exchange.done_reason.unwrap();
            assert!(!reason.contains("sk-"), "{before}: {reason}");
            assert_eq!(reason.chars().count(), 201, "{reason}");
        }
    }
}

/// Runs a script and drops the request after 250 ms.
async fn dropped(protocol: Protocol, script: Vec<Step>) -> Exchange {
    let clock = Clock::start_virtual();
    let (server, client) = protocol.served(&clock, vec![script]).await;
    let mut exchange = Exchange::default();
    let (call, limit) = (call(), Nanos::from_millis(250));
    let generating = client.generate(&call, &mut exchange);
    let ended = clock.timeout(limit, generating).await;
    assert_eq!(ended, Err(clock::Elapsed));
    assert_eq!(clock.now(), Stamp(250_000_000));
    // If the exchange were still open in the ledger, this would never return.
    clock.sleep(Nanos::from_millis(1)).await;
    // The client lives on; only this request's connection may close.
    server.sees_a_close().await;
    drop(client);
    exchange
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_closes_its_connection_and_keeps_what_was_seen() {
    let ms = |ms: u64| Stamp(ms * 1_000_000);
    for protocol in CLIENTS {
        let times = dropped(protocol, vec![Step::AwaitClose]).await.times;
        assert_eq!((times.sent, times.headers), (Some(Stamp::ZERO), None));
        let script = protocol.script("100ms HEAD TOKEN 100ms TOKEN AWAIT-CLOSE");
        let Exchange { times, text, .. } = dropped(protocol, script).await;
        assert_eq!(text, "aa");
        assert_eq!(times.chunks, [ms(100), ms(200)]);
        assert_eq!((times.headers, times.done), (Some(ms(100)), None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_runs_out_closes_the_connection_too() {
    for protocol in CLIENTS {
        let clock = Clock::start_virtual();
        let (server, client) = protocol.served(&clock, vec![vec![Step::AwaitClose]]).await;
        assert_eq!(generate(&*client).await.outcome.class(), "timed_out");
        server.sees_a_close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_streams_at_once_keep_their_own_time() {
    for protocol in CLIENTS {
        let clock = Clock::start_virtual();
        let began = clock.now();
        let answered = began + Nanos::from_millis(100);
        let scripts = (0..40_u64).map(|i| {
            let tokens = format!("{}ms TOKEN ", 7 + i % 3).repeat(20);
            protocol.script(&format!("100ms HEAD {tokens}LAST END"))
        });
        let (_server, client) = protocol.served(&clock, scripts.collect()).await;
        let client: std::sync::Arc<dyn ChatBackend> = client.into();
        let task = |_| {
            let client = client.clone();
            tokio::spawn(async move { generate(&*client).await })
        };
        let tasks: Vec<_> = (0..40).map(task).collect();
        let mut lengths = Vec::new();
        for task in tasks {
            let Seen { outcome, exchange } = task.await.unwrap();
            assert_eq!(outcome, Outcome::Completed);
            let times = exchange.times;
            assert_eq!((times.sent, times.headers), (Some(began), Some(answered)));
            let gaps = times.chunks.windows(2).map(|w| w[1].since(w[0]));
            lengths.push(gaps.collect::<BTreeSet<_>>());
        }
        // Each stream has one gap of its own.
        assert!(lengths.iter().all(|gaps| gaps.len() == 1), "{lengths:?}");
        let lengths: BTreeSet<_> = lengths.into_iter().flatten().collect();
        assert!(lengths.into_iter().eq([7, 8, 9].map(Nanos::from_millis)));
    }
}
