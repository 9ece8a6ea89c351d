//! Newline-delimited JSON: splits bytes into lines. No I/O, no JSON.
//!
//! Neither TCP segments nor HTTP chunks need match lines, so bytes are kept until their newline
//! arrives. A line that lies whole in one push is lent from it without a copy.

use memchr::memchr;
use transport::TooLong;

/// Longest line accepted, bytes; the official client's limit.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Splits pushed bytes into lines.
///
/// ```
/// let mut decoder = ollama::ndjson::Decoder::default();
/// let mut lines = decoder.push(b"{\"a\":1}\n{\"b\"");
/// assert_eq!(lines.next_line()?, Some(b"{\"a\":1}".as_slice()));
/// assert_eq!(lines.next_line()?, None);
/// let mut lines = decoder.push(b":2}\n");
/// assert_eq!(lines.next_line()?, Some(b"{\"b\":2}".as_slice()));
/// # Ok::<(), transport::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// A line whose newline has not come yet, or the line lent last.
    buffer: Vec<u8>,
    lent: bool,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_LINE)
    }
}

impl Decoder {
    /// Makes a decoder that accepts lines of at most `limit` bytes, newline not counted.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            lent: false,
            limit,
        }
    }

    /// Takes bytes. Read the lines to their end: dropping [`Lines`] early drops the rest of the bytes.
    pub fn push<'d>(&'d mut self, bytes: &'d [u8]) -> Lines<'d> {
        Lines {
            decoder: self,
            rest: bytes,
        }
    }

    /// The bytes after the last newline, unless they are white space. Servers end a stream's
    /// last line with a newline but send a single object without one.
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.forget_lent();
        let line = self.buffer.trim_ascii();
        (!line.is_empty()).then_some(line)
    }

    fn forget_lent(&mut self) {
        if self.lent {
            self.buffer.clear();
            self.lent = false;
        }
    }

    fn room_for(&self, more: usize) -> Result<(), TooLong> {
        if self.buffer.len() + more > self.limit {
            return Err(TooLong {
                what: "a line",
                limit: self.limit,
            });
        }
        Ok(())
    }
}

/// The lines that one push completed.
#[derive(Debug)]
#[must_use = "lines that are not read are lost"]
pub struct Lines<'d> {
    decoder: &'d mut Decoder,
    rest: &'d [u8],
}

impl Lines<'_> {
    /// The next line without its newline and surrounding white space; blank lines are skipped.
    /// After an error the stream cannot be read any further.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        loop {
            self.decoder.forget_lent();
            let Some(end) = memchr(b'\n', self.rest) else {
                self.decoder.room_for(self.rest.len())?;
                self.decoder.buffer.extend_from_slice(self.rest);
                self.rest = &[];
                return Ok(None);
            };
            let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
            self.decoder.room_for(line.len())?;
            self.rest = rest;
            if self.decoder.buffer.is_empty() {
                let line = line.trim_ascii();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.decoder.buffer.extend_from_slice(line);
            self.decoder.lent = true;
            if !self.decoder.buffer.trim_ascii().is_empty() {
                return Ok(Some(self.decoder.buffer.trim_ascii()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
