//! The one path that every generation takes, streamed or not: a reply that is not streamed is a
//! stream of one line.

use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{FailureKind, Outcome, Stamp};
use serde_json::value::RawValue;
use transport::{
    ErrorText, Output, Recorder, RequestError, Sink, failure_of_reason, of_whole, record,
};

use crate::chunk::{Chunk, LINE};
use crate::ndjson::Decoder;
use crate::template::{Delta, SharedTemplate, StreamTemplate};
use crate::wire::ToolCall;

/// The end of a typed generation; its output is in the caller's exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub outcome: Outcome,
    /// Tool calls in order of arrival, from chunks and from the final object; malformed ones
    /// are left out.
    pub tool_calls: Vec<ToolCall>,
}

#[derive(Debug, Default)]
pub(crate) struct Reading {
    decoder: Decoder,
    shown: Shown,
}

/// The recorded content of a stream.
#[derive(Debug, Default)]
struct Shown {
    exchange: Exchange,
    tool_calls: Vec<ToolCall>,
    learned: StreamTemplate,
}

impl Reading {
    /// Starts with the template that the client's other streams have learned.
    pub(crate) fn of(last: &SharedTemplate) -> Self {
        let mut reading = Self::default();
        reading.shown.learned = StreamTemplate::starting_with(last);
        reading
    }

    pub(crate) fn take_tool_calls(&mut self) -> Vec<ToolCall> {
        std::mem::take(&mut self.shown.tool_calls)
    }
}

impl Sink for Reading {
    /// Records the lines that some bytes complete; true when one of them was the final object.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let mut lines = self.decoder.push(bytes);
        while let Some(line) = lines.next_line()? {
            let recorded = self.shown.line(line, at);
            if recorded.map_err(|error| of_whole(LINE, line, error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Recorder for Reading {
    fn exchange(&mut self) -> &mut Exchange {
        &mut self.shown.exchange
    }

    fn ended(&self) -> Result<(), RequestError> {
        let reason = self.shown.exchange.done_reason.as_deref();
        reason.and_then(failure_of_reason).map_or(Ok(()), Err)
    }

    /// Records the bytes after the last newline.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError> {
        let missing = RequestError::Incomplete(ResponseNote::NoFinalObject);
        match self.decoder.finish() {
            Some(line) if self.shown.line(line, at)? => self.ended(),
            _ => Err(missing),
        }
    }
}

impl Shown {
    /// Records one line; true when it is the final object.
    fn line(&mut self, line: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let exchange = &mut self.exchange;
        match self.learned.read(line) {
            Some(Delta::Content(content)) => {
                let output = Output {
                    content,
                    ..Output::default()
                };
                record(exchange, output, at)?;
                return Ok(false);
            }
            Some(Delta::Thinking(thinking)) => {
                let output = Output {
                    thinking,
                    ..Output::default()
                };
                record(exchange, output, at)?;
                return Ok(false);
            }
            None => {}
        }
        let chunk = Chunk::decode(line)?;
        if let Some(words) = chunk.error() {
            return Err(RequestError::Failed(
                FailureKind::MidStream,
                ErrorText::message(words),
            ));
        }
        self.learned.learn(line, &chunk);
        let output = Output {
            content: chunk.content(),
            thinking: chunk.thinking(),
            tool_calls: chunk.tool_calls(),
            ..Output::default()
        };
        record(exchange, output, at)?;
        if !output.tool_calls.is_empty() {
            let calls: Vec<&RawValue> = serde_json::from_str(output.tool_calls).unwrap_or_default();
            let calls = calls.into_iter().map(RawValue::get);
            self.tool_calls
                .extend(calls.filter_map(|call| serde_json::from_str(call).ok()));
        }
        if chunk.done != Some(true) {
            return Ok(false);
        }
        exchange.times.done = Some(at);
        exchange.times.counters = chunk.counters();
        exchange.done_reason = chunk.done_reason();
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
