//! Where a body's bytes end: RFC 9112, sections 6 and 7.

use memchr::memchr;

use super::Garbled;
use crate::bounds::{EXTENSION_BYTES, TRAILER_BYTES};

/// A body that is being read: takes the framing off whatever bytes arrive, however they are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// Whatever comes until the server closes the connection.
    UntilClosed,
    /// In a chunk's size, of so many digits.
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind a chunk's size, so many bytes on.
    Extension {
        size: u64,
        passed: u32,
    },
    /// Before the line feed of a chunk's first line.
    SizeEnd(u64),
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// Before the carriage return that ends a chunk.
    ChunkEnd,
    /// Before the line feed that ends a chunk.
    ChunkEndFeed,
    /// Where a line of the trailers begins, so many bytes on.
    TrailerStart(u32),
    Trailer(u32),
    TrailerEnd(u32),
    /// Before the line feed of the last, empty line.
    LastFeed,
    Done,
}

/// The server closed the connection in the middle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server closed the connection {0}")]
pub(crate) struct Cut(String);

impl Body {
    /// A body in chunks.
    pub(crate) const CHUNKED: Self = Self::Size { size: 0, digits: 0 };

    /// A body of so many bytes.
    pub(crate) fn of_length(bytes: u64) -> Self {
        match bytes {
            0 => Self::Done,
            bytes => Self::Length(bytes),
        }
    }

    /// True when all of it has been taken.
    pub(crate) fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// The next bytes of the body in `bytes`, which begins after them when this returns. None when
    /// all are used up or the body is done, and then those that are left are not the body's.
    pub(crate) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<Option<&'b [u8]>, Garbled> {
        loop {
            self.usual_framing(bytes);
            match self {
                Self::Done => return Ok(None),
                _ if bytes.is_empty() => return Ok(None),
                Self::UntilClosed => return Ok(Some(std::mem::take(bytes))),
                Self::Length(left) => {
                    let data = some_of(bytes, left);
                    if *left == 0 {
                        *self = Self::Done;
                    }
                    return Ok(Some(data));
                }
                Self::Chunk(left) => {
                    let data = some_of(bytes, left);
                    if *left == 0 {
                        *self = Self::ChunkEnd;
                    }
                    return Ok(Some(data));
                }
                _ => self.framing(bytes)?,
            }
        }
    }

    /// Takes what stands between two chunks where all of it is there and has no extensions: what
    /// nearly every chunk has, without a look at each byte by itself.
    fn usual_framing(&mut self, bytes: &mut &[u8]) {
        if *self == Self::ChunkEnd
            && let Some(rest) = bytes.strip_prefix(b"\r\n")
        {
            *bytes = rest;
            *self = Self::CHUNKED;
        }
        if *self == Self::CHUNKED {
            let line = &bytes[..bytes.len().min(8)];
            let digits = line
                .iter()
                .take_while(|byte| byte.is_ascii_hexdigit())
                .count();
            let rest = bytes[digits..].strip_prefix(b"\r\n");
            let size = line[..digits].iter().fold(0, |size, &byte| {
                size * 16 + u64::from(char::from(byte).to_digit(16).unwrap_or_default())
            });
            if let Some(rest) = rest.filter(|_| size > 0) {
                *bytes = rest;
                *self = Self::Chunk(size);
            }
        }
    }

    /// Takes framing off the front, a byte at least.
    fn framing(&mut self, bytes: &mut &[u8]) -> Result<(), Garbled> {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Ok(());
        };
        let mut taken = rest;
        *self = match (*self, byte) {
            (Self::Size { size, digits }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let more = size.checked_mul(16).map(|size| size + u64::from(digit));
                let size = more.ok_or_else(|| Garbled::new("a chunk's size is beyond 64 bits"))?;
                Self::Size {
                    size,
                    digits: digits.saturating_add(1),
                }
            }
            (Self::Size { size, digits: 1.. }, b'\r') => Self::SizeEnd(size),
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => {
                Self::Extension { size, passed: 1 }
            }
            (Self::Extension { size, passed }, _) => {
                // Up to the line's end, which is looked at next.
                let end = memchr(b'\r', bytes).unwrap_or(bytes.len());
                let passed = passed.saturating_add(u32::try_from(end).unwrap_or(u32::MAX));
                if passed > EXTENSION_BYTES || memchr(b'\n', &bytes[..end]).is_some() {
                    return Err(Garbled::new("what follows a chunk's size does not end"));
                }
                taken = bytes.get(end + 1..).unwrap_or_default();
                if end < bytes.len() {
                    Self::SizeEnd(size)
                } else {
                    Self::Extension { size, passed }
                }
            }
            (Self::SizeEnd(0), b'\n') => Self::TrailerStart(0),
            (Self::SizeEnd(size), b'\n') => Self::Chunk(size),
            (Self::ChunkEnd, b'\r') => Self::ChunkEndFeed,
            (Self::ChunkEndFeed, b'\n') => Self::CHUNKED,
            (Self::TrailerStart(_), b'\r') => Self::LastFeed,
            (Self::TrailerStart(passed) | Self::Trailer(passed), byte) => {
                let passed = passed + 1;
                if passed > TRAILER_BYTES {
                    return Err(Garbled::new("the trailers do not end"));
                }
                match byte {
                    b'\r' => Self::TrailerEnd(passed),
                    _ => Self::Trailer(passed),
                }
            }
            (Self::TrailerEnd(passed), b'\n') => Self::TrailerStart(passed),
            (Self::LastFeed, b'\n') => Self::Done,
            (Self::Size { .. }, byte) => {
                return Err(Garbled::new(format!(
                    "a chunk's size has the byte {:?}",
                    char::from(byte)
                )));
            }
            (Self::ChunkEnd | Self::ChunkEndFeed, _) => {
                return Err(Garbled::new("a chunk does not end where its size says"));
            }
            (_, _) => {
                return Err(Garbled::new(
                    "a line of the framing ends without a line feed",
                ));
            }
        };
        *bytes = taken;
        Ok(())
    }

    /// The server has closed the connection: the body's end, or what is missing.
    pub(crate) fn closed(&mut self) -> Result<(), Cut> {
        let missing = match self {
            Self::Done | Self::UntilClosed => {
                *self = Self::Done;
                return Ok(());
            }
            Self::Length(left) => format!("with {left} bytes of the body to come"),
            Self::Chunk(left) => format!("in a chunk with {left} bytes to come"),
            _ => "before the last chunk".to_owned(),
        };
        Err(Cut(missing))
    }
}

/// As many bytes as there are, and `left` at most.
fn some_of<'b>(bytes: &mut &'b [u8], left: &mut u64) -> &'b [u8] {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let (data, rest) = bytes.split_at(most.min(bytes.len()));
    *left -= data.len() as u64;
    *bytes = rest;
    data
}

#[cfg(test)]
mod tests;
