//! One connection: bytes received, the stream in progress, bytes not yet written.

use std::io::{self, Read as _, Write as _};

use clock::Clock;
use domain::Stamp;
use http::StatusCode;
use mio::net::TcpStream;

use crate::request::{Generation, Parsed, Request, parse};
use crate::wire::{self, OPERATIONS, Operation, Parts};
use crate::{Pace, StreamLog, Write};

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) number: u64,
    accepted: Stamp,
    received: Vec<u8>,
    /// Bytes that the socket did not take. Empty while the client reads fast enough.
    unsent: Vec<u8>,
    /// `100 Continue` has been sent for the request being received.
    continued: bool,
    /// Close once everything is sent.
    close: bool,
    pub(crate) stream: Option<Stream>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    /// Its place among [`OPERATIONS`].
    operation: usize,
    tokens: u32,
    last: Vec<u8>,
    pub(crate) log: StreamLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Waits,
    /// A stream started; its first token must be scheduled.
    Begins,
    /// Closed or to be closed.
    Gone,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream, number: u64, accepted: Stamp) -> Self {
        Self {
            socket,
            number,
            accepted,
            received: Vec::new(),
            unsent: Vec::new(),
            continued: false,
            close: false,
            stream: None,
        }
    }

    /// Reads what the socket has and answers every complete request.
    pub(crate) fn read(&mut self, scratch: &mut [u8], pace: Pace, clock: &Clock) -> Turn {
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return Turn::Gone,
                Ok(count) => {
                    self.received.extend_from_slice(&scratch[..count]);
                    // A short read has emptied the socket; later bytes raise a new event.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Turn::Gone,
            }
        }
        self.answer(pace, clock)
    }

    pub(crate) fn answer(&mut self, pace: Pace, clock: &Clock) -> Turn {
        while self.stream.is_none() && !self.received.is_empty() {
            match parse(&self.received) {
                Parsed::Part { expects } => {
                    if !expects || std::mem::replace(&mut self.continued, true) {
                        return Turn::Waits;
                    }
                    return self.send(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                Parsed::Refused(status) => {
                    let body = wire::error("", "not an HTTP request that this server supports");
                    self.received.clear();
                    self.close = true;
                    return self.send(&wire::json(status, &body, true));
                }
                Parsed::Whole(request, length) => {
                    self.received.drain(..length);
                    self.continued = false;
                    self.close |= request.close;
                    let Some(reply) = self.begin(&request, pace, clock) else {
                        return Turn::Begins;
                    };
                    if self.send(&reply) == Turn::Gone {
                        return Turn::Gone;
                    }
                }
            }
        }
        Turn::Waits
    }

    /// Starts a stream, or returns the reply to a request that is not streamed.
    fn begin(&mut self, request: &Request, pace: Pace, clock: &Clock) -> Option<Vec<u8>> {
        let path = request.path.as_str();
        let refuse =
            |status, words: &str| Some(wire::json(status, &wire::error(path, words), true));
        let place = match (request.method.as_str(), Operation::of_path(path)) {
            (method @ ("GET" | "HEAD"), _) => {
                return match wire::page(path) {
                    Some(page) => Some(wire::json(StatusCode::OK, &page, method == "GET")),
                    None => refuse(StatusCode::NOT_FOUND, "no such page"),
                };
            }
            ("POST", Some(place)) => place,
            ("POST", None) => return refuse(StatusCode::NOT_FOUND, "no such operation"),
            _ => return refuse(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD or POST"),
        };
        let operation = &OPERATIONS[place];
        let Ok(asked) = serde_json::from_slice::<Generation>(&request.body) else {
            return refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the body is not a JSON request for this operation",
            );
        };
        if operation.is_native() && asked.is_empty() {
            return Some(wire::json(StatusCode::OK, &operation.loaded(), true));
        }
        // Ollama streams by default; the compatible API does not.
        if !asked.stream.unwrap_or(operation.is_native()) {
            return refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the metronome only streams; send \"stream\": true",
            );
        }
        let tokens = asked.tokens(pace.tokens);
        self.stream = Some(Stream {
            operation: place,
            tokens,
            last: operation.last(pace, tokens, asked.include_usage()),
            log: StreamLog {
                connection: self.number,
                accepted: self.accepted,
                asked: clock.now(),
                seed: asked.seed(),
                writes: Vec::with_capacity(tokens as usize),
                complete: false,
            },
        });
        None
    }

    /// Sends the next token. `started` is the current time; returns the time after the write and,
    /// after the last token, the stream's log. None when the connection is broken or has no stream.
    pub(crate) fn tick(
        &mut self,
        parts: &[Parts; 4],
        started: Stamp,
        clock: &Clock,
    ) -> Option<(Option<StreamLog>, Stamp)> {
        let stream = self.stream.as_mut()?;
        let parts = &parts[stream.operation];
        let number = stream.log.writes.len() as u32 + 1;
        let bytes = match number {
            last if last == stream.tokens => &stream.last,
            1 => &parts.first,
            _ => &parts.middle,
        };
        let sent = put(&mut self.socket, &mut self.unsent, bytes);
        let returned = clock.now();
        if !sent {
            return None;
        }
        stream.log.writes.push(Write { started, returned });
        if number < stream.tokens {
            return Some((None, returned));
        }
        let mut log = self.stream.take()?.log;
        log.complete = true;
        Some((Some(log), returned))
    }

    pub(crate) fn flush(&mut self) -> Turn {
        if self.unsent.is_empty() {
            return Turn::Waits;
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.close && self.stream.is_none() && self.unsent.is_empty()
    }

    fn send(&mut self, bytes: &[u8]) -> Turn {
        if put(&mut self.socket, &mut self.unsent, bytes) && !self.is_over() {
            Turn::Waits
        } else {
            Turn::Gone
        }
    }
}

/// Writes `bytes` and keeps those the socket does not take. False when the connection is broken.
fn put(socket: &mut TcpStream, unsent: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if !unsent.is_empty() {
        // The client reads too slowly; order matters more than the allocation.
        unsent.extend_from_slice(bytes);
        return true;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(0) => return false,
            Ok(count) => rest = &rest[count..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                unsent.extend_from_slice(rest);
                return true;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}
