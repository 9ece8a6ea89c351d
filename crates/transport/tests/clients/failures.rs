//! Connections that are refused or break, and what is not HTTP.

use super::*;

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
        assert_eq!((seen.exchange.sent, seen.exchange.connect), (None, None));
        let error = client.identify().await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("http://{address}: tcp connect error")),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_are_resets() {
    for protocol in PROTOCOLS {
        for script in [
            vec![Step::Close],
            vec![Step::Reset],
            protocol.began(&[Step::Reset]),
            // Ending a chunked body without its last chunk is a break, not an end.
            protocol.began(&[Step::Close]),
            vec![Step::Head("200 OK", protocol.stream), Step::Reset],
        ] {
            let (seen, _) = protocol.against(script).await;
            let (failure, message) = seen.failure();
            assert_eq!(failure, FailureKind::ConnectionReset, "{message}");
            assert!(!message.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_keeps_what_was_seen() {
    for protocol in PROTOCOLS {
        let (seen, now) = protocol.against(protocol.began(&[Step::Reset])).await;
        assert_eq!(seen.exchange.text, "a");
        assert_eq!(seen.exchange.first_token, Some(Stamp::ZERO));
        assert_eq!(now, Stamp(100_000_000));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_is_malformed() {
    for protocol in PROTOCOLS {
        for script in [
            vec![Step::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), 1)],
            protocol.began(&[Step::Raw(b"zz\r\nabc\r\n".to_vec(), 1)]),
            // A TLS alert, which is what a TLS port answers to plain HTTP.
            vec![
                Step::Raw(b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), 1),
                Step::Close,
            ],
        ] {
            let (seen, _) = protocol.against(script).await;
            let (failure, message) = seen.failure();
            assert_eq!(failure, FailureKind::Malformed, "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn http_1_0_and_a_body_that_ends_with_its_connection() {
    for protocol in PROTOCOLS {
        let head = format!(
            "HTTP/1.0 200 OK\r\nContent-Type: {}\r\n\r\n",
            protocol.stream
        );
        let body = format!("{}{}", protocol.token, protocol.last);
        let script = vec![
            Step::Wait(20),
            Step::Raw(format!("{head}{body}").into_bytes(), 1 + body.len() as u64),
            Step::Close,
        ];
        let (seen, _) = protocol.against(script).await;
        assert_eq!(seen.outcome, Outcome::Completed, "{}", protocol.name);
        assert_eq!(seen.exchange.first_token, Some(Stamp(20_000_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_off_in_good_order_is_incomplete() {
    for protocol in PROTOCOLS {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n{}",
            protocol.stream, protocol.token
        );
        let units = 1 + protocol.token.len() as u64;
        for script in [
            protocol.began(&[Step::End]),
            vec![Step::Raw(head.into_bytes(), units), Step::Close],
        ] {
            let (seen, _) = protocol.against(script).await;
            assert_eq!(seen.outcome, Outcome::Incomplete, "{}", protocol.name);
            assert_eq!(seen.exchange.text, "a");
            assert_eq!(seen.exchange.done, None);
        }
    }
}
