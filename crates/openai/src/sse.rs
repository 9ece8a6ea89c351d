//! Server-sent events: splits bytes into events. No I/O, no JSON.
//!
//! Neither TCP segments nor HTTP chunks need match lines or events, so bytes are kept until the
//! blank line that ends an event arrives. Lines end with LF, CRLF or CR; a line that begins with a
//! colon is a comment; several `data` lines of an event are joined with LF; a byte order mark at the
//! beginning is skipped. Lines that begin as a JSON object does are no fields, and are lent up to the next blank
//! line ([`BARE`]). Bytes are not looked at as text: UTF-8 may be split anywhere.

use memchr::{memchr, memchr2};
use transport::TooLong;

/// Longest event accepted, bytes of data.
pub const MAX_EVENT: usize = 8 * 1024 * 1024;

/// The kind of a bare JSON object, lines that begin with `{` as no field does. Servers
/// that fail in the middle of a stream may send their error's object in this way.
pub const BARE: &[u8] = b"{";

/// An event with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'d> {
    /// The `event` field; empty when there was none. Older llama.cpp servers send errors in a field
    /// of their own, `error: {…}`; those have the kind `error`. See also [`BARE`].
    pub kind: &'d [u8],
    /// The data lines, joined with LF.
    pub data: &'d [u8],
}

/// Splits pushed bytes into events.
///
/// ```
/// let mut decoder = openai::sse::Decoder::default();
/// let mut events = decoder.push(b": hello\n\ndata: {\"a\"");
/// assert_eq!(events.next_event()?, None);
/// let mut events = decoder.push(b":1}\r\n\r\ndata: [DONE]\n\n");
/// assert_eq!(events.next_event()?.map(|e| e.data), Some(b"{\"a\":1}".as_slice()));
/// assert_eq!(events.next_event()?.map(|e| e.data), Some(b"[DONE]".as_slice()));
/// assert_eq!(events.next_event()?, None);
/// # Ok::<(), transport::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// The data lines of the event so far, each followed by LF.
    data: Vec<u8>,
    kind: Vec<u8>,
    /// The event was lent and must be cleared before the next one.
    lent: bool,
    /// The previous byte was CR, so an LF now ends no second line.
    after_cr: bool,
    /// No line has ended yet, so a byte order mark may stand before the first.
    at_start: bool,
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
            data: Vec::new(),
            kind: Vec::new(),
            lent: false,
            after_cr: false,
            at_start: true,
            limit,
        }
    }

    /// Takes bytes. Read the events to their end: dropping [`Events`] early drops the rest of the bytes.
    pub fn push<'d>(&'d mut self, bytes: &'d [u8]) -> Events<'d> {
        Events {
            decoder: self,
            rest: bytes,
        }
    }

    /// The event whose blank line had not arrived when the body ended, if there is one. The standard
    /// drops it; some servers end their last event with the body.
    pub fn finish(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        self.forget_lent();
        if !self.line.is_empty() {
            self.end_line(&[])?;
        }
        Ok(self.lend())
    }

    fn forget_lent(&mut self) {
        if self.lent {
            self.data.clear();
            self.kind.clear();
            self.lent = false;
        }
    }

    fn lend(&mut self) -> Option<Event<'_>> {
        self.lent = true;
        let data = self.data.strip_suffix(b"\n")?;
        Some(Event {
            kind: &self.kind,
            data,
        })
    }

    fn room_for(&self, held: usize, more: usize) -> Result<(), TooLong> {
        if held + more > self.limit {
            return Err(TooLong {
                what: "an event",
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Takes the line that consists of the kept bytes and `rest`; true when it was blank.
    fn end_line(&mut self, rest: &[u8]) -> Result<bool, TooLong> {
        self.room_for(self.line.len(), rest.len())?;
        let kept = std::mem::take(&mut self.line);
        let mut joined = kept;
        let mut line = rest;
        if !joined.is_empty() {
            joined.extend_from_slice(rest);
            line = &joined;
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let blank = line.is_empty();
        self.field(line)?;
        // The allocation is reused.
        joined.clear();
        self.line = joined;
        Ok(blank)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let begins_bare = self.data.is_empty() && line.starts_with(BARE);
        if begins_bare || self.kind == BARE && !line.is_empty() {
            self.room_for(self.data.len(), line.len())?;
            self.data.extend_from_slice(line);
            self.data.push(b'\n');
            self.kind = BARE.to_vec();
            return Ok(());
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" | b"error" => {
                self.room_for(self.data.len(), value.len())?;
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
                if name == b"error" {
                    self.kind = b"error".to_vec();
                }
            }
            b"event" => self.kind = value.to_vec(),
            // Comments have the empty name; `id` and `retry` are for reconnecting, which this client
            // never does.
            _ => {}
        }
        Ok(())
    }
}

/// The events that one push completed.
#[derive(Debug)]
#[must_use = "events that are not read are lost"]
pub struct Events<'d> {
    decoder: &'d mut Decoder,
    rest: &'d [u8],
}

impl Events<'_> {
    /// The next event; events without data are skipped. After an error the stream cannot be
    /// read any further.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        self.decoder.forget_lent();
        loop {
            if self.decoder.after_cr
                && let Some(first) = self.rest.first()
            {
                if *first == b'\n' {
                    self.rest = &self.rest[1..];
                }
                self.decoder.after_cr = false;
            }
            let end = memchr2(b'\n', b'\r', self.rest);
            let Some(end) = end else {
                self.decoder
                    .room_for(self.decoder.line.len(), self.rest.len())?;
                self.decoder.line.extend_from_slice(self.rest);
                self.rest = &[];
                return Ok(None);
            };
            self.decoder.after_cr = self.rest[end] == b'\r';
            let line = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            if self.decoder.end_line(line)? {
                if self.decoder.data.is_empty() {
                    self.decoder.kind.clear();
                    continue;
                }
                return Ok(self.decoder.lend());
            }
        }
    }
}

#[cfg(test)]
mod tests;
