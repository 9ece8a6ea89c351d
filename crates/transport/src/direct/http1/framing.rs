//! Where a body's bytes end: RFC 9112, sections 6 and 7.

use memchr::memchr;

use crate::bounds::{CHUNK_LINE_BYTES, TRAILER_BYTES};
use crate::connection_error::ConnectionError;

/// Removes the framing of a body that arrives in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::direct) enum Framing {
    #[default]
    Done,
    /// The number of bytes to come.
    Length(u64),
    /// Everything until the server closes the connection.
    UntilClosed,
    /// The number of bytes of a chunk to come.
    Chunk(u64),
    /// In a line between the chunks, of which these bytes have arrived.
    Line(Line, Vec<u8>),
}

/// The purpose of a line of the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::direct) enum Line {
    /// The size of the next chunk, and possibly extensions.
    Size,
    /// The empty line after a chunk.
    ChunkEnd,
    /// A trailer, or the empty line that ends the body; with the number of bytes of the trailers before it.
    Trailer(usize),
}

impl Framing {
    pub(in crate::direct) const CHUNKED: Self = Self::Line(Line::Size, Vec::new());

    pub(in crate::direct) fn of_length(bytes: u64) -> Self {
        match bytes {
            0 => Self::Done,
            bytes => Self::Length(bytes),
        }
    }

    pub(in crate::direct) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// The next bytes of the body in `bytes`, which begins after them when this returns. `None` when
    /// all are used up or the body is done; the remaining bytes then do not belong to the body.
    pub(in crate::direct) fn next<'b>(
        &mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<&'b [u8]>, ConnectionError> {
        while !bytes.is_empty() {
            let (left, next) = match self {
                Self::Done => return Ok(None),
                Self::UntilClosed => return Ok(Some(std::mem::take(bytes))),
                Self::Line(line, begun) => {
                    let (line, begun) = (*line, std::mem::take(begun));
                    *self = Self::line(line, begun, bytes)?;
                    continue;
                }
                Self::Length(left) => (left, Self::Done),
                Self::Chunk(left) => (left, Self::Line(Line::ChunkEnd, Vec::new())),
            };
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            let (data, rest) = bytes.split_at(most.min(bytes.len()));
            *bytes = rest;
            *left -= data.len() as u64;
            if *left == 0 {
                *self = next;
            }
            return Ok(Some(data));
        }
        Ok(None)
    }

    /// Takes a line, or the part of it that has arrived, off the front of `bytes`; returns what follows.
    fn line(kind: Line, mut begun: Vec<u8>, bytes: &mut &[u8]) -> Result<Self, ConnectionError> {
        let end = memchr(b'\n', bytes);
        let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        *bytes = rest;
        let mut line = piece;
        if !begun.is_empty() || end.is_none() {
            begun.extend_from_slice(piece);
            line = &begun;
        }
        let before = match kind {
            Line::Trailer(before) => before,
            Line::Size | Line::ChunkEnd => TRAILER_BYTES - CHUNK_LINE_BYTES,
        };
        if before + line.len() > TRAILER_BYTES {
            return Err(ConnectionError::InvalidHttp(
                "a line between chunks, or the trailers, do not end".to_owned(),
            ));
        }
        let text = line.strip_suffix(b"\r\n");
        let carriage_return = memchr(b'\r', text.unwrap_or(line));
        if carriage_return.is_some_and(|at| at + 1 < line.len()) || end.is_some() && text.is_none()
        {
            return Err(ConnectionError::InvalidHttp(
                "a line between chunks does not end with CR and LF".to_owned(),
            ));
        }
        let Some(text) = text else {
            return Ok(Self::Line(kind, begun));
        };
        Ok(match kind {
            Line::Size => match chunk_size(text)? {
                0 => Self::Line(Line::Trailer(0), Vec::new()),
                size => Self::Chunk(size),
            },
            Line::ChunkEnd if text.is_empty() => Self::CHUNKED,
            Line::ChunkEnd => {
                let words = "a chunk does not end where its size says";
                return Err(ConnectionError::InvalidHttp(words.to_owned()));
            }
            Line::Trailer(_) if text.is_empty() => Self::Done,
            Line::Trailer(_) => Self::Line(Line::Trailer(before + line.len()), Vec::new()),
        })
    }

    /// Ends the body when the server has closed the connection. Fails when a part is missing.
    pub(in crate::direct) fn closed(&mut self) -> Result<(), ConnectionError> {
        let missing = match self {
            Self::Done | Self::UntilClosed => {
                *self = Self::Done;
                return Ok(());
            }
            Self::Length(left) => format!("with {left} bytes of the body to come"),
            Self::Chunk(left) => format!("in a chunk with {left} bytes to come"),
            Self::Line(..) => "before the last chunk".to_owned(),
        };
        Err(ConnectionError::Truncated(missing))
    }
}

/// The size in a chunk's first line, without extensions.
fn chunk_size(line: &[u8]) -> Result<u64, ConnectionError> {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b';' | b' ' | b'\t'));
    let digits = &line[..end.unwrap_or(line.len())];
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let size = std::str::from_utf8(digits).ok().filter(|_| is_hex);
    let size = size.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.ok_or_else(|| {
        let digits = String::from_utf8_lossy(digits);
        ConnectionError::InvalidHttp(format!("a chunk's size is `{digits}`"))
    })
}

#[cfg(test)]
mod tests;
