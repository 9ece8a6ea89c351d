//! A server for tests: it follows a script, and keeps its side of the ledger. Also what tests of the protocols' streams
//! share.
//!
//! A script lists the steps that answer one request; requests take scripts in order of arrival. The
//! server knows no protocol but HTTP's framing.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clock::{Clock, LedgerEntry};
use domain::backend::Exchange;
use domain::{Nanos, Stamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use transport::{Recorder, RequestError};

#[derive(Debug, Clone)]
pub enum Step {
    /// Lets clock time pass, milliseconds.
    Wait(u64),
    /// Writes a response head: status line and content type, chunked body.
    Head(&'static str, &'static str),
    Chunk(Vec<u8>),
    End,
    /// Writes bytes as they are; so many ledger units.
    Raw(Vec<u8>, u64),
    Close,
    Reset,
    AwaitClose,
}

pub const NDJSON: &str = "application/x-ndjson";
pub const SSE: &str = "text/event-stream";
pub const JSON: &str = "application/json; charset=utf-8";

pub fn chunk(text: &str) -> Step {
    Step::Chunk(text.as_bytes().to_vec())
}

pub fn json(status: &'static str, body: &str) -> Vec<Step> {
    vec![Step::Head(status, JSON), chunk(body), Step::End]
}

pub fn ok(body: &str) -> Vec<Step> {
    json("200 OK", body)
}

/// The record of a request on one line; stamps in `unit` nanoseconds.
pub fn recorded(exchange: &Exchange, unit: u64) -> String {
    let at = |at: Option<Stamp>| at.map_or("-".to_owned(), |at| (at.0 / unit).to_string());
    let chunks = exchange.times.chunks.iter().map(|chunk| at(Some(*chunk)));
    let kind = |kind: &str, first: Option<Stamp>| {
        first.map_or_else(String::new, |_| format!(", {kind} {}", at(first)))
    };
    let kinds = kind("tool call", exchange.times.first_tool_call)
        + &kind("refusal", exchange.times.first_refusal);
    let notes = match exchange.times.notes.as_slice() {
        [] => String::new(),
        notes => format!(", {notes:?}"),
    };
    format!(
        "sent {}, headers {}, first {} (thinking {}, content {}{kinds}), chunks [{}], last {}, done {}, \
         thinking {:?}, text {:?}, reason {}, {:?}{notes}",
        at(exchange.times.sent),
        at(exchange.times.headers),
        at(exchange.times.first_token),
        at(exchange.times.first_thinking),
        at(exchange.times.first_content),
        chunks.collect::<Vec<_>>().join(" "),
        at(exchange.times.last_token),
        at(exchange.times.done),
        exchange.thinking,
        exchange.text,
        exchange.done_reason.as_deref().unwrap_or("-"),
        exchange.times.counters,
    )
    .replace("Some(", "(")
}

/// How a stream that arrives in pieces ends, and its record. The first piece arrives at `first`, each further one a
/// nanosecond later.
pub fn replay<'p, R: Recorder>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    first: Stamp,
) -> (Result<(), RequestError>, Exchange) {
    let (mut recorder, mut exchange) = (R::default(), Exchange::default());
    let (mut at, mut taken) = (first, Ok(false));
    for (piece, arrives) in pieces.into_iter().zip(first.0..) {
        at = Stamp(arrives);
        taken = recorder.take(piece, at);
        if taken != Ok(false) {
            break;
        }
    }
    let ended = match taken {
        Ok(false) => recorder.finish(at),
        Ok(true) => recorder.ended(),
        Err(error) => Err(error),
    };
    recorder.answer().move_to(&mut exchange, None);
    (ended, exchange)
}

pub fn cut(bytes: &[u8], places: impl IntoIterator<Item = usize>) -> Vec<&[u8]> {
    let mut places: Vec<usize> = places.into_iter().chain([0, bytes.len()]).collect();
    places.sort_unstable();
    let pieces = places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
    pieces.collect()
}

#[derive(Debug, Clone)]
pub struct Seen {
    /// The request line.
    pub line: String,
    /// The request line and headers.
    pub head: String,
    pub body: String,
    /// The number of the connection it came on.
    pub connection: usize,
}

#[derive(Debug, Default)]
pub struct Notes {
    /// In order of arrival.
    pub requests: Vec<Seen>,
    /// Connections whose closing a script waited for and saw.
    pub closed_by_client: usize,
}

#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub clock: Clock,
    pub notes: Arc<Mutex<Notes>>,
}

impl Server {
    /// Serves the scripts, one per request in order of arrival.
    pub async fn start(clock: &Clock, scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, clock, scripts)
    }

    pub fn on(listener: TcpListener, clock: &Clock, scripts: Vec<Vec<Step>>) -> Self {
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Mutex::new(Notes::default()));
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
        let server = Self {
            address,
            clock: clock.clone(),
            notes: Arc::clone(&notes),
        };
        let clock = clock.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(
                    stream,
                    connection,
                    clock.clone(),
                    Arc::clone(&scripts),
                    Arc::clone(&notes),
                ));
            }
        });
        server
    }

    pub fn request(&self, n: usize) -> Seen {
        self.notes.lock().unwrap().requests[n].clone()
    }

    /// Lets other tasks run until the client's closing has been seen; real bytes may take a while.
    pub async fn sees_a_close(&self) {
        while self.notes.lock().unwrap().closed_by_client == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    clock: Clock,
    scripts: Arc<Mutex<VecDeque<Vec<Step>>>>,
    notes: Arc<Mutex<Notes>>,
) {
    while let Some(seen) = read_request(&mut stream, connection).await {
        // A request's place in the ledger, when it came with one.
        let id = header(&seen.head, LedgerEntry::HEADER);
        let entry = id.map(|id| clock.take_request(id).expect("an exchange of the ledger"));
        let post = |units| entry.iter().for_each(|entry| entry.post(units));
        notes.lock().unwrap().requests.push(seen);
        let script = scripts.lock().unwrap().pop_front().expect("a script");
        for step in script {
            let (bytes, units) = match step {
                Step::Wait(ms) => {
                    clock.sleep(Nanos::from_millis(ms)).await;
                    continue;
                }
                Step::Head(status, kind) => {
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n\
                         Transfer-Encoding: chunked\r\n\r\n"
                    );
                    (head.into_bytes(), 1)
                }
                Step::Chunk(bytes) => {
                    let size = format!("{:x}\r\n", bytes.len()).into_bytes();
                    ([&size, &bytes[..], b"\r\n"].concat(), bytes.len() as u64)
                }
                Step::End => (b"0\r\n\r\n".to_vec(), 1),
                Step::Raw(bytes, units) => (bytes, units),
                Step::Close => {
                    post(1);
                    return;
                }
                Step::Reset => {
                    post(1);
                    let socket = socket2::SockRef::from(&stream);
                    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
                    return;
                }
                Step::AwaitClose => {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                    notes.lock().unwrap().closed_by_client += 1;
                    return;
                }
            };
            post(units);
            // A client that has gone is for the test to notice.
            let _ = stream.write_all(&bytes).await;
        }
    }
}

/// The value of a header in a head.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}

/// Reads a request; none when the client has closed the connection before it.
async fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(head_end + 4);
    let head = String::from_utf8(bytes).unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        let read = stream.read_buf(&mut body).await.unwrap();
        assert_ne!(read, 0, "a cut request");
    }
    Some(Seen {
        line: head.lines().next().unwrap().to_owned(),
        head: head.trim_end().to_owned(),
        body: String::from_utf8(body).unwrap(),
        connection,
    })
}
