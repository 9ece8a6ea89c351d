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

/// A name, and what the server does.
type Scenario = (&'static str, Vec<Step>);

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
    /// Scripts that only this protocol has.
    of_its_own: fn(Protocol) -> Vec<Scenario>,
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
    of_its_own: |_| {
        let whole = r#"{"response":"ab","done":true,"done_reason":"stop","eval_count":2}"#;
        let repeats = r#"{"response":"aaa","done":false}"#;
        // One object is a stream of one line, as with `stream: false`.
        vec![
            ("one object", json("200 OK", whole)),
            (
                "one object that stopped on repeats",
                json("200 OK", repeats),
            ),
            (
                "a model that is loaded and no more",
                json(
                    "200 OK",
                    r#"{"response":"","done":true,"done_reason":"load"}"#,
                ),
            ),
            (
                "a count that cannot be",
                json(
                    "200 OK",
                    r#"{"response":"ab","done":true,"eval_count":18446744073709551615}"#,
                ),
            ),
        ]
    },
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
    of_its_own: |p| {
        let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let whole = r#"{"choices":[{"message":{"content":"ab"},"finish_reason":"stop"}]}"#;
        let error = r#"{"error":{"message":"no stream for you"}}"#;
        let waiting = chunk(": still waiting for a slot\n\n");
        vec![
            (
                "a reason without [DONE]",
                p.began(&[chunk(stop), Step::End]),
            ),
            (
                "a reason, and the stream left open",
                p.began(&[chunk(stop), Step::Wait(60_000)]),
            ),
            (
                "a reason, and what follows it later",
                p.began(&[
                    chunk(stop),
                    Step::Wait(600),
                    chunk("data: {\"choices\":[],\"usage\":{\"completion_tokens\":1}}\n\n"),
                    Step::Wait(600),
                    chunk("data: [DONE]\n\n"),
                    Step::Wait(3_600_000),
                ]),
            ),
            (
                "a model that is loaded and no more",
                vec![
                    p.head(),
                    chunk(&stop.replace("stop", "load")),
                    chunk("data: [DONE]\n\n"),
                    Step::End,
                ],
            ),
            (
                "[DONE] without a reason",
                p.began(&[chunk("data: [DONE]\n\n"), Step::End]),
            ),
            ("one object", json("200 OK", whole)),
            ("an error as one object", json("200 OK", error)),
            (
                "silence behind comments",
                vec![
                    Step::Wait(100),
                    p.head(),
                    Step::Wait(4_000),
                    waiting,
                    Step::Wait(60_000),
                ],
            ),
        ]
    },
};

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

    /// A stream that begins with one token and goes on after 20 ms with `steps`.
    fn began(&self, steps: &[Step]) -> Vec<Step> {
        let begin = [self.head(), chunk(self.token), Step::Wait(20)];
        [&begin, steps].concat()
    }

    /// A whole stream of one token.
    fn whole(&self) -> Vec<Step> {
        vec![self.head(), chunk(self.token), chunk(self.last), Step::End]
    }
}
