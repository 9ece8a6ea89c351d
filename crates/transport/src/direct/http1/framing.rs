//! Where a body's bytes end: RFC 9112, sections 6 and 7.

use memchr::memchr;

use crate::bounds::{CHUNK_LINE_BYTES, TRAILER_BYTES};
use crate::connection_error::{closed, invalid_http};
use crate::request_error::RequestError;

/// Removes the framing of a body that arrives in pieces.
#[derive(Debug, Default)]
pub(in crate::direct) struct Framing {
    pub(super) state: State,
    /// The part of a line that has arrived.
    line: Vec<u8>,
    /// Bytes of the trailers so far.
    trailers: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Done,
    /// The number of bytes to come.
    Length(u64),
    /// Everything until the server closes the connection.
    UntilClosed,
    /// The number of bytes of a chunk to come.
    Chunk(u64),
    /// In the line with the size of the next chunk, and possibly extensions.
    Size,
    /// In the empty line after a chunk.
    ChunkEnd,
    /// In a trailer, or in the empty line that ends the body.
    Trailer,
}

impl State {
    pub(super) fn of_length(bytes: u64) -> Self {
        match bytes {
            0 => Self::Done,
            bytes => Self::Length(bytes),
        }
    }
}

impl From<State> for Framing {
    fn from(state: State) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }
}

impl Framing {
    pub(in crate::direct) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next bytes of the body in `bytes`, which begins after them when this returns. `None` when
    /// all are used up or the body is done; the remaining bytes then do not belong to the body. Fails when the bytes
    /// are not framed as they should be.
    #[inline]
    pub(in crate::direct) fn next<'b>(
        &mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<&'b [u8]>, RequestError> {
        while !bytes.is_empty() {
            let (left, next): (_, fn(u64) -> State) = match self.state {
                State::Done => return Ok(None),
                State::UntilClosed => return Ok(Some(std::mem::take(bytes))),
                State::Length(left) => (left, State::Length),
                State::Chunk(left) => (left, State::Chunk),
                State::Size | State::ChunkEnd | State::Trailer => {
                    self.take_line(bytes)?;
                    continue;
                }
            };
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let (data, rest) = bytes.split_at(most.min(bytes.len()));
            *bytes = rest;
            self.state = match (left - data.len() as u64, self.state) {
                (0, State::Chunk(_)) => State::ChunkEnd,
                (0, _) => State::Done,
                (left, _) => next(left),
            };
            return Ok(Some(data));
        }
        Ok(None)
    }

    /// Takes a line, or the part of it that has arrived, off the front of `bytes`.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<(), RequestError> {
        if self.state == State::ChunkEnd
            && self.line.is_empty()
            && let Some(rest) = bytes.strip_prefix(b"\r\n")
        {
            (self.state, *bytes) = (State::Size, rest);
            return Ok(());
        }
        let end = memchr(b'\n', bytes);
        let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        *bytes = rest;
        if self.line.is_empty() && end.is_some() {
            return self.end_line(piece);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(piece);
        if end.is_some() {
            self.end_line(&line)?;
            line.clear();
        } else {
            self.check(&line, &line)?;
        }
        self.line = line;
        Ok(())
    }

    /// Fails when a line is too long, or when its `text` has a carriage return before its last byte.
    fn check(&self, line: &[u8], text: &[u8]) -> Result<(), RequestError> {
        let is_too_long = match self.state {
            State::Trailer => self.trailers + line.len() > TRAILER_BYTES,
            _ => line.len() > CHUNK_LINE_BYTES,
        };
        if is_too_long {
            let words = "a line between chunks, or the trailers, do not end";
            return Err(invalid_http(words));
        }
        match memchr(b'\r', text) {
            Some(at) if at + 1 < line.len() => Err(no_line_end()),
            _ => Ok(()),
        }
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), RequestError> {
        let text = line.strip_suffix(b"\r\n");
        self.check(line, text.unwrap_or(line))?;
        let text = text.ok_or_else(no_line_end)?;
        self.state = match self.state {
            State::Size => match chunk_size(text)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            State::Trailer if text.is_empty() => State::Done,
            State::Trailer => {
                self.trailers += line.len();
                State::Trailer
            }
            _ if text.is_empty() => State::Size,
            _ => {
                let words = "a chunk does not end where its size says";
                return Err(invalid_http(words));
            }
        };
        Ok(())
    }

    /// Ends the body when the server has closed the connection. Fails when a part is missing.
    pub(in crate::direct) fn closed(&mut self) -> Result<(), RequestError> {
        let missing = match self.state {
            State::Done | State::UntilClosed => {
                self.state = State::Done;
                return Ok(());
            }
            State::Length(left) => format!("with {left} bytes of the body to come"),
            State::Chunk(left) => format!("in a chunk with {left} bytes to come"),
            State::Size | State::ChunkEnd | State::Trailer => "before the last chunk".to_owned(),
        };
        Err(closed(&missing))
    }
}

#[cold]
fn no_line_end() -> RequestError {
    invalid_http("a line between chunks does not end with CR and LF")
}

/// The size in a chunk's first line, without extensions.
fn chunk_size(line: &[u8]) -> Result<u64, RequestError> {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b';' | b' ' | b'\t'));
    let digits = &line[..end.unwrap_or(line.len())];
    let add = |size: Option<u64>, byte: &u8| {
        let digit = char::from(*byte).to_digit(16)?;
        size.filter(|size| size.leading_zeros() >= 4)
            .map(|size| size << 4 | u64::from(digit))
    };
    let size = digits.iter().fold(Some(0), add);
    size.filter(|_| !digits.is_empty()).ok_or_else(|| {
        let digits = String::from_utf8_lossy(digits);
        invalid_http(format!("a chunk's size is `{digits}`"))
    })
}

#[cfg(test)]
mod tests;
