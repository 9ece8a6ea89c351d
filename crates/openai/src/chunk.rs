//! One event's data, decoded no further than recording needs. Text without escapes is borrowed.

use std::borrow::Cow;

use domain::Nanos;
use serde_json::value::RawValue;
use transport::{Answer, RequestError, count, error_message, lenient, missed_count};

use crate::text_or_parts::TextOrParts;

/// The name of a stream's elements in messages.
pub(crate) const EVENT: &str = "event";

/// A chunk of a chat stream. Members that most chunks lack stay unparsed until they are needed.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Chunk<'a> {
    /// Empty in the chunk with the usage.
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    /// From llama.cpp.
    #[serde(borrow)]
    timings: Option<&'a RawValue>,
    /// From vLLM.
    #[serde(borrow)]
    metrics: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    /// From OpenRouter, about the provider behind it.
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A chunk's addition to the answer. A role alone, a null and an empty text add nothing.
#[derive(Debug, serde::Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<TextOrParts<'a>>,
    /// From llama.cpp, SGLang and older vLLM.
    #[serde(borrow)]
    reasoning_content: Option<TextOrParts<'a>>,
    /// From Ollama and newer vLLM. Versions in between send both members with one text.
    #[serde(borrow)]
    reasoning: Option<TextOrParts<'a>>,
    #[serde(borrow)]
    thinking: Option<TextOrParts<'a>>,
    /// From OpenRouter, beside `reasoning` or instead of it.
    #[serde(borrow)]
    reasoning_details: Option<TextOrParts<'a>>,
    #[serde(borrow)]
    refusal: Option<TextOrParts<'a>>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    /// The earlier name of `tool_calls`.
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    #[serde(deserialize_with = "missed_count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "missed_count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    prompt_tokens_details: PromptDetails,
    #[serde(deserialize_with = "lenient")]
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct CompletionDetails {
    /// Hosted services count these tokens and do not show them.
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

/// llama.cpp's `timings`. `prompt_n` does not include cached tokens.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Timings {
    #[serde(deserialize_with = "count")]
    cache_n: Option<u64>,
    #[serde(deserialize_with = "count")]
    prompt_n: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    prompt_ms: Option<f64>,
    #[serde(deserialize_with = "missed_count")]
    predicted_n: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    predicted_ms: Option<f64>,
}

/// vLLM's `metrics` of a request: three consecutive periods from arrival to last token.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_field_names,
    reason = "the names on the wire; all are milliseconds"
)]
struct Metrics {
    #[serde(deserialize_with = "lenient")]
    queue_time_ms: Option<f64>,
    /// From scheduling to the first token: prefill.
    #[serde(deserialize_with = "lenient")]
    time_to_first_token_ms: Option<f64>,
    /// From the first token to the last.
    #[serde(deserialize_with = "lenient")]
    generation_time_ms: Option<f64>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn decode(data: &'a [u8]) -> Result<Self, RequestError> {
        transport::decode(EVENT, data)
    }

    /// True for an object without any member of a completion.
    pub(crate) fn is_foreign(&self) -> bool {
        self.choices.is_none()
            && self.usage.is_none()
            && self.timings.is_none()
            && self.error.is_none()
    }

    /// True for a chunk that is no more than additions to the answer.
    pub(crate) fn has_only_choices(&self) -> bool {
        self.usage.is_none() && self.timings.is_none() && self.metrics.is_none()
    }

    fn choices(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.choices.iter().flatten()
    }

    /// The text of an error, of the whole answer or of a choice.
    pub(crate) fn error(&self) -> Option<String> {
        let of_choices = self.choices().filter_map(|choice| choice.error);
        self.error
            .into_iter()
            .chain(of_choices)
            .find_map(error_message)
    }

    /// The texts of one kind of all deltas, joined; nearly every chunk has one delta.
    fn joined<'s>(&'s self, text: impl Fn(&'s Delta<'a>) -> Option<&'s str>) -> Cow<'s, str> {
        let deltas = self.choices().filter_map(|choice| choice.delta.as_ref());
        let mut texts = deltas.filter_map(text);
        let Some(first) = texts.next() else {
            return Cow::Borrowed("");
        };
        texts.fold(Cow::Borrowed(first), |all, text| {
            Cow::Owned(all.into_owned() + text)
        })
    }

    /// Possibly empty.
    pub(crate) fn content(&self) -> Cow<'_, str> {
        self.joined(|delta| delta.content.as_ref().map(TextOrParts::text))
    }

    /// Possibly empty; only one text where a server sends it under several names.
    pub(crate) fn thinking(&self) -> Cow<'_, str> {
        self.joined(|delta| {
            let in_content = delta.content.as_ref().map(TextOrParts::thinking);
            let members = [
                &delta.reasoning_content,
                &delta.reasoning,
                &delta.thinking,
                &delta.reasoning_details,
            ];
            let texts = members.into_iter().flatten().map(TextOrParts::any);
            in_content
                .into_iter()
                .chain(texts)
                .find(|text| !text.is_empty())
        })
    }

    /// Possibly empty.
    pub(crate) fn refusal(&self) -> Cow<'_, str> {
        self.joined(|delta| {
            let in_content = delta.content.as_ref().map(TextOrParts::refusal);
            let member = delta.refusal.as_ref().map(TextOrParts::any);
            in_content
                .into_iter()
                .chain(member)
                .find(|text| !text.is_empty())
        })
    }

    /// The JSON of the chunk's tool calls, possibly empty.
    pub(crate) fn tool_calls(&self) -> Cow<'_, str> {
        self.joined(|delta| {
            let calls = [delta.tool_calls, delta.function_call]
                .into_iter()
                .flatten();
            calls
                .map(RawValue::get)
                .find(|calls| !matches!(*calls, "[]" | "{}"))
        })
    }

    /// Why the server stopped; `None` while it has not.
    pub(crate) fn finish_reason(&self) -> Option<String> {
        let reasons = self.choices().filter_map(|choice| choice.finish_reason);
        let mut reasons = reasons.filter_map(|reason| serde_json::from_str(reason.get()).ok());
        reasons.find(|reason: &String| !reason.is_empty())
    }

    /// Adds this chunk's counters; they replace those of earlier chunks.
    pub(crate) fn count(&self, answer: &mut Answer) {
        fn set<T>(place: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *place = value;
            }
        }
        let counters = &mut answer.counters;
        if let Some(t) = parsed::<Timings>(self.timings) {
            set(&mut counters.prompt_eval, t.prompt_ms.and_then(from_ms));
            set(&mut counters.eval, t.predicted_ms.and_then(from_ms));
            set(&mut counters.eval_count, t.predicted_n);
            set(&mut counters.prompt_eval_cached_count, t.cache_n);
            let cached = t.cache_n.unwrap_or(0);
            let prompt = t.prompt_n.map(|n| n.saturating_add(cached));
            set(&mut counters.prompt_eval_count, prompt);
        }
        if let Some(m) = parsed::<Metrics>(self.metrics) {
            let queue = m.queue_time_ms.and_then(from_ms);
            let prefill = m.time_to_first_token_ms.and_then(from_ms);
            let decode = m.generation_time_ms.and_then(from_ms);
            let total = queue.zip(prefill).zip(decode).map(|((q, p), d)| q + p + d);
            set(&mut counters.total, total);
            set(&mut counters.prompt_eval, prefill);
            set(&mut counters.eval, decode);
        }
        if let Some(u) = parsed::<Usage>(self.usage) {
            set(&mut counters.eval_count, u.completion_tokens);
            set(&mut counters.prompt_eval_count, u.prompt_tokens);
            let cached = u.prompt_tokens_details.cached_tokens;
            // The prompt's tokens include the cached ones.
            let is_impossible = cached > u.prompt_tokens && u.prompt_tokens.is_some();
            let cached = if is_impossible {
                Some(u64::MAX)
            } else {
                cached
            };
            set(&mut counters.prompt_eval_cached_count, cached);
            if let Some(hidden) = u.completion_tokens_details.reasoning_tokens {
                answer.hidden_tokens = hidden;
            }
        }
    }
}

/// The member's value; `None` where it is absent or invalid.
fn parsed<'a, T: serde::Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

/// Milliseconds with a fraction as whole nanoseconds; `None` for an impossible time.
fn from_ms(ms: f64) -> Option<Nanos> {
    let ns = ms * 1e6;
    (0.0..9e18).contains(&ns).then(|| Nanos(ns.round() as u64))
}
