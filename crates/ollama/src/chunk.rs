//! One line of a generate or chat stream, decoded no further than recording needs: text is
//! borrowed from the line, tool calls stay unparsed, everything else is skipped. Only text with
//! escapes is copied, since its bytes are not in the line.

use std::borrow::Cow;

use domain::Nanos;
use domain::record::ServerCounters;
use serde_json::value::RawValue;
use transport::{Members, RequestError, error_message, malformed};

/// The name of a stream's elements in messages.
pub(crate) const LINE: &str = "line";

/// A chunk of either endpoint: `response`/`thinking` come from generate, `message` from chat.
#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Chunk<'a> {
    response: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    message: Option<Message<'a>>,
    tool_calls: Option<&'a RawValue>,
    /// Absent from an error line.
    pub(crate) done: Option<bool>,
    done_reason: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Message<'a> {
    content: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    tool_calls: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn decode(line: &'a [u8]) -> Result<Self, RequestError> {
        let chunk: Self = transport::decode(LINE, line)?;
        if chunk.done.is_none() && chunk.error().is_none() {
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
        let message = || self.message.as_ref()?.content.as_ref();
        let text = self.response.as_ref().or_else(message);
        text.map_or("", |text| &text.0)
    }

    /// Thinking text, possibly empty.
    pub(crate) fn thinking(&self) -> &str {
        let message = || self.message.as_ref()?.thinking.as_ref();
        let text = self.thinking.as_ref().or_else(message);
        text.map_or("", |text| &text.0)
    }

    /// The JSON of the line's tool calls, possibly empty.
    pub(crate) fn tool_calls(&self) -> &'a str {
        let message = self.message.as_ref().and_then(|m| m.tool_calls);
        let calls = self.tool_calls.or(message).map_or("", RawValue::get);
        if calls == "[]" { "" } else { calls }
    }

    /// The text of an error.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.and_then(error_message)
    }

    /// Why the server stopped, where it has and says so.
    pub(crate) fn done_reason(&self) -> Option<String> {
        let reason: String = serde_json::from_str(self.done_reason?.get()).ok()?;
        (!reason.is_empty()).then_some(reason)
    }
}

/// The counters of the final object.
pub(crate) fn counters(line: &[u8]) -> ServerCounters {
    let members: Members = serde_json::from_slice(line).unwrap_or_default();
    let duration = |name| members.count(name).map(Nanos);
    ServerCounters {
        total: duration("total_duration"),
        load: duration("load_duration"),
        prompt_eval_count: members.missed_count("prompt_eval_count"),
        prompt_eval: duration("prompt_eval_duration"),
        prompt_eval_cached_count: members.count("prompt_eval_cached_count"),
        eval_count: members.missed_count("eval_count"),
        eval: duration("eval_duration"),
    }
}

/// Text of a line, borrowed from it unless it holds escapes. Half of a surrogate pair is malformed.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
