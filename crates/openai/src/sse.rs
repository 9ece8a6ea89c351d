//! Server-sent events: splits bytes into events. No I/O, no JSON.
//!
//! Neither TCP segments nor HTTP chunks need match lines or events, so bytes are kept until the
//! blank line that ends an event arrives. Lines end with LF, CRLF or CR; a line that begins with a
//! colon is a comment; several `data` lines of an event are joined with LF; a byte order mark at the
//! beginning is skipped. Lines that begin as a JSON object does are no fields, and are lent up to the next blank
//! line ([`BARE`]). Bytes are not looked at as text: UTF-8 may be split anywhere.

use memchr::{memchr, memchr2};
use transport::{RequestError, TakeResult, element_too_long};

/// Longest event accepted, bytes of data.
pub const MAX_EVENT: usize = 8 * 1024 * 1024;

/// The kind of a bare JSON object, lines that begin with `{` as no field does. Servers
/// that fail in the middle of a stream may send their error's object in this way.
pub const BARE: &[u8] = b"{";

/// How nearly every event begins.
const DATA: &[u8] = b"data: ";

/// An event with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'d> {
    /// The `event` field; empty when there was none. Older llama.cpp servers send errors in a field
    /// of their own, `error: {…}`; those have the kind `error`. See also [`BARE`].
    pub kind: &'d [u8],
    /// The data lines, joined with LF.
    pub data: &'d [u8],
}

/// Splits bytes that arrive in pieces into events.
///
/// ```
/// let mut decoder = openai::sse::Decoder::default();
/// let mut events = Vec::new();
/// for bytes in [b": hello\n\ndata: {\"a\"".as_slice(), b":1}\r\n\r\ndata: [DONE]\n\n"] {
///     decoder.push(bytes, |event| {
///         events.push(event.data.to_vec());
///         Ok(false)
///     })?;
/// }
/// assert_eq!(events, [b"{\"a\":1}".as_slice(), b"[DONE]"]);
/// # Ok::<(), transport::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// The event so far.
    partial: PartialEvent,
    /// The previous byte was CR, so an LF now ends no second line.
    after_cr: bool,
    /// No line has ended yet, so a byte order mark may stand before the first.
    at_start: bool,
}

#[derive(Debug)]
struct PartialEvent {
    /// The data lines, each followed by LF.
    data: Vec<u8>,
    kind: Vec<u8>,
    /// Most bytes of data, and of a line.
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Decoder {
    /// Makes a decoder that accepts events, and lines, of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            partial: PartialEvent {
                data: Vec::new(),
                kind: Vec::new(),
                limit,
            },
            after_cr: false,
            at_start: true,
        }
    }

    /// Takes bytes, and passes on each event with data that they complete. Returns true, and drops the rest, once
    /// `take` does. Fails when an event is too long, and when `take` fails; the stream cannot be read any further
    /// then.
    #[inline]
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(Event<'_>) -> TakeResult,
    ) -> TakeResult {
        while !bytes.is_empty() {
            if self.is_between_events()
                && let Some((data, rest)) = plain_event(bytes)
            {
                self.partial.check_room(DATA.len(), data.len())?;
                bytes = rest;
                let kind = b"".as_slice();
                if take(Event { kind, data })? {
                    return Ok(true);
                }
            } else if self.take_line(&mut bytes)? && self.partial.end(&mut take)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Passes on the event whose blank line had not arrived when the body ended, if there is one. The standard
    /// drops it; some servers end their last event with the body. Fails as [`push`](Self::push) does.
    pub fn finish(&mut self, take: impl FnMut(Event<'_>) -> TakeResult) -> TakeResult {
        if !self.line.is_empty() {
            self.end_line(&[])?;
        }
        self.partial.end(take)
    }

    fn is_between_events(&self) -> bool {
        let is_at_line = self.line.is_empty() && !self.after_cr && !self.at_start;
        is_at_line && self.partial.data.is_empty() && self.partial.kind.is_empty()
    }

    /// Takes a line, or the part of it that has arrived, off the front of `bytes`; true when it was blank.
    #[inline(never)]
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<bool, RequestError> {
        if std::mem::take(&mut self.after_cr) {
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            self.partial.check_room(self.line.len(), bytes.len())?;
            self.line.extend_from_slice(std::mem::take(bytes));
            return Ok(false);
        };
        self.after_cr = bytes[end] == b'\r';
        let line = &bytes[..end];
        *bytes = &bytes[end + 1..];
        self.end_line(line)
    }

    /// Takes the line that consists of the kept bytes and `rest`; true when it was blank.
    fn end_line(&mut self, rest: &[u8]) -> Result<bool, RequestError> {
        self.partial.check_room(self.line.len(), rest.len())?;
        let mut joined = std::mem::take(&mut self.line);
        let mut line = rest;
        if !joined.is_empty() {
            joined.extend_from_slice(rest);
            line = &joined;
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let is_blank = line.is_empty();
        self.partial.field(line)?;
        // The allocation is reused.
        joined.clear();
        self.line = joined;
        Ok(is_blank)
    }
}

/// The data of an event that is one `data` line and whole, as nearly every event of a stream, and what follows it.
#[inline]
fn plain_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = bytes.strip_prefix(DATA)?;
    let (data, rest) = line.split_at(memchr2(b'\n', b'\r', line)?);
    Some((data, rest.strip_prefix(b"\n\n")?))
}

impl PartialEvent {
    fn check_room(&self, held: usize, more: usize) -> Result<(), RequestError> {
        if held + more <= self.limit {
            return Ok(());
        }
        Err(element_too_long("an event", self.limit))
    }

    fn field(&mut self, line: &[u8]) -> Result<(), RequestError> {
        let begins_bare = self.data.is_empty() && line.starts_with(BARE);
        if begins_bare || self.kind == BARE && !line.is_empty() {
            self.kind = BARE.to_vec();
            return self.add(line);
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.add(value)?,
            b"error" => {
                self.kind = b"error".to_vec();
                self.add(value)?;
            }
            b"event" => self.kind = value.to_vec(),
            // Comments have the empty name; `id` and `retry` are for reconnecting, which this client
            // never does.
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, data: &[u8]) -> Result<(), RequestError> {
        self.check_room(self.data.len(), data.len())?;
        self.data.extend_from_slice(data);
        self.data.push(b'\n');
        Ok(())
    }

    /// Passes on the event, if it has data.
    fn end(&mut self, mut take: impl FnMut(Event<'_>) -> TakeResult) -> TakeResult {
        let taken = match self.data.strip_suffix(b"\n") {
            Some(data) => take(Event {
                kind: &self.kind,
                data,
            }),
            None => Ok(false),
        };
        self.data.clear();
        self.kind.clear();
        taken
    }
}

#[cfg(test)]
mod tests;
