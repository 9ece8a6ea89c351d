//! HTTP/1.1 as a client needs it that has one request at a time on a connection: response heads
//! (read by `httparse`) and the framing of bodies, RFC 9112. No I/O.

mod body;
mod head;

pub(crate) use body::{Body, Cut};
pub(crate) use head::{Head, HeadSearch};

/// What is not HTTP, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Garbled(pub(crate) String);

impl Garbled {
    fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}
