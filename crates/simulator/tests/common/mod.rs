//! A client on a plain socket: it shows what a library would hide, and stamps every frame.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fmt::Write as _;
use std::io;

use clock::{Clock, LedgerEntry};
use domain::Stamp;
use serde_json::Value;
use simulator::faults::FaultRule;
use simulator::profile::Profile;
use simulator::{Simulator, SimulatorConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
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
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
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
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    /// Close the connection after this many frames.
    pub(crate) leave_after: Option<usize>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tests pass what they just made"
)]
pub(crate) fn post(path: &str, body: impl ToString) -> Call<'_> {
    let headers = vec![("host", "localhost")];
    Call {
        method: "POST",
        path,
        body: body.to_string(),
        headers,
        leave_after: None,
    }
}

/// `METHOD PATH [BODY]`.
pub(crate) fn call(text: &str) -> Call<'_> {
    let (method, rest) = text.split_once(' ').expect("method and path");
    let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
    Call {
        method,
        ..post(path, body)
    }
}

impl Call<'_> {
    /// Sends it on a connection of its own.
    pub(crate) async fn send(&self, clock: &Clock, endpoint: &str) -> io::Result<Answer> {
        let address = endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let in_flight = clock.post_request();
        let took = |units| in_flight.iter().for_each(|entry| entry.take(units));
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if let Some(entry) = &in_flight {
            let _ = write!(request, "{}: {}\r\n", LedgerEntry::HEADER, entry.id());
        }
        let _ = write!(
            request,
            "content-length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        );
        let sent = clock.now();
        stream.write_all(request.as_bytes()).await?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        took(1);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        let mut answer = Answer {
            status: status.expect("a status"),
            head,
            sent,
            head_at: clock.now(),
            frames: Vec::new(),
            body: Vec::new(),
            whole: false,
            ended: clock.now(),
        };
        let mut left = match self.method {
            "HEAD" => Some(0),
            _ => answer.header("content-length").and_then(|n| n.parse().ok()),
        };
        loop {
            let part = next_part(&mut reader, &mut left).await;
            answer.ended = clock.now();
            match part {
                Ok(part) if part.is_empty() => {
                    took(1);
                    answer.whole = true;
                    return Ok(answer);
                }
                Ok(part) => {
                    took(part.len() as u64);
                    answer.body.extend_from_slice(&part);
                    answer.frames.push((clock.now(), part));
                }
                Err(_) => return Ok(answer),
            }
            if self.leave_after == Some(answer.frames.len()) {
                return Ok(answer);
            }
        }
    }
}

/// The next chunk of a body, or what is there of the bytes `left` of one of known length; empty at
/// its end.
async fn next_part(
    reader: &mut BufReader<TcpStream>,
    left: &mut Option<usize>,
) -> io::Result<Vec<u8>> {
    let Some(left) = left else {
        let mut size = String::new();
        reader.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).await?;
        chunk.truncate(size);
        return Ok(chunk);
    };
    let mut part = vec![0; *left];
    if *left > 0 {
        let count = reader.read(&mut part).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        part.truncate(count);
        *left -= count;
    }
    Ok(part)
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

    pub(crate) async fn send(&self, call: Call<'_>) -> Answer {
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
            class.mean = 20.0;
            class.sd = 0.0;
        }
    }
    profile
}

pub(crate) fn virtually(test: impl Future<Output = ()>) {
    clock::virtual_runtime().expect("a runtime").block_on(test);
}
