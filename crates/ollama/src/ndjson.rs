//! Newline-delimited JSON: splits bytes into lines. No I/O, no JSON.
//!
//! Neither TCP segments nor HTTP chunks need match lines, so bytes are kept until their newline
//! arrives. A line that lies whole in one push is lent from it without a copy.

use memchr::memchr;
use transport::{RequestError, TakeResult, element_too_long};

/// Longest line accepted, bytes; the official client's limit.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Splits bytes that arrive in pieces into lines.
///
/// ```
/// let mut decoder = ollama::ndjson::Decoder::default();
/// let mut lines = Vec::new();
/// for bytes in [b"{\"a\":1}\n{\"b\"".as_slice(), b":2}\n"] {
///     decoder.push(bytes, |line| {
///         lines.push(line.to_vec());
///         Ok(false)
///     })?;
/// }
/// assert_eq!(lines, [b"{\"a\":1}", b"{\"b\":2}"]);
/// # Ok::<(), transport::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// The line whose newline has not come yet.
    partial: Vec<u8>,
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
        let partial = Vec::new();
        Self { partial, limit }
    }

    /// Takes bytes, and passes on each line that they complete, without its newline and surrounding white space; blank
    /// lines are skipped. Returns true, and drops the rest, once `take` does. Fails when a line is too long, and
    /// when `take` fails; the stream cannot be read any further then.
    #[inline]
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> TakeResult,
    ) -> TakeResult {
        while let Some(end) = memchr(b'\n', bytes) {
            let line = &bytes[..end];
            bytes = &bytes[end + 1..];
            self.check_room(line.len())?;
            let mut joined = std::mem::take(&mut self.partial);
            let line = if joined.is_empty() {
                line.trim_ascii()
            } else {
                joined.extend_from_slice(line);
                joined.trim_ascii()
            };
            if !line.is_empty() && take(line)? {
                return Ok(true);
            }
            // The allocation is reused.
            joined.clear();
            self.partial = joined;
        }
        if !bytes.is_empty() {
            self.check_room(bytes.len())?;
            self.partial.extend_from_slice(bytes);
        }
        Ok(false)
    }

    /// The bytes after the last newline, unless they are white space. Servers end a stream's
    /// last line with a newline but send a single object without one.
    pub fn finish(&self) -> Option<&[u8]> {
        let line = self.partial.trim_ascii();
        (!line.is_empty()).then_some(line)
    }

    fn check_room(&self, more: usize) -> Result<(), RequestError> {
        if self.partial.len() + more <= self.limit {
            return Ok(());
        }
        Err(element_too_long("a line", self.limit))
    }
}

#[cfg(test)]
mod tests;
