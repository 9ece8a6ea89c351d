//! One table of what servers do, and how each client handles it: outcome, stamps and counts are in
//! the snapshots.

use std::fmt::Write as _;

use scripted::recorded;

use super::*;

/// Answers with an error status, or of another type: status, content type, the server's words. The snapshots have the
/// advice.
const STATUSES: &str = r#"
404 Not Found | application/json; charset=utf-8 | {"error":"model 'm' not found"}
404 Not Found | application/json; charset=utf-8 | {"error":{"message":"The model `m` does not exist.","type":"NotFoundError"}}
404 Not Found | application/json; charset=utf-8 | {"object":"error","message":"The model `m` does not exist.","code":404}
404 Not Found | application/json; charset=utf-8 | {"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}
404 Not Found | application/json; charset=utf-8 | {"detail":"Not Found"}
404 Not Found | text/plain | 404 page not found\n
403 Forbidden | text/plain |
401 Unauthorized | application/json; charset=utf-8 | {"error":"unauthorized"}
302 Found | text/plain | elsewhere
500 Internal Server Error | application/json; charset=utf-8 | {"error":{"message":"out of memory"}}
503 Service Unavailable | application/json; charset=utf-8 | {"error":"server busy, please try again.  maximum pending requests exceeded"}
503 Service Unavailable | application/json; charset=utf-8 | {"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}
502 Bad Gateway | text/html; charset=utf-8 | <html><head><style>b { x }</style></head><body>\n<h1>Bad Gateway</h1><hr>nginx</body></html>
200 OK | text/html; charset=utf-8 | <html>Log in</html>
"#;

/// Answers with an empty body: status, headers.
const HEADERS: &str = r#"
429 Too Many Requests | Retry-After: 17
429 Too Many Requests | Retry-After: Fri, 31 Dec 1999 23:59:59 GMT
429 Too Many Requests |
307 Temporary Redirect | Location: https://h/again?token=secret
407 Proxy Authentication Required | Server: squid/5.7\r\nVia: 1.1 cache.example (squid/5.7)\r\nProxy-Authenticate: Basic realm="x"
"#;

/// Answers of servers, and of proxies between them and the client.
fn answers() -> Vec<(String, Vec<Step>)> {
    let unescaped = |text: &str| text.trim().replace("\\r", "\r").replace("\\n", "\n");
    let page = |(status, rest): (&'static str, &'static str)| {
        let (kind, body) = rest.split_once(" |").unwrap();
        let (name, body) = (body.trim().trim_end_matches("\\n"), unescaped(body));
        let mut script = vec![Step::Head(status, kind)];
        // An empty chunk would end the body.
        script.extend((!body.is_empty()).then(|| chunk(&body)));
        script.push(Step::End);
        (format!("{status}: {}", unescaped(name)), script)
    };
    let empty = |(status, headers)| {
        let headers = unescaped(headers);
        let line_end = if headers.is_empty() { "" } else { "\r\n" };
        let head = format!("HTTP/1.1 {status}\r\n{headers}{line_end}Content-Length: 0");
        (format!("{status}, {headers}"), vec![raw(&head, "")])
    };
    let mut all: Vec<_> = rows(STATUSES).map(page).collect();
    all.extend(rows(HEADERS).map(empty));
    let html = "<html>Access denied</html>";
    let squid = "HTTP/1.1 200 OK\r\nVia: 1.1 cache.example\r\nContent-Type: text/html\r\nContent-Length: 26";
    all.push(("a proxy's page".to_owned(), vec![raw(squid, html)]));
    let page = Step::Head("500 Internal Server Error", "text/plain");
    let script = vec![page, chunk("oo"), Step::Reset];
    all.push(("a page that breaks off".to_owned(), script));
    all
}

/// Streams that go wrong, and some that do not, as words of [`Protocol::script`].
///
/// Nothing after the terminator changes anything. A chunked body that ends without its last chunk is a break, not an
/// end. Where no connection is kept, waiting for the end gains nothing. The limit between chunks starts anew with each
/// chunk, however many came before.
const STREAMS: &str = "
every stamp is exact | 1500ms HEAD 10ms EMPTY 10ms TWO-TOKENS 10ms U-FIRST 10ms U-SECOND 10ms LAST 500ms END
HTTP/1.0, ended by its connection | 20ms OLD-HTTP CLOSE
closed early, in good order | CLOSING CLOSE
a body in gzip | GZIP
a body in two encodings, and an error in one | TWO-ENCODINGS
interim heads without end | INTERIM-HEADS
no UTF-8 | BEGUN NO-UTF-8
a huge value | BEGUN HUGE AWAIT-CLOSE
not HTTP | SSH
a bad chunk size | BEGUN BAD-SIZE
a TLS alert, which is what a TLS port answers to plain HTTP | TLS-ALERT CLOSE
a stream without end | HEAD DRIPPING
silence after a steady stream | HEAD STEADY TOKEN 60000ms
more after the end | HEAD AFTER-THE-END END
closed after the end | HEAD AFTER-THE-END CLOSE
reset after the end | HEAD AFTER-THE-END RESET
silent after the end | HEAD AFTER-THE-END 3600000ms
an error | BEGUN ERROR END
ended early | BEGUN END
ended in a value | BEGUN HALF-TOKEN END
closed at once | CLOSE
reset at once | RESET
reset behind the head | HEAD RESET
reset in the stream | BEGUN RESET
closed in the stream | BEGUN CLOSE
an end that comes late | HEAD TOKEN LAST 300ms END
half a value | BEGUN HALF-VALUE
no answer | 60000ms
silence behind the head | 4999ms HEAD 60000ms
silence in the stream | BEGUN 60000ms
";

/// The result of a script: how the request ended, and what was recorded.
struct Result {
    outcome: String,
    recorded: String,
    /// The part that does not depend on the time.
    counts: String,
}

/// Runs one generation against one script; virtual time begins at one second.
async fn run(protocol: Protocol, clock: Clock, script: Vec<Step>) -> Result {
    let (server, client) = protocol.served(&clock, vec![script]).await;
    if clock.is_virtual() {
        // So that no stamp is correct by being zero.
        clock.sleep(Nanos::from_secs(1)).await;
    }
    let Seen { outcome, exchange } = generate(&*client).await;
    // Nothing is retried, and redirects are not followed.
    assert_eq!(server.notes.lock().unwrap().requests.len(), 1);
    let outcome = match outcome {
        Outcome::Failed { failure, message } => {
            let words = message.split(" (os error").next().unwrap();
            format!("{failure:?}: {words}")
        }
        other => format!("{other:?}"),
    };
    let ms = 1_000_000;
    let (chunks, is_done) = (exchange.times.chunks.len(), exchange.times.done.is_some());
    Result {
        outcome,
        recorded: format!("at {}: {}", clock.now().0 / ms, recorded(&exchange, ms)),
        counts: format!(
            "{chunks} {is_done} {:?} {:?}",
            exchange.text, exchange.thinking
        ),
    }
}

/// Runs a script in real time, where another thread reads.
fn in_real_time(protocol: Protocol, script: Vec<Step>) -> Result {
    let run = std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(run(protocol, Clock::real(), script))
    });
    run.join().unwrap()
}

/// reqwest skips interim heads until the first-byte limit, and so never takes what the script posts.
const DIRECT_ONLY: &str = "interim heads without end";

/// Both HTTP clients record the same, though in other words; those are at the end of the snapshot.
#[tokio::test(start_paused = true)]
async fn each_client_makes_of_it_what_it_should() {
    for protocol in PROTOCOLS {
        let named = rows(STREAMS).chain(rows(protocol.of_its_own));
        let named = named.map(|(name, words)| (name.to_owned(), protocol.script(words)));
        let (mut text, mut differs) = (String::new(), String::new());
        for (name, script) in named.chain(answers()) {
            let direct = run(protocol, Clock::start_virtual(), script.clone()).await;
            let Result {
                outcome,
                recorded,
                counts,
            } = &direct;
            writeln!(text, "## {name}\n{outcome}\n  {recorded}").unwrap();
            let waits = script.iter().map(|step| match step {
                Step::Wait(ms) => *ms,
                _ => 0,
            });
            if waits.sum::<u64>() < 100 {
                let real = in_real_time(protocol, script.clone());
                assert_eq!((&real.outcome, &real.counts), (outcome, counts), "{name}");
            }
            if name == DIRECT_ONLY {
                continue;
            }
            let other = run(protocol.through_reqwest(), Clock::start_virtual(), script).await;
            if other.outcome != *outcome {
                writeln!(differs, "## {name}\n{}", other.outcome).unwrap();
            }
            assert_eq!(other.recorded, *recorded, "{name}");
        }
        let both = format!("{text}\n# Through reqwest\n{differs}");
        insta::assert_snapshot!(protocol.name, both);
    }
}
