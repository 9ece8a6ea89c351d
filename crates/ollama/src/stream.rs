//! The one path that every generation takes, streamed or not: a reply that is not streamed is a
//! stream of one line.

use domain::backend::Exchange;
use domain::{FailureKind, Outcome, Stamp};
use transport::{Limits, Recorder, Recording, Sink, Trouble, clip, error_words};

use crate::chunk::{Chunk, Text};
use crate::client::Client;
use crate::ndjson::{Decoder, LineTooLong};
use crate::reply::expect_json;
use crate::template::{Learned, Said};
use crate::wire::ToolCall;

/// How a typed generation ended; what it produced is in the caller's exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// How it ended.
    pub outcome: Outcome,
    /// Tool calls in order of arrival, whether they came in a middle chunk or in the final one.
    pub tool_calls: Vec<ToolCall>,
}

/// Room for the stamps of a short answer.
const ROOM: usize = 64;

/// What one stream has shown.
#[derive(Debug, Default)]
struct Shown {
    exchange: Exchange,
    tool_calls: Vec<ToolCall>,
    learned: Learned,
}

/// A stream that is being read.
#[derive(Debug, Default)]
struct Reading {
    decoder: Decoder,
    shown: Shown,
}

impl Sink for Reading {
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, Trouble> {
        self.shown.take(&mut self.decoder, bytes, at)
    }
}

impl Recorder for Reading {
    fn exchange(&mut self) -> &mut Exchange {
        &mut self.shown.exchange
    }
}

impl Client {
    pub(crate) async fn generation(
        &self,
        path: &str,
        body: Vec<u8>,
        model: &str,
        exchange: &mut Exchange,
    ) -> Reply {
        let mut reading = Reading::default();
        reading.shown.learned = Learned::from_last(&self.last);
        let mut reading = Recording::new(exchange, reading);
        let limits = self.transport.limits();
        let ended = self.follow(path, body, model, &limits, &mut reading).await;
        Reply {
            outcome: self.transport.outcome(ended),
            tool_calls: std::mem::take(&mut reading.shown.tool_calls),
        }
    }

    /// Follows a stream to its final object.
    async fn follow(
        &self,
        path: &str,
        body: Vec<u8>,
        model: &str,
        limits: &Limits<'_>,
        reading: &mut Reading,
    ) -> Result<(), Trouble> {
        let exchange = &mut reading.shown.exchange;
        let sending = self.transport.send(path, Some(body), limits, exchange);
        let mut response = sending.await?;
        expect_json(&mut response, limits, Some(model)).await?;
        if response.read(reading, limits).await? {
            response.drain(limits).await;
            return Ok(());
        }
        (reading.shown).finish(&mut reading.decoder, response.arrived())
    }
}

/// A line that cannot be used.
enum BadLine {
    /// It may be the beginning of a good one.
    Truncated,
    Bad(Trouble),
}

impl Shown {
    /// Records the lines that some bytes complete; true when one of them was the final object.
    fn take(&mut self, decoder: &mut Decoder, bytes: &[u8], at: Stamp) -> Result<bool, Trouble> {
        let too_long = |e: LineTooLong| Trouble::failed(FailureKind::LineTooLong, e.to_string());
        let mut lines = decoder.push(bytes);
        while let Some(line) = lines.next_line().map_err(too_long)? {
            match self.line(line, at) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(BadLine::Bad(trouble)) => return Err(trouble),
                Err(BadLine::Truncated) => {
                    return Err(malformed("the line stops in the middle of a value", line));
                }
            }
        }
        Ok(false)
    }

    /// Records what stands after the last newline, once the body has ended without a final
    /// object. `at` is when its last bytes arrived.
    fn finish(&mut self, decoder: &mut Decoder, at: Stamp) -> Result<(), Trouble> {
        let Some(line) = decoder.finish() else {
            return Err(Trouble::Incomplete);
        };
        match self.line(line, at) {
            Ok(true) => Ok(()),
            Ok(false) | Err(BadLine::Truncated) => Err(Trouble::Incomplete),
            Err(BadLine::Bad(trouble)) => Err(trouble),
        }
    }

    /// Records one line; true when it is the final object.
    fn line(&mut self, line: &[u8], at: Stamp) -> Result<bool, BadLine> {
        match self.learned.read(line) {
            Some(Said::Content(content)) => {
                self.text("", content, at);
                return Ok(false);
            }
            Some(Said::Thinking(thinking)) => {
                self.text(thinking, "", at);
                return Ok(false);
            }
            None => {}
        }
        let chunk = Chunk::decode(line).map_err(|e| {
            if e.truncated {
                BadLine::Truncated
            } else {
                BadLine::Bad(malformed(&e.what, line))
            }
        })?;
        if let Some(error) = chunk.error {
            let trouble = Trouble::Failed(FailureKind::MidStream, error_words(error));
            return Err(BadLine::Bad(trouble));
        }
        self.learned.learn(line, &chunk);
        self.text(chunk.thinking(), chunk.content(), at);
        if let Some(calls) = chunk.tool_calls() {
            let calls: Option<Vec<ToolCall>> = serde_json::from_str(calls.get())
                .map_err(|e| BadLine::Bad(malformed(&format!("tool calls: {e}"), line)))?;
            self.tool_calls.extend(calls.unwrap_or_default());
        }
        if chunk.done != Some(true) {
            return Ok(false);
        }
        let exchange = &mut self.exchange;
        exchange.times.done = Some(at);
        exchange.times.counters = chunk.counters();
        let reason = chunk.done_reason.as_ref().map(Text::as_str);
        exchange.done_reason = reason.filter(|r| !r.is_empty()).map(str::to_owned);
        Ok(true)
    }

    fn text(&mut self, thinking: &str, content: &str, at: Stamp) {
        let exchange = &mut self.exchange;
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
}

fn malformed(what: &str, line: &[u8]) -> Trouble {
    let start = clip(&String::from_utf8_lossy(line), 80);
    let message = format!("malformed line: {what}; it starts with {start:?}");
    Trouble::Failed(FailureKind::Malformed, message)
}

#[cfg(test)]
mod tests;
