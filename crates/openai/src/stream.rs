//! The one path that every generation takes.

use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{FailureKind, Stamp};
use serde::de::IgnoredAny;
use transport::{
    ErrorText, Output, Recorder, RequestError, Sink, StreamStage, failure_of_reason, of_whole,
};

use crate::chunk::{Chunk, EVENT};
use crate::error::error_in;
use crate::sse::{BARE, Decoder, Event};

/// The data of the event that ends a stream.
const DONE: &[u8] = b"[DONE]";

#[derive(Debug, Default)]
pub(crate) struct Reading {
    decoder: Decoder,
    exchange: Exchange,
    /// When the answer was complete: the finish reason and the last output had arrived.
    complete: Option<Stamp>,
}

impl Sink for Reading {
    /// Records the events that some bytes complete; true when one of them was `[DONE]`.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let mut events = self.decoder.push(bytes);
        while let Some(event) = events.next_event()? {
            let recorded = record(&mut self.exchange, &event, at);
            if recorded.map_err(|error| of_whole(EVENT, event.data, error))? {
                return Ok(true);
            }
        }
        if self.exchange.done_reason.is_some() {
            self.complete = self
                .complete
                .or(Some(at))
                .max(self.exchange.times.last_token);
        }
        Ok(false)
    }

    /// llama.cpp and vLLM answer with a head at once, and queue and prefill after it. After the finish reason
    /// come token counts and `[DONE]`, or nothing.
    fn stage(&self) -> StreamStage {
        if let Some(at) = self.complete {
            StreamStage::Complete(at)
        } else if self.exchange.times.first_token.is_none() {
            StreamStage::BeforeFirstToken
        } else {
            StreamStage::Streaming
        }
    }
}

impl Recorder for Reading {
    fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// Complete only when the server also gave a finish reason: proxies end a stream without an error when the
    /// server behind them died.
    fn ended(&self) -> Result<(), RequestError> {
        match self.exchange.done_reason.as_deref() {
            // Ollama's reasons for an empty prompt.
            Some("load" | "unload") if self.exchange.times.chunks.is_empty() => {
                Err(RequestError::Incomplete(ResponseNote::NothingGenerated))
            }
            Some(reason) => failure_of_reason(reason).map_or(Ok(()), Err),
            None => Err(RequestError::Incomplete(ResponseNote::NoFinishReason)),
        }
    }

    /// Records an event that ends with the body. A stream that ends without an error after a finish reason lacks
    /// only `[DONE]`.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError> {
        if let Some(event) = self.decoder.finish()?
            && record(&mut self.exchange, &event, at)?
        {
            return self.ended();
        }
        self.ended()?;
        self.exchange.times.done = Some(at);
        self.exchange.times.notes.push(ResponseNote::NoDone);
        Ok(())
    }
}

/// Records one event; true when it is `[DONE]`.
fn record(exchange: &mut Exchange, event: &Event<'_>, at: Stamp) -> Result<bool, RequestError> {
    let data = event.data.trim_ascii();
    if event.kind == b"error" {
        let words = String::from_utf8_lossy(data);
        let words = error_in(&words).unwrap_or_else(|| words.into_owned());
        return Err(failed(words));
    }
    if data == DONE {
        exchange.times.done = Some(at);
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
    let chunk = match Chunk::decode(data) {
        Ok(chunk) if chunk.is_foreign() => None,
        Ok(chunk) => Some(chunk),
        // An event with a name of its own may belong to another protocol.
        Err(_) if is_named || event.kind == BARE => None,
        Err(error) => return Err(error),
    };
    let Some(chunk) = chunk else {
        // A heartbeat, metadata, or an error in a form that the protocol does not define.
        let words = String::from_utf8_lossy(data);
        let first_line = words.lines().next().unwrap_or_default();
        let words = error_in(&words).or_else(|| error_in(first_line));
        return words
            .filter(|_| !is_named)
            .map_or(Ok(false), |words| Err(failed(words)));
    };
    if let Some(words) = chunk.error() {
        return Err(failed(words));
    }
    let output = Output {
        content: &chunk.content(),
        thinking: &chunk.thinking(),
        refusal: &chunk.refusal(),
        tool_calls: &chunk.tool_calls(),
    };
    transport::record(exchange, output, at)?;
    chunk.count(exchange);
    if let Some(reason) = chunk.finish_reason() {
        exchange.done_reason = Some(reason);
    }
    Ok(false)
}

fn failed(words: String) -> RequestError {
    RequestError::Failed(FailureKind::MidStream, ErrorText::message(words))
}

#[cfg(test)]
mod tests;
