//! The one path that every generation takes, streamed or not: a reply that is not streamed is a
//! stream of one line.

use domain::record::ResponseNote;
use domain::{FailureKind, Stamp};
use transport::{
    Answer, Delta, ErrorText, Output, Recorder, RequestError, SharedTemplate, Sink, StreamTemplate,
    failure_of_reason, of_whole, prefetch,
};

use crate::chunk::{Chunk, LINE, counters};
use crate::ndjson::Decoder;

/// Records a stream. What every line touches comes first: see [`Answer`].
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Reading {
    decoder: Decoder,
    lines: Lines,
}

#[derive(Debug, Default)]
#[repr(C)]
struct Lines {
    learned: StreamTemplate,
    answer: Answer,
}

impl Sink for Reading {
    /// Records the lines that some bytes complete; true when one of them was the final object.
    #[inline]
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let Self { decoder, lines } = self;
        decoder.push(bytes, |line| lines.record(line, at))
    }

    fn prefetch(&self) {
        prefetch(&self.lines.learned);
        self.lines.answer.prefetch();
    }
}

impl Recorder for Reading {
    fn starting_with(last: &SharedTemplate) -> Self {
        let mut reading = Self::default();
        reading.lines.learned = StreamTemplate::starting_with(last);
        reading
    }

    fn answer(&mut self) -> &mut Answer {
        &mut self.lines.answer
    }

    fn ended(&self) -> Result<(), RequestError> {
        let reason = self.lines.answer.done_reason.as_deref();
        reason.and_then(failure_of_reason).map_or(Ok(()), Err)
    }

    /// Records the bytes after the last newline.
    fn finish(&mut self, at: Stamp) -> Result<(), RequestError> {
        match self.decoder.finish() {
            Some(line) if self.lines.decode(line, at)? => self.ended(),
            _ => Err(RequestError::Incomplete(ResponseNote::NoFinalObject)),
        }
    }
}

impl Lines {
    /// Records one line; true when it is the final object.
    #[inline]
    fn record(&mut self, line: &[u8], at: Stamp) -> Result<bool, RequestError> {
        if let Some(Delta::Content(content)) = self.learned.read(line) {
            self.answer.record_content(content, at)?;
            return Ok(false);
        }
        self.decode(line, at)
            .map_err(|error| of_whole(LINE, line, error))
    }

    /// As [`record`](Self::record), for a line of another form.
    #[cold]
    #[inline(never)]
    fn decode(&mut self, line: &[u8], at: Stamp) -> Result<bool, RequestError> {
        let Self { learned, answer } = self;
        if let Some(Delta::Thinking(thinking)) = learned.read(line) {
            let output = Output {
                thinking,
                ..Output::default()
            };
            return answer.record(output, at).map(|()| false);
        }
        let chunk = Chunk::decode(line)?;
        if let Some(words) = chunk.error() {
            return Err(RequestError::Failed(
                FailureKind::MidStream,
                ErrorText::message(words),
            ));
        }
        let output = Output {
            content: chunk.content(),
            thinking: chunk.thinking(),
            tool_calls: chunk.tool_calls(),
            ..Output::default()
        };
        answer.record(output, at)?;
        if chunk.done != Some(true) {
            learned.learn(line, &output);
            return Ok(false);
        }
        answer.done = Some(at);
        answer.counters = counters(line);
        answer.done_reason = chunk.done_reason();
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
