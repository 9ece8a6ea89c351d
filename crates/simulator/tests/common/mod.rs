//! A client that shows what others hide, and stamps every frame.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io;

use clock::{Clock, LedgerEntry};
use domain::Stamp;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderName;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use simulator::faults::FaultRule;
use simulator::profile::Profile;
use simulator::{Simulator, SimulatorConfig};
use tokio::net::TcpStream;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) sent: Stamp,
    pub(crate) head_at: Stamp,
    pub(crate) frames: Vec<(Stamp, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// False when the connection broke or closed before the end of the body.
    pub(crate) whole: bool,
    pub(crate) ended: Stamp,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The whole objects of a stream, or the one of any other answer; `[DONE]` as null.
    pub(crate) fn objects(&self) -> Result<Vec<Value>, String> {
        let (before, after) = match self.header("content-type") {
            Some("text/event-stream") => ("data: ", "\n\n"),
            Some("application/x-ndjson") => ("", "\n"),
            _ => ("", ""),
        };
        let text = String::from_utf8_lossy(&self.body);
        let Some(text) = text.strip_suffix(after) else {
            return Err(format!("the body ends inside an object: {text:?}"));
        };
        let object = |object: &str| match object.strip_prefix(before) {
            Some("[DONE]") => Ok(Value::Null),
            Some(json) => serde_json::from_str(json).map_err(|e| format!("{e}: {json:?}")),
            None => Err(format!("not an event: {object:?}")),
        };
        if after.is_empty() {
            return Ok(vec![object(text)?]);
        }
        text.split(after).map(object).collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) request: Request<String>,
    /// Close the connection after this many frames.
    pub(crate) leave_after: Option<usize>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tests pass what they just made"
)]
pub(crate) fn post(path: &str, body: impl ToString) -> Call {
    let request = Request::post(path).header("host", "localhost");
    Call {
        request: request.body(body.to_string()).expect("a request"),
        leave_after: None,
    }
}

/// `METHOD PATH [BODY]`; after `header NAME=VALUE` with this header, and after `leave N` from a client
/// that closes the connection after N frames.
pub(crate) fn call(text: &str) -> Call {
    let (word, rest) = text.split_once(' ').expect("method and path");
    let (argument, body) = rest.split_once(' ').unwrap_or((rest, ""));
    match word {
        "header" => {
            let mut call = call(body);
            let (name, value) = argument.split_once('=').expect("NAME=VALUE");
            let name: HeaderName = name.parse().expect("a name");
            let value = value.parse().expect("a value");
            call.request.headers_mut().insert(name, value);
            call
        }
        "leave" => Call {
            leave_after: Some(argument.parse().expect("a number of frames")),
            ..call(body)
        },
        method => {
            let mut call = post(argument, body);
            *call.request.method_mut() = method.parse().expect("a method");
            call
        }
    }
}

impl Call {
    /// Sends it on a connection of its own, which is closed when the answer is returned.
    pub(crate) async fn send(&self, clock: &Clock, endpoint: &str) -> io::Result<Answer> {
        let stream = TcpStream::connect(endpoint.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(io::Error::other)?;
        let serving = async {
            // What breaks the connection breaks the exchange, too, which reports it.
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            biased;
            answer = self.exchange(clock, &mut sender) => answer.map_err(io::Error::other),
            answer = serving => answer,
        }
    }

    async fn exchange(
        &self,
        clock: &Clock,
        sender: &mut SendRequest<String>,
    ) -> hyper::Result<Answer> {
        let in_flight = clock.post_request();
        let took = |units| in_flight.iter().for_each(|entry| entry.take(units));
        let mut request = self.request.clone();
        if let Some(entry) = &in_flight {
            let id = entry.id().into();
            request.headers_mut().insert(LedgerEntry::HEADER, id);
        }
        let sent = clock.now();
        let (head, mut body) = sender.send_request(request).await?.into_parts();
        took(1);
        let mut answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            sent,
            head_at: clock.now(),
            frames: Vec::new(),
            body: Vec::new(),
            whole: false,
            ended: clock.now(),
        };
        while self.leave_after != Some(answer.frames.len()) {
            let frame = body.frame().await;
            answer.ended = clock.now();
            let Some(Ok(frame)) = frame else {
                answer.whole = frame.is_none();
                took(1);
                break;
            };
            let data = frame.into_data().expect("no trailers");
            took(data.len() as u64);
            answer.body.extend_from_slice(&data);
            answer.frames.push((answer.ended, data.to_vec()));
        }
        Ok(answer)
    }
}

/// A simulator in virtual time and the clock it runs on.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) clock: Clock,
    pub(crate) simulator: Simulator,
    pub(crate) endpoint: String,
}

impl Bench {
    pub(crate) async fn new(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let clock = Clock::start_virtual();
        let mut config = SimulatorConfig::new(paced(), clock.clone());
        change(&mut config);
        let simulator = Simulator::start(config).await.expect("it starts");
        let endpoint = simulator.endpoints().remove(0);
        Self {
            clock,
            simulator,
            endpoint,
        }
    }

    pub(crate) async fn faulty(rule: FaultRule) -> Self {
        Self::new(|config| config.faults.rules = vec![rule]).await
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        call.send(&self.clock, &self.endpoint)
            .await
            .expect("a response")
    }
}

/// The instant profile at paces that can be checked by hand: loading 2 s, 100 tok/s of decoding,
/// 1000 tok/s of prefill, answers of exactly 20 tokens.
pub(crate) fn paced() -> Profile {
    let mut profile = Profile::builtin("instant").expect("it ships");
    for model in &mut profile.models {
        model.load.load_s = 2.0;
        model.rates.decode_tps = 100.0;
        model.rates.prefill_tps = 1000.0;
        model.rates.cpu_decode_tps = 10.0;
        model.rates.cpu_prefill_tps = 100.0;
        for class in &mut model.outputs {
            class.distribution = simulator::profile::Distribution::Fixed;
            class.mean_tokens = 20.0;
            class.sd_tokens = 0.0;
        }
    }
    profile
}

pub(crate) fn virtually<T>(test: impl Future<Output = T>) -> T {
    clock::virtual_runtime().expect("a runtime").block_on(test)
}
