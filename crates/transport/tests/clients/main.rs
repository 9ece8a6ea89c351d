//! Properties of both protocols and both HTTP clients.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod connections;
mod limits;
mod real;
mod scenarios;
mod tls;
mod urls;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::record::HttpClient;
use domain::{FailureKind, Nanos, Outcome, Stamp};
use scripted::{NDJSON, SSE, Server, Step, chunk, ok};
use transport::{BuildError, Endpoint, EndpointError, Settings};

/// Short limits, all different, so that a test shows which one ran out.
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_millis(300),
    first_byte: Nanos::from_millis(5_000),
    between_chunks: Nanos::from_millis(700),
    total: Nanos::from_millis(9_000),
};

/// A client as the runtime knows it.
type AnyClient = Box<dyn ChatBackend>;

/// What these tests need to know of a protocol.
#[derive(Debug, Clone, Copy)]
struct Protocol {
    name: &'static str,
    /// Content type of a stream.
    stream: &'static str,
    /// A chunk with the text `a`, which stands in it as `"a"` once.
    token: &'static str,
    /// A chunk without text.
    empty: &'static str,
    /// The regular end of a stream.
    last: &'static str,
    /// The beginning of a value, ended as if it were complete.
    half: &'static str,
    /// An error in the middle of a stream.
    error: &'static str,
    http: HttpClient,
    endpoint: fn(&str) -> Result<Endpoint, EndpointError>,
    build: fn(Settings, &str) -> Result<AnyClient, BuildError>,
    /// What only this protocol has, a line each: a name and a script, or a reply of one JSON object.
    of_its_own: &'static str,
}

const OLLAMA: Protocol = Protocol {
    name: "ollama",
    stream: NDJSON,
    token: "{\"response\":\"a\",\"done\":false}\n",
    empty: "{\"response\":\"\",\"done\":false}\n",
    last: "{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2}\n",
    half: "{\"response\":\n",
    error: "{\"error\":\"runner died\"}\n",
    http: HttpClient::Direct,
    endpoint: ollama::endpoint,
    build: |settings, url| Ok(Box::new(ollama::Client::new(settings, url)?)),
    // One object is a stream of one line, as with `stream: false`.
    of_its_own: r#"
one object | {"response":"ab","done":true,"done_reason":"stop","eval_count":2}
one object that stopped on repeats | {"response":"aaa","done":false}
a model that is loaded and no more | {"response":"","done":true,"done_reason":"load"}
a count that cannot be | {"response":"ab","done":true,"eval_count":18446744073709551615}
"#,
};

const OPENAI: Protocol = Protocol {
    name: "openai",
    stream: SSE,
    token: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    empty: "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
    last: "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
           data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
    half: "data: {\"choices\":\n\n",
    error: "data: {\"error\":{\"message\":\"runner died\"}}\n\ndata: [DONE]\n\n",
    http: HttpClient::Direct,
    endpoint: openai::endpoint,
    build: |settings, url| Ok(Box::new(openai::Client::new(settings, url)?)),
    of_its_own: r#"
a reason without [DONE] | BEGUN REASON END
a reason, and the stream left open | BEGUN REASON 60000ms
a reason, and what follows it later | BEGUN REASON 600ms USAGE 600ms DONE 3600000ms
a model that is loaded and no more | HEAD LOAD DONE END
[DONE] without a reason | BEGUN DONE END
silence behind comments | 100ms HEAD 4000ms COMMENT 60000ms
one object | {"choices":[{"message":{"content":"ab"},"finish_reason":"stop"}]}
an error as one object | {"error":{"message":"no stream for you"}}
"#,
};

/// The rows of a table: a name and the rest, with a bar between them.
fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| {
        let (name, rest) = line.split_once('|').unwrap();
        (name.trim(), rest.trim())
    })
}

/// A step that sends a raw head and body.
fn raw(head: &str, body: &str) -> Step {
    let units = 1 + body.len() as u64 + u64::from(head.contains("Content-Length"));
    Step::Raw(format!("{head}\r\n\r\n{body}").into_bytes(), units)
}

/// A finish reason, as a chunk of the compatible API.
const REASON: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

const PROTOCOLS: [Protocol; 2] = [OLLAMA, OPENAI];

/// Both protocols through both HTTP clients.
const CLIENTS: [Protocol; 4] = [
    OLLAMA,
    OPENAI,
    OLLAMA.through_reqwest(),
    OPENAI.through_reqwest(),
];

fn call() -> GenerateCall {
    GenerateCall {
        model: "m".to_owned(),
        prompt: "why?".to_owned(),
        ..GenerateCall::default()
    }
}

/// A listener on a port of its own, and its address.
fn listening() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// The outcome of one request, and its record.
#[derive(Debug)]
struct Seen {
    outcome: Outcome,
    exchange: Exchange,
}

impl Seen {
    fn failure(&self) -> (FailureKind, &str) {
        match &self.outcome {
            Outcome::Failed { failure, message } => (*failure, message),
            other => panic!("{other:?}"),
        }
    }
}

async fn generate(client: &dyn ChatBackend) -> Seen {
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call(), &mut exchange).await;
    Seen { outcome, exchange }
}

impl Protocol {
    const fn through_reqwest(self) -> Self {
        Self {
            http: HttpClient::Reqwest,
            ..self
        }
    }

    fn settings(&self, clock: &Clock, limits: Timeouts) -> Settings {
        let mut settings = Settings::new(clock.clone(), limits);
        settings.http = self.http;
        settings
    }

    fn client(&self, url: &str, clock: &Clock) -> AnyClient {
        self.limited(url, clock, LIMITS)
    }

    fn limited(&self, url: &str, clock: &Clock, limits: Timeouts) -> AnyClient {
        (self.build)(self.settings(clock, limits), url).unwrap()
    }

    /// A server that follows these scripts, and its client.
    async fn served(&self, clock: &Clock, scripts: Vec<Vec<Step>>) -> (Server, AnyClient) {
        let server = Server::start(clock, scripts).await;
        let client = self.client(&server.address.to_string(), clock);
        (server, client)
    }

    fn head(&self) -> Step {
        Step::Head("200 OK", self.stream)
    }

    /// The steps that words stand for; text in braces is a reply of one JSON object. `BEGUN` is a stream that begins with
    /// one token and goes on after 20 ms.
    fn script(&self, words: &str) -> Vec<Step> {
        if words.starts_with('{') {
            return ok(words);
        }
        let mut words = words.to_owned();
        for (word, stands_for, times) in [
            ("BEGUN", "HEAD TOKEN 20ms", 1),
            ("HUGE", "MEBIBYTE", 9),
            ("DRIPPING", "600ms TOKEN", 50),
            ("STEADY", "TOKEN 699ms", 5),
        ] {
            words = words.replace(word, &vec![stands_for; times].join(" "));
        }
        words.split(' ').map(|word| self.step(word)).collect()
    }

    fn step(&self, word: &str) -> Step {
        let kind = self.stream;
        let (before, after) = self.token.split_once("\"a\"").unwrap();
        let with = |text: &[u8]| [before.as_bytes(), b"\"", text, b"\"", after.as_bytes()].concat();
        let in_u = before.len() + 2;
        let raw_bytes = |bytes: &[u8]| Step::Raw(bytes.to_vec(), 1);
        match word {
            "HEAD" => self.head(),
            "TOKEN" => chunk(self.token),
            "TWO-TOKENS" => chunk(&self.token.repeat(2)),
            "EMPTY" => chunk(self.empty),
            "LAST" => chunk(self.last),
            "U-FIRST" => Step::Chunk(with("ü".as_bytes())[..in_u].to_vec()),
            "U-SECOND" => Step::Chunk(with("ü".as_bytes())[in_u..].to_vec()),
            "NO-UTF-8" => Step::Chunk(with(b"\xff")),
            "MEBIBYTE" => Step::Chunk(vec![b'x'; 1024 * 1024]),
            "HALF-TOKEN" => chunk(&self.token[..self.token.len() / 2]),
            "HALF-VALUE" => chunk(self.half),
            "ERROR" => chunk(self.error),
            "AFTER-THE-END" => chunk(&[self.last, self.token, self.error, self.last].concat()),
            "REASON" => chunk(REASON),
            "LOAD" => chunk(&REASON.replace("stop", "load")),
            "USAGE" => chunk("data: {\"choices\":[],\"usage\":{\"completion_tokens\":1}}\n\n"),
            "DONE" => chunk("data: [DONE]\n\n"),
            "COMMENT" => chunk(": still waiting for a slot\n\n"),
            "PING" => chunk("data: {\"type\":\"ping\"}\n\n"),
            "OLD-HTTP" => raw(
                &format!("HTTP/1.0 200 OK\r\nContent-Type: {kind}"),
                &[self.token, self.last].concat(),
            ),
            "CLOSING" => raw(
                &format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close"),
                self.token,
            ),
            "GZIP" => raw(
                &format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: 3"
                ),
                "\x1f\x08!",
            ),
            "TWO-ENCODINGS" => raw(
                "HTTP/1.1 502 Bad Gateway\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\nContent-Length: 3",
                "\x1f\x08!",
            ),
            "INTERIM-HEADS" => raw_bytes(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(40)),
            "SSH" => raw_bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            "BAD-SIZE" => raw_bytes(b"zz\r\nabc\r\n"),
            "TLS-ALERT" => raw_bytes(b"\x15\x03\x01\x00\x02\x02\x46"),
            "END" => Step::End,
            "CLOSE" => Step::Close,
            "RESET" => Step::Reset,
            "AWAIT-CLOSE" => Step::AwaitClose,
            ms => Step::Wait(ms.strip_suffix("ms").unwrap().parse().unwrap()),
        }
    }

    /// A whole stream of one token.
    fn whole(&self) -> Vec<Step> {
        self.script("HEAD TOKEN LAST END")
    }
}
