//! A sink that fills in what its caller keeps, and what protocols have in common when they do.

use std::borrow::Cow;
use std::fmt;

use domain::backend::Exchange;
use domain::{FailureKind, Stamp};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::error::{Trouble, clip};
use crate::reading::Sink;

/// A sink that records what a request shows.
pub trait Recorder: Sink {
    /// What it has recorded.
    fn exchange(&mut self) -> &mut Exchange;

    /// How the stream ended when the protocol's last word was seen.
    fn ended(&self) -> Result<(), Trouble> {
        Ok(())
    }

    /// How it ended when the body ended without that, its last bytes having arrived at `at`.
    fn finish(&mut self, at: Stamp) -> Result<(), Trouble>;
}

/// Room for the stamps of a short answer.
const ROOM: usize = 64;

/// Records the text of a chunk that arrived at `at`; without any, nothing.
#[inline]
pub fn record_text(exchange: &mut Exchange, thinking: &str, content: &str, at: Stamp) {
    if thinking.is_empty() && content.is_empty() {
        return;
    }
    if exchange.times.chunks.is_empty() {
        exchange.times.chunks.reserve(ROOM);
    }
    exchange.times.first_token.get_or_insert(at);
    exchange.times.last_token = Some(at);
    exchange.times.chunks.push(at);
    exchange.progress.add(1);
    if !thinking.is_empty() {
        exchange.times.first_thinking.get_or_insert(at);
        exchange.thinking.push_str(thinking);
    }
    if !content.is_empty() {
        exchange.times.first_content.get_or_insert(at);
        exchange.text.push_str(content);
    }
}

/// Decodes an element of a stream, a line or an event. The beginning of a good one is
/// [`Trouble::Incomplete`].
pub fn decode<'a, T: Deserialize<'a>>(element: &str, bytes: &'a [u8]) -> Result<T, Trouble> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        if e.error_len().is_none() {
            return Trouble::Incomplete;
        }
        let what = format!("invalid UTF-8 after byte {}", e.valid_up_to());
        malformed(element, &what, bytes)
    })?;
    serde_json::from_str(text).map_err(|e| {
        if e.is_eof() {
            return Trouble::Incomplete;
        }
        malformed(element, &e.to_string(), bytes)
    })
}

/// An element that is not what the protocol promises.
pub fn malformed(element: &str, what: &str, bytes: &[u8]) -> Trouble {
    let start = clip(&String::from_utf8_lossy(bytes), 80);
    let message = format!("malformed {element}: {what}; it starts with {start:?}");
    Trouble::Failed(FailureKind::Malformed, message)
}

/// An element grew beyond the limit before its end came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is longer than {limit} bytes")]
pub struct TooLong {
    /// The element, with its article.
    pub what: &'static str,
    /// The limit, bytes.
    pub limit: usize,
}

impl From<TooLong> for Trouble {
    fn from(error: TooLong) -> Self {
        Self::Failed(FailureKind::LineTooLong, error.to_string())
    }
}

/// What is wrong with an element that was whole: one that stops in the middle of a value cannot be
/// waited for.
pub fn of_whole(element: &str, bytes: &[u8], trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Incomplete => {
            let what = format!("the {element} stops in the middle of a value");
            malformed(element, &what, bytes)
        }
        trouble => trouble,
    }
}

/// Text of an element, borrowed from it unless it holds escapes. Half of a surrogate pair, which a server
/// that escapes token by token can send, is an error, or U+FFFD where the text is `LOSSY`.
#[derive(Debug)]
pub struct Text<'a, const LOSSY: bool>(Cow<'a, str>);

impl<const LOSSY: bool> Text<'_, LOSSY> {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a, const LOSSY: bool> Deserialize<'de> for Text<'a, LOSSY> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
            fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Self::Value, E> {
                Ok(String::from_utf8_lossy(text))
            }
            fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(String::from_utf8_lossy(text).into_owned()))
            }
        }
        let text = if LOSSY {
            deserializer.deserialize_bytes(TextVisitor)
        } else {
            deserializer.deserialize_str(TextVisitor)
        };
        text.map(Self)
    }
}

/// A recorder that has its caller's exchange for as long as this lives. Whatever ends it, what was seen is
/// back with the caller then.
pub(crate) struct Recording<'e, R: Recorder> {
    home: &'e mut Exchange,
    pub(crate) recorder: &'e mut R,
}

impl<'e, R: Recorder> Recording<'e, R> {
    /// Takes the exchange to the recorder.
    pub(crate) fn new(home: &'e mut Exchange, recorder: &'e mut R) -> Self {
        *recorder.exchange() = std::mem::take(home);
        Self { home, recorder }
    }
}

impl<R: Recorder> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        *self.home = std::mem::take(self.recorder.exchange());
    }
}
