//! The one path that every generation takes.

use domain::backend::Exchange;
use domain::{FailureKind, Outcome, Stamp};
use transport::{Limits, Recorder, Recording, Sink, Trouble, clip, error_words};

use crate::chunk::Chunk;
use crate::client::Client;
use crate::error::error_in;
use crate::reply::expect_events;
use crate::sse::{Decoder, Event, EventTooLong};

/// What ends a stream.
const DONE: &[u8] = b"[DONE]";

/// What one stream has shown.
#[derive(Debug, Default)]
struct Shown {
    exchange: Exchange,
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

    /// llama.cpp and vLLM answer with a head at once, and queue and prefill behind it.
    fn awaits_first(&self) -> bool {
        self.shown.exchange.times.first_token.is_none()
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
    ) -> Outcome {
        let mut reading = Recording::new(exchange, Reading::default());
        let limits = self.transport.limits();
        let ended = self.follow(path, body, model, &limits, &mut reading).await;
        self.transport.outcome(ended)
    }

    /// Follows a stream to `[DONE]`.
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
        expect_events(&mut response, limits, model).await?;
        if response.read(reading, limits).await? {
            response.drain(limits).await;
            return reading.shown.ended();
        }
        (reading.shown).finish(&mut reading.decoder, response.arrived())
    }
}

/// An event that cannot be used.
enum BadEvent {
    /// It may be the beginning of a good one.
    Truncated,
    Bad(Trouble),
}

impl Shown {
    /// Records the events that some bytes complete; true when one of them was `[DONE]`.
    fn take(&mut self, decoder: &mut Decoder, bytes: &[u8], at: Stamp) -> Result<bool, Trouble> {
        let mut events = decoder.push(bytes);
        while let Some(event) = events.next_event().map_err(too_long)? {
            match self.event(&event, at) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(BadEvent::Bad(trouble)) => return Err(trouble),
                Err(BadEvent::Truncated) => {
                    let what = "the event stops in the middle of a value";
                    return Err(malformed(what, event.data));
                }
            }
        }
        Ok(false)
    }

    /// Records an event that ends with the body. `at` is when its last bytes arrived.
    fn finish(&mut self, decoder: &mut Decoder, at: Stamp) -> Result<(), Trouble> {
        let Some(event) = decoder.finish().map_err(too_long)? else {
            return Err(Trouble::Incomplete);
        };
        match self.event(&event, at) {
            Ok(true) => self.ended(),
            Ok(false) | Err(BadEvent::Truncated) => Err(Trouble::Incomplete),
            Err(BadEvent::Bad(trouble)) => Err(trouble),
        }
    }

    /// After `[DONE]`: complete only when the server also said why it stopped. Proxies end a stream
    /// in good order when the server behind them died.
    fn ended(&self) -> Result<(), Trouble> {
        match self.exchange.done_reason {
            Some(_) => Ok(()),
            None => Err(Trouble::Incomplete),
        }
    }

    /// Records one event; true when it is `[DONE]`.
    fn event(&mut self, event: &Event<'_>, at: Stamp) -> Result<bool, BadEvent> {
        let data = event.data.trim_ascii();
        if event.kind == b"error" {
            let words = String::from_utf8_lossy(data);
            let words = error_in(&words).unwrap_or_else(|| clip(&words, 400));
            return Err(BadEvent::Bad(Trouble::Failed(
                FailureKind::MidStream,
                words,
            )));
        }
        if data == DONE {
            self.exchange.times.done = Some(at);
            return Ok(true);
        }
        if data.is_empty() {
            return Ok(false);
        }
        let chunk = Chunk::decode(data).map_err(|e| {
            if e.truncated {
                BadEvent::Truncated
            } else {
                BadEvent::Bad(malformed(&e.what, data))
            }
        })?;
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            let trouble = Trouble::Failed(FailureKind::MidStream, error_words(error));
            return Err(BadEvent::Bad(trouble));
        }
        self.text(&chunk, at);
        chunk.count(&mut self.exchange.times.counters);
        if let Some(reason) = chunk.finish_reason() {
            self.exchange.done_reason = Some(reason.to_owned());
        }
        Ok(false)
    }

    fn text(&mut self, chunk: &Chunk<'_>, at: Stamp) {
        let exchange = &mut self.exchange;
        let (thinking, content) = (chunk.thinking(), chunk.content());
        if thinking.is_empty() && content.is_empty() {
            return;
        }
        exchange.times.first_token.get_or_insert(at);
        exchange.times.last_token = Some(at);
        exchange.times.chunks.push(at);
        exchange.progress.add(1);
        if !thinking.is_empty() {
            exchange.times.first_thinking.get_or_insert(at);
            exchange.thinking.push_str(&thinking);
        }
        if !content.is_empty() {
            exchange.times.first_content.get_or_insert(at);
            exchange.text.push_str(&content);
        }
    }
}

fn too_long(error: EventTooLong) -> Trouble {
    Trouble::failed(FailureKind::LineTooLong, error.to_string())
}

fn malformed(what: &str, data: &[u8]) -> Trouble {
    let start = clip(&String::from_utf8_lossy(data), 80);
    let message = format!("malformed event: {what}; it starts with {start:?}");
    Trouble::Failed(FailureKind::Malformed, message)
}

#[cfg(test)]
mod tests;
