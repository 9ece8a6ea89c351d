//! The head of a response.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::{Body, Garbled};
use crate::bounds::{HEAD_BYTES, HEADERS, INTERIM_HEADS};

/// Room for headers that are read where they lie.
type Room<'b> = [MaybeUninit<Header<'b>>; HEADERS];

/// The head of a response, and how its body ends.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// The server takes another request on this connection.
    pub(crate) keeps: bool,
    /// As it arrived. Headers are looked up in it: few responses are asked for more than one.
    bytes: Box<[u8]>,
}

impl Head {
    /// Reads a head at the front of `bytes`; says how many bytes it was. None when more must come.
    fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let mut room: Room<'_> = [const { MaybeUninit::uninit() }; HEADERS];
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
                return Err(Garbled::new(words));
            }
            Err(error) => {
                let words = format!("this is no HTTP response: {error}");
                return Err(Garbled::new(words));
            }
        };
        let status = response.code.unwrap_or_default();
        let is_1_1 = response.version == Some(1);
        let mut framed = Framed::default();
        let (mut keep, mut close) = (is_1_1, false);
        for header in &*response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                framed.length(header.value)?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framed.coding(header.value);
            } else if header.name.eq_ignore_ascii_case("connection") {
                for word in words(header.value) {
                    close |= word.eq_ignore_ascii_case(b"close");
                    keep |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        let body = match status {
            100..200 | 204 | 304 => Body::of_length(0),
            _ => framed.body(),
        };
        // RFC 9112, 6.1: whoever sends a transfer coding in HTTP/1.0 does not know what it says.
        keep &= is_1_1 || framed.codings.is_none();
        keep &= status != 101 && body != Body::UntilClosed;
        let head = Self {
            status,
            body,
            keeps: keep && !close,
            bytes: bytes[..length].into(),
        };
        Ok(Some((head, length)))
    }

    /// A header's value, the first one's where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers(name).into_iter().next()
    }

    /// The values of all headers of a name.
    fn headers(&self, name: &str) -> Vec<Vec<u8>> {
        let mut room: Room<'_> = [const { MaybeUninit::uninit() }; HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            &self.bytes,
            &mut room,
        );
        let found = parsed.iter().flat_map(|_| response.headers.iter());
        let found = found.filter(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.to_vec()).collect()
    }

    /// What the body is encoded in, in the order in which that was done; none of one that is as it is.
    pub(crate) fn encodings(&self) -> Option<String> {
        let named = ["content-encoding", "transfer-encoding"].map(|name| self.headers(name));
        let named: Vec<_> = (named.iter().flatten())
            .flat_map(|value| words(value))
            .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
            .filter(|word| !["", "identity", "chunked"].contains(&word.as_str()))
            .collect();
        (!named.is_empty()).then(|| named.join(", "))
    }
}

/// Looks for the head of a response in bytes that arrive piece by piece, and passes interim ones over.
#[derive(Debug, Default)]
pub(crate) struct HeadSearch {
    /// Where the head begins, behind the interim ones so far.
    from: usize,
    /// So many bytes of it must be there before it is looked at again without having ended: one that drips in
    /// must not be read anew for each of its bytes.
    look_at: usize,
    interim: u32,
}

impl HeadSearch {
    /// Looks in all bytes so far, of which those from `new` on have not been looked at. Returns the head and where
    /// it ends; none when more must come.
    pub(crate) fn look(
        &mut self,
        bytes: &[u8],
        new: usize,
    ) -> Result<Option<(Head, usize)>, Garbled> {
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
            // 101 would be the last word on this connection, and was not asked for.
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(Some((head, self.from)));
            }
            self.interim += 1;
            if self.interim > INTERIM_HEADS {
                let words =
                    format!("more than {INTERIM_HEADS} interim heads (1xx) without a response");
                return Err(Garbled::new(words));
            }
        }
    }
}

/// True where a line is followed by an empty one.
fn ends_a_head(bytes: &[u8]) -> bool {
    let mut feeds = memchr::memchr_iter(b'\n', bytes);
    feeds.any(|at| bytes[at + 1..].starts_with(b"\n") || bytes[at + 1..].starts_with(b"\r\n"))
}

/// The words of a list.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// What the headers say of the body.
#[derive(Debug, Default)]
struct Framed {
    length: Option<u64>,
    /// Whether the last of the transfer codings is `chunked`; none when there are none.
    codings: Option<bool>,
}

impl Framed {
    fn length(&mut self, value: &[u8]) -> Result<(), Garbled> {
        for word in words(value) {
            let digits = std::str::from_utf8(word).ok();
            let digits = digits.filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|word| word.parse().ok());
            let same = self.length.is_none_or(|before| Some(before) == length);
            self.length = length.filter(|_| same);
            if self.length.is_none() {
                let value = String::from_utf8_lossy(value);
                return Err(Garbled::new(format!("the content length is `{value}`")));
            }
        }
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) {
        if let Some(last) = words(value).last() {
            self.codings = Some(last.eq_ignore_ascii_case(b"chunked"));
        }
    }

    /// RFC 9112, 6.3: transfer codings before a length.
    fn body(&self) -> Body {
        match (self.codings, self.length) {
            (Some(true), _) => Body::CHUNKED,
            (None, Some(length)) => Body::of_length(length),
            (Some(false), _) | (None, None) => Body::UntilClosed,
        }
    }
}

#[cfg(test)]
mod tests;
