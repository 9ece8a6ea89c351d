//! The floor: bare sockets read on one thread over kept connections, newlines counted, nothing
//! parsed. No client can read these streams for less.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use clock::Clock;
use domain::Stamp;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

/// What to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    address: SocketAddr,
    streams: u32,
    /// Of each stream, one after another.
    requests: u32,
    tokens: u32,
    /// Where the requests go: the protocol decides what a token is wrapped in.
    #[arg(default_value = "/api/generate")]
    path: String,
}

/// The figures that every client reports of a request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Sent with the request; the server logs it.
    pub(crate) seed: i64,
    /// Reported TTFT, ns.
    pub(crate) ttft_ns: u64,
    /// Making the connection, where this request did, ns.
    pub(crate) connect_ns: Option<u64>,
}

/// One connection.
struct Reader {
    socket: TcpStream,
    index: u32,
    started: Stamp,
    connect_ns: Option<u64>,
    sent: Stamp,
    first: Option<Stamp>,
    newlines: usize,
    /// The last bytes read: an end may come in pieces.
    tail: Vec<u8>,
    done: u32,
}

/// How each response ends.
const END: &[u8] = b"\r\n0\r\n\r\n";

impl Reader {
    fn send(&mut self, args: &Args, clock: &Clock) -> Result<()> {
        let body = format!(
            "{{\"model\":\"metronome\",\"prompt\":\"stream\",\"stream\":true,\"options\":{{\"seed\":{},\"num_predict\":{}}}}}",
            self.seed(args),
            args.tokens
        );
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            args.path,
            body.len()
        );
        self.first = None;
        self.newlines = 0;
        self.tail.clear();
        self.sent = clock.now();
        // A few hundred bytes always fit into the buffer of a socket that waits for its answer.
        let written = self.socket.write(request.as_bytes())?;
        ensure!(written == request.len(), "a request was cut");
        Ok(())
    }

    fn seed(&self, args: &Args) -> i64 {
        i64::from(self.index * args.requests + self.done)
    }

    /// Reads what is there. True when the response has ended.
    fn read(&mut self, buffer: &mut [u8], clock: &Clock) -> Result<bool> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => {
                    let bytes = &buffer[..count];
                    if self.first.is_none() {
                        self.first = Some(clock.now());
                        // An error's reply would never end as a stream does.
                        ensure!(bytes.starts_with(b"HTTP/1.1 200 "), "a request was refused");
                    }
                    self.newlines += memchr::memchr_iter(b'\n', bytes).count();
                    let kept = END.len().saturating_sub(count).min(self.tail.len());
                    self.tail.drain(..self.tail.len() - kept);
                    self.tail
                        .extend_from_slice(&bytes[count.saturating_sub(END.len())..]);
                    if self.tail == END {
                        return Ok(true);
                    }
                    // A short read has emptied the socket.
                    if count < buffer.len() {
                        return Ok(false);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("a stream broke off"),
            }
        }
    }
}

/// Reads all streams and prints a row for each.
pub(crate) fn read(args: &Args) -> Result<()> {
    let clock = Clock::real();
    let mut poll = Poll::new()?;
    let mut readers = Vec::new();
    for index in 0..args.streams {
        let started = clock.now();
        let mut socket = TcpStream::connect(args.address)?;
        socket.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(index as usize), both)?;
        readers.push(Reader {
            socket,
            index,
            started,
            connect_ns: None,
            sent: started,
            first: None,
            newlines: 0,
            tail: Vec::with_capacity(2 * END.len()),
            done: 0,
        });
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0_u8; 65_536];
    let mut rows = Vec::new();
    let mut left = args.streams;
    while left > 0 {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            let reader = &mut readers[event.token().0];
            if reader.done == args.requests {
                continue;
            }
            if reader.connect_ns.is_none() {
                if !event.is_writable() {
                    continue;
                }
                if let Some(error) = reader.socket.take_error()? {
                    return Err(error).context("no connection");
                }
                reader.connect_ns = Some(clock.now().since(reader.started).0);
                reader.send(args, &clock)?;
                continue;
            }
            if !event.is_readable() || !reader.read(&mut buffer, &clock)? {
                continue;
            }
            // A line of each token, at least, or this read something else.
            ensure!(
                reader.newlines >= args.tokens as usize,
                "tokens are missing"
            );
            let first = reader.first.context("a response without bytes")?;
            rows.push(Row {
                seed: reader.seed(args),
                ttft_ns: first.since(reader.sent).0,
                connect_ns: reader.connect_ns.filter(|_| reader.done == 0),
            });
            reader.done += 1;
            if reader.done == args.requests {
                left -= 1;
            } else {
                reader.send(args, &clock)?;
            }
        }
    }
    serde_json::to_writer(std::io::stdout().lock(), &rows)?;
    Ok(())
}
