//! A streaming server that sends every token at a known time and logs when it actually sent it.
//! It is used to calibrate clients: the time by which a client's stamp is later than the log is
//! the client's own error, even when the server itself was late.
//!
//! It speaks just enough HTTP/1.1 to be read by any client of Ollama (`/api/generate` and
//! `/api/chat`, NDJSON) or of an OpenAI-compatible server (`/v1/chat/completions` and
//! `/v1/completions`, server-sent events), always streamed. It runs on one thread of its own with
//! one system call per token, no allocation per token and no timer per token: every stream waits
//! the same time for its first token and the same time between tokens, so that two queues in order
//! of arrival are queues in order of due time as well.
//!
//! What it does not know: models, prompts, agents, and who the client is.
//!
//! ```
//! use clock::Clock;
//! use domain::Nanos;
//! use metronome::{Pace, Server};
//!
//! let clock = Clock::real();
//! let pace = Pace { ttft: Nanos::from_millis(51), gap: Nanos::from_millis(20), tokens: 50 };
//! let server = Server::start(pace, ([127, 0, 0, 1], 0).into(), clock.clone())?;
//! // … let a client with the same clock stream from server.url() …
//! for stream in server.take_log() {
//!     let first = stream.writes[0];
//!     println!("due {:?}, sent {:?}", stream.due(pace, 0), first.started);
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod connection;
mod engine;
mod request;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use clock::Clock;
use domain::{Nanos, Stamp};
use mio::Waker;
use parking_lot::Mutex;
use serde::Serialize;

/// The one model it lists.
pub const MODEL: &str = "metronome";

/// Connections that may wait to be accepted. Where the system allows fewer, fewer wait.
pub const BACKLOG: i32 = 4096;

/// When tokens are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// From the moment the request has been read to its first token.
    pub ttft: Nanos,
    pub gap: Nanos,
    /// Tokens of each stream, or fewer if the request asks for fewer (`num_predict`, `max_tokens`).
    pub tokens: u32,
}

impl Pace {
    /// Bytes that the log of one stream takes.
    pub const fn log_bytes(self) -> u64 {
        (size_of::<StreamLog>() + self.tokens as usize * size_of::<Write>()) as u64
    }

    /// How long a stream is from its request to its last token.
    pub const fn length(self) -> Nanos {
        let gaps = self.tokens.saturating_sub(1) as u64;
        Nanos(self.ttft.0.saturating_add(self.gap.0.saturating_mul(gaps)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamLog {
    /// The connection it ran on, counted from 0; several streams may follow each other on one.
    pub connection: u64,
    pub accepted: Stamp,
    /// Its request had been read whole: the moment its tokens' due times count from.
    pub asked: Stamp,
    /// The request's sampling seed, by which a client finds its streams again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// One for each token, in order.
    pub writes: Vec<Write>,
    pub complete: bool,
}

/// One token on its way out. The truth lies between the two stamps: on a core that server and
/// client share, the client may run before the system call that woke it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Just before its bytes were handed to the socket.
    pub started: Stamp,
    /// The system call had returned.
    pub returned: Stamp,
}

impl StreamLog {
    /// When a token was due, counted from 0.
    pub fn due(&self, pace: Pace, token: u32) -> Stamp {
        self.asked + pace.ttft + Nanos(pace.gap.0.saturating_mul(u64::from(token)))
    }

    /// The longest that a token was started after it was due; none without tokens.
    pub fn latest(&self, pace: Pace) -> Option<Nanos> {
        (0..)
            .zip(&self.writes)
            .map(|(token, write)| write.started.since(self.due(pace, token)))
            .max()
    }
}

/// What the server's thread shares with its handle.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stop: AtomicBool,
    log: Mutex<Vec<StreamLog>>,
    /// The name of the thread's folder under `/proc`, where there is one.
    task: Mutex<Option<std::path::PathBuf>>,
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on an address (port 0 takes a free one) and serves on a thread of its own. Stamps
    /// are `clock`'s, which must run in real time. Fails when the address cannot be bound or the
    /// thread cannot be started.
    pub fn start(pace: Pace, address: SocketAddr, clock: Clock) -> io::Result<Self> {
        Self::start_with(pace, address, clock, || {})
    }

    /// As [`Server::start`], running `begin` on the server's thread before it serves: to hold that
    /// thread to a core of its own, for example.
    pub fn start_with(
        pace: Pace,
        address: SocketAddr,
        clock: Clock,
        begin: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        assert!(!clock.is_virtual(), "a metronome ticks in real time");
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut engine = engine::Engine::new(pace, listener, clock, Arc::clone(&shared))?;
        let waker = engine.waker()?;
        let (started, ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("metronome".to_owned())
            .spawn(move || {
                begin();
                engine.note_thread();
                // Fails only when the caller is gone.
                let _ = started.send(());
                engine.run();
            })?;
        // From here on its CPU time can be read. Fails at once when the thread panicked.
        let _ = ready.recv();
        Ok(Self {
            address,
            shared,
            waker,
            thread: Some(thread),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every stream that has ended since the last call, in order of their ends.
    pub fn take_log(&self) -> Vec<StreamLog> {
        std::mem::take(&mut *self.shared.log.lock())
    }

    /// CPU time that its thread has used so far. None on systems other than Linux.
    pub fn cpu_time(&self) -> Option<Nanos> {
        let task = self.shared.task.lock().clone()?;
        let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Nanos)
    }

    /// Stops, closes every connection, and returns the streams not yet taken, with those cut short.
    pub fn shutdown(mut self) -> Vec<StreamLog> {
        self.stop();
        self.take_log()
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // A thread that cannot be woken checks `stop` at the next token or connection.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic has already been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A listener with room for a burst of connects.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.port() != 0 {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
