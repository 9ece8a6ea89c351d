//! The one path that every generation takes.

use domain::backend::Exchange;
use domain::{FailureKind, Stamp};
use transport::{Recorder, Sink, Trouble, clip, error_words, of_whole, record_text};

use crate::chunk::{Chunk, EVENT};
use crate::error::error_in;
use crate::sse::{Decoder, Event};

/// What ends a stream.
const DONE: &[u8] = b"[DONE]";

/// A stream that is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    decoder: Decoder,
    exchange: Exchange,
}

impl Sink for Reading {
    /// Records the events that some bytes complete; true when one of them was `[DONE]`.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, Trouble> {
        let mut events = self.decoder.push(bytes);
        while let Some(event) = events.next_event()? {
            let recorded = record(&mut self.exchange, &event, at);
            if recorded.map_err(|trouble| of_whole(EVENT, event.data, trouble))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// llama.cpp and vLLM answer with a head at once, and queue and prefill behind it.
    fn awaits_first(&self) -> bool {
        self.exchange.times.first_token.is_none()
    }
}

impl Recorder for Reading {
    fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// After `[DONE]`: complete only when the server also said why it stopped. Proxies end a stream
    /// in good order when the server behind them died.
    fn ended(&self) -> Result<(), Trouble> {
        match self.exchange.done_reason {
            Some(_) => Ok(()),
            None => Err(Trouble::Incomplete),
        }
    }

    /// Records an event that ends with the body.
    fn finish(&mut self, at: Stamp) -> Result<(), Trouble> {
        let event = self.decoder.finish()?;
        let event = event.ok_or(Trouble::Incomplete)?;
        if record(&mut self.exchange, &event, at)? {
            return self.ended();
        }
        Err(Trouble::Incomplete)
    }
}

/// Records one event; true when it is `[DONE]`.
fn record(exchange: &mut Exchange, event: &Event<'_>, at: Stamp) -> Result<bool, Trouble> {
    let data = event.data.trim_ascii();
    if event.kind == b"error" {
        let words = String::from_utf8_lossy(data);
        let words = error_in(&words).unwrap_or_else(|| clip(&words, 400));
        return Err(Trouble::Failed(FailureKind::MidStream, words));
    }
    if data == DONE {
        exchange.times.done = Some(at);
        return Ok(true);
    }
    if data.is_empty() {
        return Ok(false);
    }
    let chunk = Chunk::decode(data)?;
    if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
        return Err(Trouble::Failed(FailureKind::MidStream, error_words(error)));
    }
    record_text(exchange, &chunk.thinking(), &chunk.content(), at);
    chunk.count(&mut exchange.times.counters);
    if let Some(reason) = chunk.finish_reason() {
        exchange.done_reason = Some(reason.to_owned());
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
