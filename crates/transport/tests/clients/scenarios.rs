//! One table of what servers do, and how each client handles it: outcome, stamps and counts are in
//! the snapshots.

use std::fmt::Write as _;

use scripted::recorded;

use super::*;

/// Error statuses with the server's words; the snapshots have the advice.
const STATUSES: &[(&str, &str, &str)] = &[
    ("404 Not Found", JSON, r#"{"error":"model 'm' not found"}"#),
    (
        "404 Not Found",
        JSON,
        r#"{"error":{"message":"The model `m` does not exist.","type":"NotFoundError"}}"#,
    ),
    (
        "404 Not Found",
        JSON,
        r#"{"object":"error","message":"The model `m` does not exist.","code":404}"#,
    ),
    (
        "404 Not Found",
        JSON,
        r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#,
    ),
    ("404 Not Found", JSON, r#"{"detail":"Not Found"}"#),
    ("404 Not Found", "text/plain", "404 page not found\n"),
    ("403 Forbidden", "text/plain", ""),
    ("401 Unauthorized", JSON, r#"{"error":"unauthorized"}"#),
    ("302 Found", "text/plain", "elsewhere"),
    (
        "500 Internal Server Error",
        JSON,
        r#"{"error":{"message":"out of memory"}}"#,
    ),
    (
        "503 Service Unavailable",
        JSON,
        r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
    ),
    (
        "503 Service Unavailable",
        JSON,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
    ),
    (
        "502 Bad Gateway",
        "text/html; charset=utf-8",
        "<html><head><style>b { x }</style></head><body>\n<h1>Bad Gateway</h1><hr>nginx</body></html>",
    ),
    ("200 OK", "text/html; charset=utf-8", "<html>Log in</html>"),
];

/// Headers of answers with an empty body.
const HEADERS: &[(&str, &str)] = &[
    ("429 Too Many Requests", "Retry-After: 17\r\n"),
    (
        "429 Too Many Requests",
        "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n",
    ),
    ("429 Too Many Requests", ""),
    (
        "307 Temporary Redirect",
        "Location: https://h/again?token=secret\r\n",
    ),
    (
        "407 Proxy Authentication Required",
        "Server: squid/5.7\r\nVia: 1.1 cache.example (squid/5.7)\r\nProxy-Authenticate: Basic realm=\"x\"\r\n",
    ),
];

/// A step that sends a raw head and body.
fn raw(head: &str, body: &str) -> Step {
    let units = 1 + body.len() as u64 + u64::from(head.contains("Content-Length"));
    Step::Raw(format!("{head}\r\n\r\n{body}").into_bytes(), units)
}

/// Answers of servers, and of proxies between them and the client.
fn answers() -> Vec<(String, Vec<Step>)> {
    let page = |&(status, kind, body): &(&'static str, &'static str, &'static str)| {
        let script = vec![Step::Head(status, kind), chunk(body), Step::End];
        // An empty chunk would end the body.
        let script = script
            .into_iter()
            .filter(|step| !matches!(step, Step::Chunk(b) if b.is_empty()));
        (format!("{status}: {}", body.trim_end()), script.collect())
    };
    let empty = |(status, headers): &(&str, &str)| {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0");
        (
            format!("{status}, {}", headers.trim_end()),
            vec![raw(&head, "")],
        )
    };
    let mut all: Vec<_> = STATUSES.iter().map(page).collect();
    all.extend(HEADERS.iter().map(empty));
    let html = "<html>Access denied</html>";
    let squid = "HTTP/1.1 200 OK\r\nVia: 1.1 cache.example\r\nContent-Type: text/html\r\nContent-Length: 26";
    all.push(("a proxy's page".to_owned(), vec![raw(squid, html)]));
    let page = Step::Head("500 Internal Server Error", "text/plain");
    all.push((
        "a page that breaks off".to_owned(),
        vec![page, chunk("oo"), Step::Reset],
    ));
    all
}

/// Streams that go wrong, and some that do not, as words of [`Protocol::script`].
const STREAMS: &[(&str, &str)] = &[
    // Nothing after the terminator changes anything.
    ("more after the end", "HEAD AFTER-THE-END END"),
    ("closed after the end", "HEAD AFTER-THE-END CLOSE"),
    ("reset after the end", "HEAD AFTER-THE-END RESET"),
    ("silent after the end", "HEAD AFTER-THE-END 3600000ms"),
    ("an error", "BEGUN ERROR END"),
    ("ended early", "BEGUN END"),
    ("ended in a value", "BEGUN HALF-TOKEN END"),
    ("closed at once", "CLOSE"),
    ("reset at once", "RESET"),
    ("reset behind the head", "HEAD RESET"),
    ("reset in the stream", "BEGUN RESET"),
    // A chunked body that ends without its last chunk is a break, not an end.
    ("closed in the stream", "BEGUN CLOSE"),
    // Where no connection is kept, waiting for the end gains nothing.
    ("an end that comes late", "HEAD TOKEN LAST 300ms END"),
    ("half a value", "BEGUN HALF-VALUE"),
    ("no answer", "60000ms"),
    ("silence behind the head", "4999ms HEAD 60000ms"),
    ("silence in the stream", "BEGUN 60000ms"),
];

/// Streams with bytes of their own.
fn streams(p: Protocol) -> Vec<(&'static str, Vec<Step>)> {
    let kind = p.stream;
    let of_http_1_0 = format!("HTTP/1.0 200 OK\r\nContent-Type: {kind}");
    let that_closes = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close");
    let in_gzip = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: 3"
    );
    let in_two = "HTTP/1.1 502 Bad Gateway\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\nContent-Length: 3";
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(40).into_bytes();
    let (before, after) = p.token.split_once("\"a\"").unwrap();
    let with = |text: &[u8]| [before.as_bytes(), b"\"", text, b"\"", after.as_bytes()].concat();
    let split = with("ü".as_bytes());
    let (first, second) = split.split_at(before.len() + 2);
    let (first, second) = (Step::Chunk(first.to_vec()), Step::Chunk(second.to_vec()));
    let two = chunk(&p.token.repeat(2));
    let wait = || Step::Wait(10);
    let raw_bytes = |bytes: &[u8]| Step::Raw(bytes.to_vec(), 1);
    let and = |words: &str, steps: &[Step]| [&p.script(words), steps].concat();
    let mut huge = vec![Step::Chunk(vec![b'x'; 1024 * 1024]); 9];
    huge.push(Step::AwaitClose);
    let exact = [two, wait(), first, wait(), second, wait()];
    let exact = [
        and("1500ms HEAD 10ms EMPTY 10ms", &exact),
        p.script("LAST 500ms END"),
    ];
    let dripping = "600ms TOKEN ".repeat(50);
    let steady = "TOKEN 699ms ".repeat(5);
    let mut all = vec![
        ("every stamp is exact", exact.concat()),
        (
            "HTTP/1.0, ended by its connection",
            vec![
                Step::Wait(20),
                raw(&of_http_1_0, &[p.token, p.last].concat()),
                Step::Close,
            ],
        ),
        (
            "closed early, in good order",
            vec![raw(&that_closes, p.token), Step::Close],
        ),
        ("a body in gzip", vec![raw(&in_gzip, "\x1f\x08!")]),
        (
            "a body in two encodings, and an error in one",
            vec![raw(in_two, "\x1f\x08!")],
        ),
        ("interim heads without end", vec![raw_bytes(&interim)]),
        ("no UTF-8", and("BEGUN", &[Step::Chunk(with(b"\xff"))])),
        ("a huge value", and("BEGUN", &huge)),
        ("not HTTP", vec![raw_bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")]),
        (
            "a bad chunk size",
            and("BEGUN", &[raw_bytes(b"zz\r\nabc\r\n")]),
        ),
        (
            "a TLS alert, which is what a TLS port answers to plain HTTP",
            vec![raw_bytes(b"\x15\x03\x01\x00\x02\x02\x46"), Step::Close],
        ),
        (
            "a stream without end",
            p.script(&format!("HEAD {}", dripping.trim_end())),
        ),
        // The limit between chunks starts anew with each chunk, however many came before.
        (
            "silence after a steady stream",
            p.script(&format!("HEAD {steady}TOKEN 60000ms")),
        ),
    ];
    let scripts = STREAMS.iter().chain(p.of_its_own);
    all.extend(scripts.map(|(name, words)| (*name, p.script(words))));
    all.extend(
        p.objects
            .iter()
            .map(|(name, body)| (*name, json("200 OK", body))),
    );
    all
}

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
        let named = streams(protocol).into_iter();
        let named = named.map(|(name, script)| (name.to_owned(), script));
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
        insta::assert_snapshot!(
            protocol.name,
            format!("{text}\n# Through reqwest\n{differs}")
        );
    }
}
