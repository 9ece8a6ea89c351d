//! One event's data, decoded no further than recording it needs. Text without escapes is borrowed.

use std::borrow::Cow;

use domain::Nanos;
use domain::record::ServerCounters;
use serde_json::value::RawValue;
use transport::{Trouble, malformed};

/// What a stream is made of, in words.
pub(crate) const EVENT: &str = "event";

/// A chunk of a chat stream.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Chunk<'a> {
    /// Empty in the chunk with the usage.
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Usage>,
    /// llama.cpp's.
    timings: Option<Timings>,
    /// vLLM's.
    metrics: Option<Metrics>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

/// What a chunk adds. The role alone, a null and an empty text add nothing.
#[derive(Debug, serde::Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    /// llama.cpp, SGLang, older vLLM.
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    /// Ollama, newer vLLM. Servers in between send both with one text.
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

/// llama.cpp's `timings`. `prompt_n` leaves cached tokens out.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Timings {
    cache_n: Option<u64>,
    prompt_n: Option<u64>,
    prompt_ms: Option<f64>,
    predicted_n: Option<u64>,
    predicted_ms: Option<f64>,
}

/// vLLM's `metrics` of a request: three stretches that follow each other from arrival to last token.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the names on the wire; all are milliseconds"
)]
struct Metrics {
    queue_time_ms: Option<f64>,
    /// From scheduling to the first token: prefill.
    time_to_first_token_ms: Option<f64>,
    /// From the first token to the last.
    generation_time_ms: Option<f64>,
}

impl<'a> Chunk<'a> {
    /// Decodes an event's data.
    pub(crate) fn decode(data: &'a [u8]) -> Result<Self, Trouble> {
        let chunk: Self = transport::decode(EVENT, data)?;
        let nothing = chunk.choices.is_none()
            && chunk.usage.is_none()
            && chunk.timings.is_none()
            && chunk.error.is_none();
        if nothing {
            return Err(malformed(
                EVENT,
                "neither `choices` nor `error` in the object",
                data,
            ));
        }
        Ok(chunk)
    }

    fn deltas(&self) -> impl Iterator<Item = &Delta<'a>> {
        self.choices
            .iter()
            .flatten()
            .filter_map(|choice| choice.delta.as_ref())
    }

    /// Content text, possibly empty.
    pub(crate) fn content(&self) -> Cow<'_, str> {
        one(self
            .deltas()
            .filter_map(|delta| delta.content.as_ref().map(Text::as_str)))
    }

    /// Reasoning text, possibly empty; one of the two where a server sends it twice.
    pub(crate) fn thinking(&self) -> Cow<'_, str> {
        one(self.deltas().filter_map(|delta| {
            [&delta.reasoning_content, &delta.reasoning]
                .into_iter()
                .flatten()
                .map(Text::as_str)
                .find(|text| !text.is_empty())
        }))
    }

    /// Why the server stopped, once it has.
    pub(crate) fn finish_reason(&self) -> Option<&str> {
        self.choices
            .iter()
            .flatten()
            .filter_map(|choice| choice.finish_reason.as_ref().map(Text::as_str))
            .find(|reason| !reason.is_empty())
    }

    /// Adds what this chunk tells to the counters; a later chunk knows better.
    pub(crate) fn count(&self, counters: &mut ServerCounters) {
        fn set<T>(place: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *place = value;
            }
        }
        if let Some(t) = self.timings {
            set(&mut counters.prompt_eval, t.prompt_ms.and_then(from_ms));
            set(&mut counters.eval, t.predicted_ms.and_then(from_ms));
            set(&mut counters.eval_count, t.predicted_n);
            set(&mut counters.prompt_eval_cached_count, t.cache_n);
            let prompt = t.prompt_n.map(|n| n + t.cache_n.unwrap_or(0));
            set(&mut counters.prompt_eval_count, prompt);
        }
        if let Some(m) = self.metrics {
            let queue = m.queue_time_ms.and_then(from_ms);
            let prefill = m.time_to_first_token_ms.and_then(from_ms);
            let decode = m.generation_time_ms.and_then(from_ms);
            let total = queue.zip(prefill).zip(decode).map(|((q, p), d)| {
                let sum = [p, d].iter().fold(q.0, |sum, t| sum.saturating_add(t.0));
                Nanos(sum)
            });
            set(&mut counters.total, total);
            set(&mut counters.prompt_eval, prefill);
            set(&mut counters.eval, decode);
        }
        if let Some(u) = self.usage {
            set(&mut counters.eval_count, u.completion_tokens);
            set(&mut counters.prompt_eval_count, u.prompt_tokens);
            let cached = u.prompt_tokens_details.and_then(|d| d.cached_tokens);
            set(&mut counters.prompt_eval_cached_count, cached);
        }
    }
}

/// The texts as one; a chunk has one almost always.
fn one<'t>(mut texts: impl Iterator<Item = &'t str>) -> Cow<'t, str> {
    let Some(first) = texts.next() else {
        return Cow::Borrowed("");
    };
    texts.fold(Cow::Borrowed(first), |all, text| {
        Cow::Owned(all.into_owned() + text)
    })
}

/// Milliseconds with a fraction as whole nanoseconds; what no clock can have measured is absent.
fn from_ms(ms: f64) -> Option<Nanos> {
    let ns = ms * 1e6;
    (0.0..9e18).contains(&ns).then(|| Nanos(ns.round() as u64))
}

/// A garbled character is no reason to lose a measurement.
type Text<'a> = transport::Text<'a, true>;
