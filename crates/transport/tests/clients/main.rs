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
use scripted::{JSON, NDJSON, SSE, Server, Step, chunk, json};
use transport::{BuildError, Builder, Endpoint, EndpointError};

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
    build: fn(Builder, &str) -> Result<AnyClient, BuildError>,
    /// Replies of one JSON object that only this protocol has.
    objects: &'static [(&'static str, &'static str)],
    /// Scripts that only this protocol has.
    of_its_own: &'static [(&'static str, &'static str)],
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
    build: |settings, url| Ok(Box::new(ollama::Client::build(settings, url)?)),
    // One object is a stream of one line, as with `stream: false`.
    objects: &[
        (
            "one object",
            r#"{"response":"ab","done":true,"done_reason":"stop","eval_count":2}"#,
        ),
        (
            "one object that stopped on repeats",
            r#"{"response":"aaa","done":false}"#,
        ),
        (
            "a model that is loaded and no more",
            r#"{"response":"","done":true,"done_reason":"load"}"#,
        ),
        (
            "a count that cannot be",
            r#"{"response":"ab","done":true,"eval_count":18446744073709551615}"#,
        ),
    ],
    of_its_own: &[],
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
    build: |settings, url| Ok(Box::new(openai::Client::build(settings, url)?)),
    objects: &[
        (
            "one object",
            r#"{"choices":[{"message":{"content":"ab"},"finish_reason":"stop"}]}"#,
        ),
        (
            "an error as one object",
            r#"{"error":{"message":"no stream for you"}}"#,
        ),
    ],
    of_its_own: &[
        ("a reason without [DONE]", "BEGUN REASON END"),
        ("a reason, and the stream left open", "BEGUN REASON 60000ms"),
        (
            "a reason, and what follows it later",
            "BEGUN REASON 600ms USAGE 600ms DONE 3600000ms",
        ),
        ("a model that is loaded and no more", "HEAD LOAD DONE END"),
        ("[DONE] without a reason", "BEGUN DONE END"),
        (
            "silence behind comments",
            "100ms HEAD 4000ms COMMENT 60000ms",
        ),
    ],
};

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

    fn settings(&self, clock: &Clock) -> Builder {
        Builder::new(clock.clone()).http(self.http)
    }

    fn client(&self, url: &str, clock: &Clock) -> AnyClient {
        self.limited(url, clock, LIMITS)
    }

    fn limited(&self, url: &str, clock: &Clock, limits: Timeouts) -> AnyClient {
        (self.build)(self.settings(clock).timeouts(limits), url).unwrap()
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

    /// The steps that words stand for. `BEGUN` is a stream that begins with one token and goes on after 20 ms.
    fn script(&self, words: &str) -> Vec<Step> {
        let words = words.replace("BEGUN", "HEAD TOKEN 20ms");
        let step = |word| match word {
            "HEAD" => self.head(),
            "TOKEN" => chunk(self.token),
            "EMPTY" => chunk(self.empty),
            "LAST" => chunk(self.last),
            "HALF-TOKEN" => chunk(&self.token[..self.token.len() / 2]),
            "HALF-VALUE" => chunk(self.half),
            "ERROR" => chunk(self.error),
            "AFTER-THE-END" => chunk(&[self.last, self.token, self.error, self.last].concat()),
            "REASON" => chunk(REASON),
            "LOAD" => chunk(&REASON.replace("stop", "load")),
            "USAGE" => chunk("data: {\"choices\":[],\"usage\":{\"completion_tokens\":1}}\n\n"),
            "DONE" => chunk("data: [DONE]\n\n"),
            "COMMENT" => chunk(": still waiting for a slot\n\n"),
            "END" => Step::End,
            "CLOSE" => Step::Close,
            "RESET" => Step::Reset,
            "AWAIT-CLOSE" => Step::AwaitClose,
            ms => Step::Wait(ms.strip_suffix("ms").unwrap().parse().unwrap()),
        };
        words.split(' ').map(step).collect()
    }

    /// A whole stream of one token.
    fn whole(&self) -> Vec<Step> {
        self.script("HEAD TOKEN LAST END")
    }
}
