//! The head of a response.

use std::mem::MaybeUninit;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use super::Framing;
use crate::bounds::{HEAD_BYTES, HEADERS, INTERIM_HEADS};
use crate::connection_error::ConnectionError;
use crate::headers::{keeps_connection, list_items};

/// The head of a response, and how its body ends.
#[derive(Debug, Clone)]
pub(in crate::direct) struct Head {
    pub(in crate::direct) status: u16,
    pub(in crate::direct) headers: HeaderMap,
    pub(in crate::direct) framing: Framing,
    /// True when the server accepts another request on this connection.
    pub(in crate::direct) is_reusable: bool,
}

impl Head {
    /// Reads a head at the front of `bytes`, and returns its length. `None` when it is not complete.
    fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, ConnectionError> {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            &mut room,
        );
        let length = match parsed {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < HEAD_BYTES => return Ok(None),
            Ok(Status::Partial) => {
                let words = format!("the response's head is longer than {HEAD_BYTES} bytes");
                return Err(ConnectionError::InvalidHttp(words));
            }
            Err(error) => {
                return Err(ConnectionError::InvalidHttp(format!(
                    "this is no HTTP response: {error}"
                )));
            }
        };
        let status = response.code.unwrap_or_default();
        let is_1_1 = response.version == Some(1);
        let headers: HeaderMap = (response.headers.iter())
            .filter_map(|header| {
                let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(header.value).ok()?))
            })
            .collect();
        let framing = match status {
            100..200 | 204 | 304 => Framing::of_length(0),
            _ => Framing::of(&headers)?,
        };
        let head = Self {
            status,
            is_reusable: keeps_connection(is_1_1, &headers)
                && status != 101
                && framing != Framing::UntilClosed,
            headers,
            framing,
        };
        Ok(Some((head, length)))
    }
}

/// Finds the head of a response in bytes that arrive in pieces, and skips interim heads.
#[derive(Debug, Default)]
pub(in crate::direct) struct HeadSearch {
    /// Where the head begins, after the interim heads so far.
    from: usize,
    /// The number of its bytes from which on an unfinished head is parsed again, so that a head that arrives
    /// byte by byte is not parsed for each byte.
    look_at: usize,
    interim: u32,
}

impl HeadSearch {
    /// Searches all bytes so far, of which those from `new` on have not been searched. Returns the head and where
    /// it ends; `None` when it is not complete.
    pub(in crate::direct) fn look(
        &mut self,
        bytes: &[u8],
        new: usize,
    ) -> Result<Option<(Head, usize)>, ConnectionError> {
        let has_ended = ends_a_head(&bytes[new.saturating_sub(3).max(self.from)..]);
        if !has_ended && bytes.len() - self.from < self.look_at {
            return Ok(None);
        }
        loop {
            let rest = &bytes[self.from..];
            let Some((head, length)) = Head::read(rest)? else {
                self.look_at = (2 * rest.len()).min(HEAD_BYTES);
                return Ok(None);
            };
            self.from += length;
            // 101 would end HTTP on this connection, and was not asked for.
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(Some((head, self.from)));
            }
            self.interim += 1;
            if self.interim > INTERIM_HEADS {
                let words =
                    format!("more than {INTERIM_HEADS} interim heads (1xx) without a response");
                return Err(ConnectionError::InvalidHttp(words));
            }
        }
    }
}

/// True where an empty line follows a line.
fn ends_a_head(bytes: &[u8]) -> bool {
    let mut feeds = memchr::memchr_iter(b'\n', bytes);
    feeds.any(|at| bytes[at + 1..].starts_with(b"\n") || bytes[at + 1..].starts_with(b"\r\n"))
}

impl Framing {
    /// RFC 9112, 6.3: transfer codings before a length.
    fn of(headers: &HeaderMap) -> Result<Self, ConnectionError> {
        let mut length = None;
        for item in list_items(headers, &CONTENT_LENGTH) {
            let digits = std::str::from_utf8(item).ok();
            let digits = digits.filter(|item| item.bytes().all(|byte| byte.is_ascii_digit()));
            let found = digits.and_then(|item| item.parse().ok());
            if found.is_none() || length.is_some() && length != found {
                let item = String::from_utf8_lossy(item);
                return Err(ConnectionError::InvalidHttp(format!(
                    "the content length is `{item}`"
                )));
            }
            length = found;
        }
        let coding = list_items(headers, &TRANSFER_ENCODING).last();
        Ok(match (coding, length) {
            (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Self::CHUNKED,
            (None, Some(length)) => Self::of_length(length),
            _ => Self::UntilClosed,
        })
    }
}

#[cfg(test)]
mod tests;
