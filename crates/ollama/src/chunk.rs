//! One line of a generate or chat stream, decoded no further than recording it needs: text is
//! borrowed from the line, tool calls stay unparsed, everything else is skipped. Only text with
//! escapes is copied, since its bytes are not in the line.

use std::fmt;

use domain::Nanos;
use domain::record::ServerCounters;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;
use transport::{Trouble, malformed};

/// What a stream is made of, in words.
pub(crate) const LINE: &str = "line";

/// A chunk of either endpoint: `response`/`thinking` come from generate, `message` from chat.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow)]
    response: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    /// Absent from an error line.
    pub(crate) done: Option<bool>,
    #[serde(borrow)]
    pub(crate) done_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    total_duration: Option<Count>,
    load_duration: Option<Count>,
    prompt_eval_count: Option<Count>,
    prompt_eval_duration: Option<Count>,
    prompt_eval_cached_count: Option<Count>,
    eval_count: Option<Count>,
    eval_duration: Option<Count>,
}

#[derive(Debug, serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Decodes a line.
    pub(crate) fn decode(line: &'a [u8]) -> Result<Self, Trouble> {
        let chunk: Self = transport::decode(LINE, line)?;
        if chunk.done.is_none() && chunk.error.is_none() {
            return Err(malformed(
                LINE,
                "neither `done` nor `error` in the object",
                line,
            ));
        }
        Ok(chunk)
    }

    /// Content text, possibly empty.
    pub(crate) fn content(&self) -> &str {
        let message = || self.message.as_ref().and_then(|m| m.content.as_ref());
        self.response
            .as_ref()
            .or_else(message)
            .map_or("", Text::as_str)
    }

    /// Thinking text, possibly empty.
    pub(crate) fn thinking(&self) -> &str {
        let message = || self.message.as_ref().and_then(|m| m.thinking.as_ref());
        self.thinking
            .as_ref()
            .or_else(message)
            .map_or("", Text::as_str)
    }

    /// Tool calls as they stand in the line.
    pub(crate) fn tool_calls(&self) -> Option<&'a RawValue> {
        self.tool_calls
            .or_else(|| self.message.as_ref().and_then(|m| m.tool_calls))
    }

    /// The counters; meaningful in the final object.
    pub(crate) fn counters(&self) -> ServerCounters {
        let nanos = |count: Option<Count>| count.and_then(|c| c.0).map(Nanos);
        let plain = |count: Option<Count>| count.and_then(|c| c.0);
        ServerCounters {
            total: nanos(self.total_duration),
            load: nanos(self.load_duration),
            prompt_eval_count: plain(self.prompt_eval_count),
            prompt_eval: nanos(self.prompt_eval_duration),
            prompt_eval_cached_count: plain(self.prompt_eval_cached_count),
            eval_count: plain(self.eval_count),
            eval: nanos(self.eval_duration),
        }
    }
}

/// A half of a surrogate pair is not the protocol.
pub(crate) type Text<'a> = transport::Text<'a, false>;

/// A counter. A server whose clock steps can report a negative duration, which is no measurement:
/// it becomes absent, and does not cost the request its outcome.
#[derive(Debug, Clone, Copy)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Count, E> {
                Ok(Count(Some(n)))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Count, E> {
                if n < 0 {
                    tracing::warn!(value = n, "negative counter dropped");
                }
                Ok(Count(u64::try_from(n).ok()))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Count, E> {
                if n.fract() == 0.0 && (0.0..9e15).contains(&n) {
                    return Ok(Count(Some(n as u64)));
                }
                Err(E::invalid_value(Unexpected::Float(n), &self))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}
