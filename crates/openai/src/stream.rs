//! The one path that every generation takes.

use domain::record::ResponseNote;
use domain::{FailureKind, Stamp};
use serde::de::IgnoredAny;
use transport::{
    Answer, Delta, ErrorText, Recorder, RequestError, SharedTemplate, Sink, StreamStage,
    StreamTemplate, failure_of_reason, of_whole, prefetch,
};

use crate::chunk::{Chunk, EVENT};
use crate::error::error_in;
use crate::sse::{BARE, Decoder, Event};

/// The data of the event that ends a stream.
const DONE: &[u8] = b"[DONE]";

/// Records a stream. What every event touches comes first: see [`Answer`].
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Reading {
    decoder: Decoder,
    learned: StreamTemplate,
    /// When the answer was complete: the finish reason and the last output had arrived.
    complete: Option<Stamp>,
    answer: Answer,
}

impl Sink for Reading {
    /// Records the events that some bytes complete; true when one of them was `[DONE]`.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let Self {
            decoder,
            learned,
            answer,
            ..
        } = self;
        let is_done = decoder.push(bytes, |event| {
            if event.kind.is_empty()
                && let Some(Delta::Content(content)) = learned.read(event.data)
            {
                return answer.record_content(content, at).map(|()| false);
            }
            record(answer, learned, &event, at).map_err(|error| of_whole(EVENT, event.data, error))
        })?;
        if !is_done && answer.done_reason.is_some() {
            self.complete = (self.complete.or(Some(at))).max(answer.chunks().last().copied());
        }
        Ok(is_done)
    }

    /// llama.cpp and vLLM answer with a head at once, and queue and prefill after it. After the finish reason
    /// come token counts and `[DONE]`, or nothing.
    fn stage(&self) -> StreamStage {
        if let Some(at) = self.complete {
            StreamStage::Complete(at)
        } else if self.answer.chunks().is_empty() {
            StreamStage::BeforeFirstToken
        } else {
            StreamStage::Streaming
        }
    }

    fn prefetch(&self) {
        prefetch(&self.decoder);
        prefetch(&self.complete);
        self.answer.prefetch();
    }
}

impl Recorder for Reading {
    fn starting_with(last: &SharedTemplate) -> Self {
        Self {
            learned: StreamTemplate::starting_with(last),
            ..Self::default()
        }
    }

    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    /// Complete only when the server also gave a finish reason: proxies end a stream without an error when the
    /// server behind them died.
    fn ended(&self) -> Result<(), RequestError> {
        match self.answer.done_reason.as_deref() {
            // Ollama's reasons for an empty prompt.
            Some("load" | "unload") if self.answer.chunks().is_empty() => {
                Err(RequestError::Incomplete(ResponseNote::NothingGenerated))
            }
            Some(reason) => failure_of_reason(reason).map_or(Ok(()), Err),
            None => Err(RequestError::Incomplete(ResponseNote::NoFinishReason)),
        }
    }

    /// Records an event that ends with the body. A stream that ends without an error after a finish reason lacks
    /// only `[DONE]`.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError> {
        let Self {
            decoder,
            learned,
            answer,
            ..
        } = self;
        if decoder.finish(|event| record(answer, learned, &event, at))? {
            return self.ended();
        }
        self.ended()?;
        self.answer.done = Some(at);
        self.answer.notes.push(ResponseNote::NoDone);
        Ok(())
    }
}

/// Records one event; true when it is `[DONE]`.
#[cold]
#[inline(never)]
fn record(
    answer: &mut Answer,
    learned: &mut StreamTemplate,
    event: &Event<'_>,
    at: Stamp,
) -> Result<bool, RequestError> {
    let data = event.data.trim_ascii();
    if event.kind == b"error" {
        let words = String::from_utf8_lossy(data);
        let words = error_in(&words).unwrap_or_else(|| words.into_owned());
        return Err(failed(words));
    }
    if data == DONE {
        answer.done = Some(at);
        return Ok(true);
    }
    if data.is_empty() {
        return Ok(false);
    }
    let is_object = data.first() == Some(&b'{');
    if !is_object && serde_json::from_slice::<IgnoredAny>(data).is_ok() {
        // `null`, a number or a list is no part of a completion.
        return Ok(false);
    }
    let is_named = !matches!(event.kind, b"" | b"message" | BARE);
    let decoded = match Chunk::decode(data) {
        Ok((chunk, _)) if chunk.is_foreign() => None,
        Ok(decoded) => Some(decoded),
        // An event with a name of its own may belong to another protocol.
        Err(_) if is_named || event.kind == BARE => None,
        Err(error) => return Err(error),
    };
    let Some((chunk, texts)) = decoded else {
        // A heartbeat, metadata, or an error in a form that the protocol does not define.
        let words = String::from_utf8_lossy(data);
        let first_line = words.lines().next().unwrap_or_default();
        let words = error_in(&words).or_else(|| error_in(first_line));
        return match words {
            Some(words) if !is_named => Err(failed(words)),
            _ => Ok(false),
        };
    };
    if let Some(words) = chunk.error() {
        return Err(failed(words));
    }
    let output = texts.as_output();
    answer.record(output, at)?;
    chunk.count(answer);
    if let Some(reason) = chunk.finish_reason() {
        answer.done_reason = Some(reason);
    } else if chunk.has_only_choices() {
        learned.learn(event.data, &output);
    }
    Ok(false)
}

fn failed(words: String) -> RequestError {
    RequestError::Failed(FailureKind::MidStream, ErrorText::message(words))
}

#[cfg(test)]
mod tests;
