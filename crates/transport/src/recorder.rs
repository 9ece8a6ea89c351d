//! A sink that records into its caller's exchange, and what the protocols share for that.

use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{FailureKind, Stamp};
use serde::Deserialize;

use crate::api_key::ApiKey;
use crate::body::Sink;
use crate::bounds::{ANSWER_BYTES, ANSWER_CHUNKS};
use crate::error_text::ErrorText;
use crate::request_error::RequestError;

/// A sink that records a request.
pub trait Recorder: Sink {
    fn exchange(&mut self) -> &mut Exchange;

    /// How the stream ended when the protocol's terminator arrived.
    fn ended(&self) -> Result<(), RequestError> {
        Ok(())
    }

    /// How the stream ended when the body ended without the terminator, its last bytes having arrived at `at`.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError>;
}

/// Initial capacity for stamps, enough for a short answer.
const INITIAL_STAMPS: usize = 64;

/// What a chunk adds to an answer, by kind. Absent kinds are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output<'o> {
    pub content: &'o str,
    pub thinking: &'o str,
    pub refusal: &'o str,
    /// The JSON of the chunk's tool calls.
    pub tool_calls: &'o str,
}

/// Records the output of a chunk that arrived at `at`, and ignores a chunk without output. Fails when the answer
/// exceeds [`ANSWER_BYTES`] or [`ANSWER_CHUNKS`].
#[inline]
pub fn record(exchange: &mut Exchange, output: Output<'_>, at: Stamp) -> Result<(), RequestError> {
    let Output {
        content,
        thinking,
        refusal,
        tool_calls,
    } = output;
    let bytes = content.len() + thinking.len() + refusal.len() + tool_calls.len();
    if bytes == 0 {
        return Ok(());
    }
    let times = &mut exchange.times;
    if times.chunks.is_empty() {
        times.chunks.reserve(INITIAL_STAMPS);
    }
    exchange.output_bytes += bytes as u64;
    if exchange.output_bytes > ANSWER_BYTES || times.chunks.len() >= ANSWER_CHUNKS {
        return Err(too_long());
    }
    times.first_token.get_or_insert(at);
    times.last_token = Some(at);
    times.chunks.push(at);
    exchange.progress.add(1);
    if !thinking.is_empty() {
        times.first_thinking.get_or_insert(at);
        exchange.thinking.push_str(thinking);
    }
    if !content.is_empty() {
        times.first_content.get_or_insert(at);
        exchange.text.push_str(content);
    }
    if !refusal.is_empty() {
        times.first_refusal.get_or_insert(at);
        exchange.text.push_str(refusal);
    }
    if !tool_calls.is_empty() {
        times.first_tool_call.get_or_insert(at);
    }
    Ok(())
}

#[cold]
fn too_long() -> RequestError {
    let words = format!(
        "the answer is longer than {ANSWER_BYTES} bytes or {ANSWER_CHUNKS} chunks of output; it was given up"
    );
    RequestError::Failed(FailureKind::LineTooLong, words.into())
}

/// Decodes an element of a stream, a line or an event. One that stops in the middle of a value gives
/// [`RequestError::Incomplete`].
pub fn decode<'a, T: Deserialize<'a>>(element: &str, bytes: &'a [u8]) -> Result<T, RequestError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        if e.error_len().is_none() {
            return RequestError::Incomplete(ResponseNote::CutInValue);
        }
        let what = format!("invalid UTF-8 after byte {}", e.valid_up_to());
        malformed(element, what, bytes)
    })?;
    serde_json::from_str(text).map_err(|e| {
        if e.is_eof() {
            return RequestError::Incomplete(ResponseNote::CutInValue);
        }
        // It may repeat a value of any length.
        malformed(element, ErrorText::name(e.to_string()), bytes)
    })
}

/// The error of an element that is not what the protocol promises.
pub fn malformed(element: &str, what: impl Into<ErrorText>, bytes: &[u8]) -> RequestError {
    let words = ErrorText::from(format!("malformed {element}: "))
        .and(what)
        .and("; it starts with ")
        .and(ErrorText::quote(String::from_utf8_lossy(bytes)));
    RequestError::Failed(FailureKind::Malformed, words)
}

/// An element exceeded the limit before its end came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is longer than {limit} bytes")]
pub struct TooLong {
    /// The element, with its article.
    pub what: &'static str,
    /// Bytes.
    pub limit: usize,
}

impl From<TooLong> for RequestError {
    fn from(error: TooLong) -> Self {
        Self::Failed(FailureKind::LineTooLong, error.to_string().into())
    }
}

/// The error of an element that was complete: one that stops in the middle of a value is malformed, since no
/// more of it will come.
pub fn of_whole(element: &str, bytes: &[u8], trouble: RequestError) -> RequestError {
    match trouble {
        RequestError::Incomplete(_) => {
            let what = format!("the {element} stops in the middle of a value");
            malformed(element, what, bytes)
        }
        trouble => trouble,
    }
}

/// A recorder that holds its caller's exchange while this lives. However it ends, the caller then has
/// everything that was recorded.
pub(crate) struct Recording<'e, R: Recorder> {
    home: &'e mut Exchange,
    pub(crate) recorder: &'e mut R,
    key: Option<&'e ApiKey>,
}

impl<'e, R: Recorder> Recording<'e, R> {
    /// Moves the exchange to the recorder.
    pub(crate) fn new(
        home: &'e mut Exchange,
        recorder: &'e mut R,
        key: Option<&'e ApiKey>,
    ) -> Self {
        *recorder.exchange() = std::mem::take(home);
        Self {
            home,
            recorder,
            key,
        }
    }
}

impl<R: Recorder> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        *self.home = std::mem::take(self.recorder.exchange());
        if let Some(reason) = &mut self.home.done_reason {
            *reason = ErrorText::name(std::mem::take(reason)).redacted(self.key);
        }
    }
}
