//! The head of a response.

use std::mem::MaybeUninit;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use super::framing::{Framing, State};
use crate::bounds::{HEAD_BYTES, HEADERS, INTERIM_HEADS};
use crate::connection_error::invalid_http;
use crate::headers::{keeps_connection, list_items};
use crate::request_error::RequestError;
use crate::response_head::Head;

/// A head, its body's framing, and its length.
type ParsedHead = (Head, Framing, usize);

/// Parses a head at the front of `bytes`. `None` when it is not complete. Fails when it is none.
fn parse(bytes: &[u8]) -> Result<Option<ParsedHead>, RequestError> {
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
            return Err(invalid_http(words));
        }
        Err(error) => {
            return Err(invalid_http(format!("this is no HTTP response: {error}")));
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
        100..200 | 204 | 304 => State::Done,
        _ => framing(&headers)?,
    };
    let head = Head {
        status,
        is_reusable: keeps_connection(is_1_1, &headers)
            && status != 101
            && framing != State::UntilClosed,
        headers,
    };
    Ok(Some((head, framing.into(), length)))
}

/// Finds the head of a response in bytes that arrive in pieces, and skips interim heads.
#[derive(Debug, Default)]
pub(in crate::direct) struct HeadSearch {
    /// All bytes so far.
    bytes: Vec<u8>,
    /// Where the head begins, after the interim heads so far.
    from: usize,
    /// The number of its bytes from which on an unfinished head is parsed again, so that a head that arrives
    /// byte by byte is not parsed for each byte.
    look_at: usize,
    interim: u32,
}

impl HeadSearch {
    /// True while nothing has arrived.
    pub(in crate::direct) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes. Returns the head, its body's framing, and the bytes behind it; `None` when it is not complete.
    /// Fails when the bytes are no head, and when there are too many.
    pub(in crate::direct) fn push(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(Head, Framing, Vec<u8>)>, RequestError> {
        let begins = self.bytes.len().saturating_sub(3).max(self.from);
        self.bytes.extend_from_slice(bytes);
        let has_ended = ends_a_head(&self.bytes[begins..]);
        if !has_ended && self.bytes.len() - self.from < self.look_at {
            return Ok(None);
        }
        loop {
            let rest = &self.bytes[self.from..];
            let Some((head, framing, length)) = parse(rest)? else {
                self.look_at = (2 * rest.len()).min(HEAD_BYTES);
                return Ok(None);
            };
            self.from += length;
            // 101 would end HTTP on this connection, and was not asked for.
            if !(100..200).contains(&head.status) || head.status == 101 {
                let behind = self.bytes.split_off(self.from);
                return Ok(Some((head, framing, behind)));
            }
            self.interim += 1;
            if self.interim > INTERIM_HEADS {
                let words =
                    format!("more than {INTERIM_HEADS} interim heads (1xx) without a response");
                return Err(invalid_http(words));
            }
        }
    }
}

/// True where an empty line follows a line.
fn ends_a_head(bytes: &[u8]) -> bool {
    let mut feeds = memchr::memchr_iter(b'\n', bytes);
    feeds.any(|at| bytes[at + 1..].starts_with(b"\n") || bytes[at + 1..].starts_with(b"\r\n"))
}

/// RFC 9112, 6.3: transfer codings before a length.
fn framing(headers: &HeaderMap) -> Result<State, RequestError> {
    let mut length = None;
    for item in list_items(headers, &CONTENT_LENGTH) {
        let digits = std::str::from_utf8(item).ok();
        let digits = digits.filter(|item| item.bytes().all(|byte| byte.is_ascii_digit()));
        let found = digits.and_then(|item| item.parse().ok());
        if found.is_none() || length.is_some() && length != found {
            let item = String::from_utf8_lossy(item);
            return Err(invalid_http(format!("the content length is `{item}`")));
        }
        length = found;
    }
    let coding = list_items(headers, &TRANSFER_ENCODING).last();
    Ok(match (coding, length) {
        (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => State::Size,
        (None, Some(length)) => State::of_length(length),
        _ => State::UntilClosed,
    })
}

#[cfg(test)]
mod tests;
