//! The head of a response.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::{Body, Garbled};

/// Most headers of a response.
const MOST_HEADERS: usize = 128;
/// Most bytes of a head.
const MOST_BYTES: usize = 256 * 1024;

/// Room for headers that are read where they lie.
type Room<'b> = [MaybeUninit<Header<'b>>; MOST_HEADERS];

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
    /// Reads a head at the front of `bytes`, interim ones passed over; says how many bytes they
    /// were. None when more must come.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let mut passed = 0;
        loop {
            let Some((head, length)) = Self::read_one(&bytes[passed..])? else {
                return Ok(None);
            };
            passed += length;
            // 101 would be the last word on this connection, and was not asked for.
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(Some((head, passed)));
            }
        }
    }

    fn read_one(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let mut room: Room<'_> = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            &mut room,
        );
        let length = match parsed {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < MOST_BYTES => return Ok(None),
            Ok(Status::Partial) => {
                let words = format!("the response's head is longer than {MOST_BYTES} bytes");
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
        let mut room: Room<'_> = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, &self.bytes, &mut room)
            .ok()?;
        let mut headers = response.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(found.value.to_vec())
    }
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
