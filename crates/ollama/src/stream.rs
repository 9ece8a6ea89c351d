//! The one path that every generation takes, streamed or not: a reply that is not streamed is a
//! stream of one line.

use domain::backend::Exchange;
use domain::{FailureKind, Outcome, Stamp};
use transport::{Recorder, Sink, Trouble, error_words, malformed, of_whole, record_text};

use crate::chunk::{Chunk, LINE, Text};
use crate::ndjson::Decoder;
use crate::template::{Last, Learned, Said};
use crate::wire::ToolCall;

/// How a typed generation ended; what it produced is in the caller's exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// How it ended.
    pub outcome: Outcome,
    /// Tool calls in order of arrival, whether they came in a middle chunk or in the final one.
    pub tool_calls: Vec<ToolCall>,
}

/// A stream that is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    decoder: Decoder,
    shown: Shown,
}

/// What a stream has shown.
#[derive(Debug, Default)]
struct Shown {
    exchange: Exchange,
    tool_calls: Vec<ToolCall>,
    learned: Learned,
}

impl Reading {
    /// A reading that begins with what the client's other streams have learned.
    pub(crate) fn of(last: &Last) -> Self {
        let mut reading = Self::default();
        reading.shown.learned = Learned::from_last(last);
        reading
    }

    pub(crate) fn take_tool_calls(&mut self) -> Vec<ToolCall> {
        std::mem::take(&mut self.shown.tool_calls)
    }
}

impl Sink for Reading {
    /// Records the lines that some bytes complete; true when one of them was the final object.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, Trouble> {
        let mut lines = self.decoder.push(bytes);
        while let Some(line) = lines.next_line()? {
            let recorded = self.shown.line(line, at);
            if recorded.map_err(|trouble| of_whole(LINE, line, trouble))? {
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

    /// Records what stands after the last newline.
    fn finish(&mut self, at: Stamp) -> Result<(), Trouble> {
        let line = self.decoder.finish().ok_or(Trouble::Incomplete)?;
        let is_final = self.shown.line(line, at)?;
        is_final.then_some(()).ok_or(Trouble::Incomplete)
    }
}

impl Shown {
    /// Records one line; true when it is the final object.
    fn line(&mut self, line: &[u8], at: Stamp) -> Result<bool, Trouble> {
        let exchange = &mut self.exchange;
        match self.learned.read(line) {
            Some(Said::Content(content)) => {
                record_text(exchange, "", content, at);
                return Ok(false);
            }
            Some(Said::Thinking(thinking)) => {
                record_text(exchange, thinking, "", at);
                return Ok(false);
            }
            None => {}
        }
        let chunk = Chunk::decode(line)?;
        if let Some(error) = chunk.error {
            return Err(Trouble::Failed(FailureKind::MidStream, error_words(error)));
        }
        self.learned.learn(line, &chunk);
        record_text(exchange, chunk.thinking(), chunk.content(), at);
        if let Some(calls) = chunk.tool_calls() {
            let calls: Option<Vec<ToolCall>> = serde_json::from_str(calls.get())
                .map_err(|e| malformed(LINE, &format!("tool calls: {e}"), line))?;
            self.tool_calls.extend(calls.unwrap_or_default());
        }
        if chunk.done != Some(true) {
            return Ok(false);
        }
        exchange.times.done = Some(at);
        exchange.times.counters = chunk.counters();
        let reason = chunk.done_reason.as_ref().map(Text::as_str);
        exchange.done_reason = reason.filter(|r| !r.is_empty()).map(str::to_owned);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
