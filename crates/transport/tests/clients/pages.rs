//! Pages of something between or beside: statuses, HTML, redirects, proxies.

use scripted::{JSON, json};

use super::*;

/// A head with more headers than content type, and an empty body.
fn head_only(status: &str, headers: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n");
    vec![Step::Raw(head.into_bytes(), 2)]
}

fn page(status: &'static str, body: &str) -> Vec<Step> {
    vec![
        Step::Head(status, "text/html; charset=utf-8"),
        chunk(body),
        Step::End,
    ]
}

#[tokio::test(start_paused = true)]
async fn statuses_carry_the_servers_words_and_what_to_do() {
    let http = |status| FailureKind::Http { status };
    let later = "; nothing is retried, a retry would be another measurement";
    for (script, kind, words) in [
        (
            page(
                "502 Bad Gateway",
                "<html><head><style>b { x }</style></head><body>\n<h1>Bad Gateway</h1><hr>nginx</body></html>",
            ),
            http(502),
            "Bad Gateway nginx".to_owned(),
        ),
        (
            json("500 Internal Server Error", r#"{"error":{"message":"out of memory"}}"#),
            http(500),
            "out of memory".to_owned(),
        ),
        (
            json("503 Service Unavailable", r#"{"error":"busy"}"#),
            FailureKind::Busy,
            "busy".to_owned(),
        ),
        (
            head_only("429 Too Many Requests", "Retry-After: 17\r\n"),
            http(429),
            format!(
                "HTTP 429 Too Many Requests with an empty body; the server limits requests and \
                 asks to come back after 17 s{later}"
            ),
        ),
        (
            head_only(
                "429 Too Many Requests",
                "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n",
            ),
            http(429),
            format!(
                "HTTP 429 Too Many Requests with an empty body; the server limits requests and \
                 asks to come back after Fri, 31 Dec 1999 23:59:59 GMT{later}"
            ),
        ),
        (
            head_only("429 Too Many Requests", ""),
            http(429),
            "HTTP 429 Too Many Requests with an empty body; the server limits requests; nothing is \
             retried"
                .to_owned(),
        ),
        // What had come of the words stands when the connection then breaks.
        (
            vec![
                Step::Head("500 Internal Server Error", "text/plain"),
                chunk("oo"),
                Step::Reset,
            ],
            http(500),
            "oo".to_owned(),
        ),
    ] {
        for protocol in PROTOCOLS {
            let (seen, _) = protocol.against(script.clone()).await;
            assert_eq!(seen.failure(), (kind, words.as_str()), "{}", protocol.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_a_key_says_so() {
    for protocol in PROTOCOLS {
        let script = json("401 Unauthorized", r#"{"error":"unauthorized"}"#);
        let (seen, _) = protocol.against(script).await;
        let (kind, message) = seen.failure();
        assert_eq!(kind, FailureKind::Http { status: 401 });
        assert!(message.starts_with("unauthorized; "), "{message}");
        assert!(message.contains("key"), "{message}");
    }
}

/// Redirects are not followed, so that a loop of them is one request.
#[tokio::test(start_paused = true)]
async fn a_redirect_is_an_answer_and_its_query_is_not_repeated() {
    for protocol in PROTOCOLS {
        let clock = Clock::start_virtual();
        let script = head_only(
            "307 Temporary Redirect",
            "Location: https://h/again?token=secret\r\n",
        );
        let server = Server::start(&clock, vec![script]).await;
        let client = protocol.client(&server.address.to_string(), &clock);
        let seen = generate(&*client).await;
        assert_eq!(
            seen.failure(),
            (
                FailureKind::Http { status: 307 },
                "HTTP 307 Temporary Redirect with an empty body; redirects are not followed, it \
                 points to https://h/again"
            )
        );
        assert_eq!(server.notes.lock().unwrap().requests.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_where_a_stream_was_asked_for_is_named() {
    for protocol in PROTOCOLS {
        let (seen, _) = protocol
            .against(page("200 OK", "<html>Log in</html>"))
            .await;
        let (kind, message) = seen.failure();
        assert_eq!(kind, FailureKind::WrongContentType);
        for words in ["`text/html", "<html>Log in</html>"] {
            assert!(message.contains(words), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_in_between_is_named() {
    let squid = "Server: squid/5.7\r\nVia: 1.1 cache.example (squid/5.7)\r\n";
    for protocol in PROTOCOLS {
        let headers = format!("{squid}Proxy-Authenticate: Basic realm=\"x\"\r\n");
        let script = head_only("407 Proxy Authentication Required", &headers);
        let (seen, _) = protocol.against(script).await;
        assert_eq!(
            seen.failure(),
            (
                FailureKind::Http { status: 407 },
                "HTTP 407 Proxy Authentication Required with an empty body; a proxy answered \
                 instead of the server: 1.1 cache.example (squid/5.7)"
            )
        );
        let html = "<html>Access denied</html>";
        let head = format!(
            "HTTP/1.1 200 OK\r\n{squid}Content-Type: text/html\r\nContent-Length: {}\r\n\r\n{html}",
            html.len()
        );
        let script = vec![Step::Raw(head.into_bytes(), 2 + html.len() as u64)];
        let (seen, _) = protocol.against(script).await;
        let (kind, message) = seen.failure();
        assert_eq!(kind, FailureKind::WrongContentType);
        assert!(message.contains("cache.example"), "{message}");
    }
}

/// One object where a stream was asked for. Ollama's stream of one object is a whole answer, which is
/// what `stream: false` gives; the other protocol's says that the server ignored `stream`.
#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_stream() {
    let [ollama, openai] = PROTOCOLS;
    let body = r#"{"response":"ab","done":true,"done_reason":"stop","eval_count":2}"#;
    let script = vec![
        Step::Wait(700),
        Step::Head("200 OK", JSON),
        chunk(body),
        Step::End,
    ];
    let (seen, _) = ollama.against(script).await;
    assert_eq!(seen.outcome, Outcome::Completed);
    assert_eq!(seen.exchange.chunks, [Stamp(700_000_000)]);
    let body = r#"{"choices":[{"message":{"content":"ab"},"finish_reason":"stop"}]}"#;
    let (seen, _) = openai.against(json("200 OK", body)).await;
    let (kind, message) = seen.failure();
    assert_eq!(kind, FailureKind::WrongContentType);
    assert!(message.contains("ignored `stream`"), "{message}");
}
