//! What is recorded of an answer, and what the protocols share for that.

use domain::backend::{Exchange, Progress};
use domain::record::{ResponseNote, ServerCounters};
use domain::{FailureKind, Stamp};
use serde::Deserialize;

use crate::api_key::ApiKey;
use crate::body::Sink;
use crate::bounds::{ANSWER_BYTES, ANSWER_CHUNKS};
use crate::error_text::ErrorText;
use crate::output::Output;
use crate::prefetch::prefetch;
use crate::request_error::RequestError;
use crate::template::SharedTemplate;

/// A sink that records an answer.
pub trait Recorder: Sink + Default + Send + 'static {
    /// Begins with the template that the server's other streams have learned.
    fn starting_with(last: &SharedTemplate) -> Self;

    fn answer(&mut self) -> &mut Answer;

    /// How the stream ended when the protocol's terminator arrived. Fails when the answer is none all the same.
    fn ended(&self) -> Result<(), RequestError>;

    /// How the stream ended when the body ended without the terminator, its last bytes having arrived at `at`. Fails
    /// when the answer is not complete.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError>;
}

/// Initial capacities, enough for a short answer.
const INITIAL_STAMPS: usize = 64;
const INITIAL_TEXT: usize = 4 * INITIAL_STAMPS;

/// An answer as far as it has arrived.
///
/// What every token touches comes first, in as few cache lines as possible: the processor sleeps between two tokens, and
/// its cache has lost this memory when it wakes.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Answer {
    chunks: Vec<Stamp>,
    text: String,
    output_bytes: u64,
    progress: Progress,
    first_content: Option<Stamp>,
    pub done_reason: Option<String>,
    thinking: String,
    first_thinking: Option<Stamp>,
    first_tool_call: Option<Stamp>,
    first_refusal: Option<Stamp>,
    /// When the protocol's terminator arrived.
    pub done: Option<Stamp>,
    pub counters: ServerCounters,
    /// Generated tokens that the server reports as hidden.
    pub hidden_tokens: u64,
    pub notes: Vec<ResponseNote>,
}

impl Answer {
    /// When each chunk with output arrived.
    pub fn chunks(&self) -> &[Stamp] {
        &self.chunks
    }

    /// As [`Sink::prefetch`].
    pub fn prefetch(&self) {
        prefetch(&self.text);
        prefetch(&self.done_reason);
        self.chunks.last().into_iter().for_each(prefetch);
        (self.text.as_bytes().last().into_iter()).for_each(prefetch);
    }

    /// Takes note of a chunk with `bytes` bytes of output. Fails when the answer exceeds [`ANSWER_BYTES`] or
    /// [`ANSWER_CHUNKS`].
    fn chunk(&mut self, bytes: usize, at: Stamp) -> Result<(), RequestError> {
        if self.chunks.is_empty() {
            self.chunks.reserve(INITIAL_STAMPS);
            self.text.reserve(INITIAL_TEXT);
        }
        self.output_bytes += bytes as u64;
        if self.output_bytes > ANSWER_BYTES || self.chunks.len() >= ANSWER_CHUNKS {
            return Err(too_long());
        }
        self.chunks.push(at);
        self.progress.add(1);
        Ok(())
    }

    /// Records a chunk that has content alone, as nearly every chunk of a stream. Fails as [`Answer::record`] does.
    pub fn record_content(&mut self, content: &str, at: Stamp) -> Result<(), RequestError> {
        if !content.is_empty() {
            self.chunk(content.len(), at)?;
            self.first_content.get_or_insert(at);
            self.text.push_str(content);
        }
        Ok(())
    }

    /// Records the output of a chunk that arrived at `at`, and ignores a chunk without output. Fails when the answer
    /// exceeds [`ANSWER_BYTES`] or [`ANSWER_CHUNKS`].
    pub fn record(&mut self, output: Output<'_>, at: Stamp) -> Result<(), RequestError> {
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
        self.chunk(bytes, at)?;
        self.thinking.push_str(thinking);
        self.text.push_str(content);
        self.text.push_str(refusal);
        for (part, first) in [
            (thinking, &mut self.first_thinking),
            (content, &mut self.first_content),
            (refusal, &mut self.first_refusal),
            (tool_calls, &mut self.first_tool_call),
        ] {
            if !part.is_empty() {
                first.get_or_insert(at);
            }
        }
        Ok(())
    }

    /// Moves what was recorded to `exchange`. The server's reason to stop is cut to length and loses the key.
    pub fn move_to(&mut self, exchange: &mut Exchange, key: Option<&ApiKey>) {
        let answer = std::mem::take(self);
        let times = &mut exchange.times;
        times.first_token = answer.chunks.first().copied();
        times.last_token = answer.chunks.last().copied();
        times.chunks = answer.chunks;
        times.first_content = answer.first_content;
        times.first_thinking = answer.first_thinking;
        times.first_tool_call = answer.first_tool_call;
        times.first_refusal = answer.first_refusal;
        times.done = answer.done;
        times.counters = answer.counters;
        times.notes.extend(answer.notes);
        exchange.text = answer.text;
        exchange.thinking = answer.thinking;
        exchange.output_bytes = answer.output_bytes;
        exchange.hidden_tokens = answer.hidden_tokens;
        let reason = answer.done_reason.map(ErrorText::name);
        exchange.done_reason = reason.map(|reason| reason.redacted(key));
    }
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

/// The error of an element, named with its article, that exceeds the limit of `limit` bytes before its end came.
pub fn element_too_long(what: &str, limit: usize) -> RequestError {
    let words = format!("{what} is longer than {limit} bytes");
    RequestError::Failed(FailureKind::LineTooLong, words.into())
}

/// The error of an element that was complete: one that stops in the middle of a value is malformed, since no
/// more of it will come.
pub fn of_whole(element: &str, bytes: &[u8], error: RequestError) -> RequestError {
    match error {
        RequestError::Incomplete(_) => {
            let what = format!("the {element} stops in the middle of a value");
            malformed(element, what, bytes)
        }
        error => error,
    }
}

/// A recorder and its caller's exchange. However the request ends, the caller then has everything that was recorded.
pub(crate) struct Recording<'e, R: Recorder> {
    pub(crate) exchange: &'e mut Exchange,
    pub(crate) recorder: &'e mut R,
    key: Option<&'e ApiKey>,
}

impl<'e, R: Recorder> Recording<'e, R> {
    pub(crate) fn new(
        exchange: &'e mut Exchange,
        recorder: &'e mut R,
        key: Option<&'e ApiKey>,
    ) -> Self {
        recorder.answer().progress = exchange.progress.clone();
        Self {
            exchange,
            recorder,
            key,
        }
    }
}

impl<R: Recorder> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        self.recorder.answer().move_to(self.exchange, self.key);
    }
}
