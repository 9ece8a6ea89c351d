//! What holds for both clients, whatever their protocol: each test runs against Ollama's and against
//! the OpenAI-compatible one.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod connections;
mod failures;
mod limits;
mod pages;
mod real;
mod tls;
mod urls;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Outcome, Stamp};
use scripted::{NDJSON, SSE, Server, Step, chunk};

/// Short limits that differ, so that each shows which one ran out.
const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_millis(300),
    first_byte: Nanos::from_millis(5_000),
    between_chunks: Nanos::from_millis(700),
    total: Nanos::from_millis(9_000),
};

/// A client as the runtime knows it, or why there is none.
type Built = Result<Box<dyn ChatBackend>, String>;

/// A protocol as these tests need it.
#[derive(Debug, Clone, Copy)]
struct Protocol {
    name: &'static str,
    /// Content type of a stream.
    stream: &'static str,
    /// A chunk with the text `a`.
    token: &'static str,
    /// What ends a stream in good order.
    last: &'static str,
    /// Trusts the certificate beside the system's.
    build: fn(&str, &Clock, Timeouts, Option<&str>) -> Built,
}

const PROTOCOLS: [Protocol; 2] = [
    Protocol {
        name: "ollama",
        stream: NDJSON,
        token: "{\"response\":\"a\",\"done\":false}\n",
        last: "{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\"}\n",
        build: |url, clock, timeouts, certificate| {
            let mut builder = ollama::ClientBuilder::new(clock.clone()).timeouts(timeouts);
            if let Some(pem) = certificate {
                builder = builder.certificate(pem.as_bytes()).map_err(words)?;
            }
            Ok(Box::new(builder.build(url).map_err(words)?))
        },
    },
    Protocol {
        name: "openai",
        stream: SSE,
        token: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
        last: "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        build: |url, clock, timeouts, certificate| {
            let mut builder = openai::ClientBuilder::new(clock.clone()).timeouts(timeouts);
            if let Some(pem) = certificate {
                builder = builder.certificate(pem.as_bytes()).map_err(words)?;
            }
            Ok(Box::new(builder.build(url).map_err(words)?))
        },
    },
];

/// An error with its causes.
fn words(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

fn call() -> GenerateCall {
    GenerateCall {
        model: "m".to_owned(),
        prompt: "why?".to_owned(),
        ..GenerateCall::default()
    }
}

/// What one request came to.
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
    fn client(&self, url: &str, clock: &Clock) -> Box<dyn ChatBackend> {
        (self.build)(url, clock, LIMITS, None).unwrap()
    }

    /// Runs one generation against one script from stamp zero, in virtual time. Where that does not take
    /// long, in real time, too, where another thread reads: all but the stamps is the same.
    async fn against(&self, script: Vec<Step>) -> (Seen, Stamp) {
        let waits = script.iter().map(|step| match step {
            Step::Wait(ms) => *ms,
            _ => 0,
        });
        if waits.sum::<u64>() > 200 {
            return self.on(Clock::start_virtual(), script).await;
        }
        let (seen, at) = self.on(Clock::start_virtual(), script.clone()).await;
        let protocol = *self;
        let real = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async { protocol.on(Clock::real(), script).await.0 })
        });
        let real = real.join().unwrap();
        assert_eq!(real.outcome, seen.outcome);
        let shown = |seen: &Seen| {
            let exchange = &seen.exchange;
            let texts = (exchange.text.clone(), exchange.thinking.clone());
            (texts, exchange.chunks.len(), exchange.done.is_some())
        };
        assert_eq!(shown(&real), shown(&seen));
        (seen, at)
    }

    async fn on(&self, clock: Clock, script: Vec<Step>) -> (Seen, Stamp) {
        let server = Server::start(&clock, vec![script]).await;
        let client = self.client(&server.address.to_string(), &clock);
        let seen = generate(&*client).await;
        (seen, clock.now())
    }

    /// A stream that begins with one token, goes on after 100 ms with `steps`.
    fn began(&self, steps: &[Step]) -> Vec<Step> {
        let mut script = vec![
            Step::Head("200 OK", self.stream),
            chunk(self.token),
            Step::Wait(100),
        ];
        script.extend_from_slice(steps);
        script
    }

    /// A whole stream of one token.
    fn whole(&self) -> Vec<Step> {
        vec![
            Step::Head("200 OK", self.stream),
            chunk(self.token),
            chunk(self.last),
            Step::End,
        ]
    }
}
