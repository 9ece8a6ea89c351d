//! One event's data, decoded no further than recording needs. Text without escapes is borrowed.

use domain::Nanos;
use serde_json::value::RawValue;
use transport::{Answer, Members, RequestError, error_message, malformed};

use crate::texts::{Texts, append};

/// The name of a stream's elements in messages.
pub(crate) const EVENT: &str = "event";

/// A chunk of a chat stream, whose members stay unparsed until they are needed.
#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Chunk<'a> {
    /// Empty in the chunk with the usage.
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<&'a RawValue>,
    /// From llama.cpp.
    timings: Option<&'a RawValue>,
    /// From vLLM.
    metrics: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Choice<'a> {
    delta: Option<Delta<'a>>,
    finish_reason: Option<&'a RawValue>,
    /// From OpenRouter, about the provider behind it.
    error: Option<&'a RawValue>,
}

/// A chunk's addition to the answer. A role alone, a null and an empty text add nothing.
#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Delta<'a> {
    content: Option<&'a RawValue>,
    /// From llama.cpp, SGLang and older vLLM.
    reasoning_content: Option<&'a RawValue>,
    /// From Ollama and newer vLLM. Versions in between send both members with one text.
    reasoning: Option<&'a RawValue>,
    thinking: Option<&'a RawValue>,
    /// From OpenRouter, beside `reasoning` or instead of it.
    reasoning_details: Option<&'a RawValue>,
    refusal: Option<&'a RawValue>,
    tool_calls: Option<&'a RawValue>,
    /// The earlier name of `tool_calls`.
    function_call: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Decodes an event's data, and gives what it adds to the answer. Fails when it is no JSON, and when a text is
    /// neither text nor a list of parts.
    pub(crate) fn decode(data: &'a [u8]) -> Result<(Self, Texts<'a>), RequestError> {
        let chunk: Self = transport::decode(EVENT, data)?;
        let mut texts = Texts::default();
        for delta in chunk.choices().filter_map(|choice| choice.delta.as_ref()) {
            if delta.add_to(&mut texts).is_none() {
                let what = "expected text or a list of parts";
                return Err(malformed(EVENT, what, data));
            }
        }
        Ok((chunk, texts))
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

    /// Why the server stopped; `None` while it has not.
    pub(crate) fn finish_reason(&self) -> Option<String> {
        let reasons = self.choices().filter_map(|choice| choice.finish_reason);
        let mut reasons = reasons.filter_map(|reason| serde_json::from_str(reason.get()).ok());
        reasons.find(|reason: &String| !reason.is_empty())
    }

    /// Adds this chunk's counters; they replace those of earlier chunks.
    pub(crate) fn count(&self, answer: &mut Answer) {
        let [timings, metrics, usage] = [self.timings, self.metrics, self.usage].map(Members::of);
        let known = &mut answer.counters;
        // Three consecutive periods from arrival to last token.
        let queue = from_ms(&metrics, "queue_time_ms");
        let prefill = from_ms(&metrics, "time_to_first_token_ms");
        let decode = from_ms(&metrics, "generation_time_ms");
        let total = queue.zip(prefill).zip(decode).map(|((q, p), d)| q + p + d);
        known.total = total.or(known.total);
        let prefill = prefill.or_else(|| from_ms(&timings, "prompt_ms"));
        known.prompt_eval = prefill.or(known.prompt_eval);
        let decode = decode.or_else(|| from_ms(&timings, "predicted_ms"));
        known.eval = decode.or(known.eval);
        let generated = usage.missed_count("completion_tokens");
        let generated = generated.or_else(|| timings.missed_count("predicted_n"));
        known.eval_count = generated.or(known.eval_count);

        let prompt = usage.missed_count("prompt_tokens");
        let details = usage.object("prompt_tokens_details");
        let cached = details.count("cached_tokens");
        // The prompt's tokens include the cached ones.
        let is_impossible = prompt.is_some() && cached > prompt;
        let cached = if is_impossible {
            Some(u64::MAX)
        } else {
            cached
        };
        // llama.cpp's do not.
        let apart = timings.count("cache_n");
        let evaluated = timings.count("prompt_n");
        let all = evaluated.map(|n| n.saturating_add(apart.unwrap_or(0)));
        known.prompt_eval_count = prompt.or(all).or(known.prompt_eval_count);
        known.prompt_eval_cached_count = cached.or(apart).or(known.prompt_eval_cached_count);
        // Hosted services count these tokens and do not show them.
        let hidden = (usage.object("completion_tokens_details")).count("reasoning_tokens");
        answer.hidden_tokens = hidden.unwrap_or(answer.hidden_tokens);
    }
}

impl<'a> Delta<'a> {
    /// `None` when a member is neither text nor a list of parts.
    fn add_to(&self, texts: &mut Texts<'a>) -> Option<()> {
        let content = Texts::of(self.content)?;
        let mut thinking = content.thinking;
        // Only one text where a server sends it under several names.
        for member in [
            self.reasoning_content,
            self.reasoning,
            self.thinking,
            self.reasoning_details,
        ] {
            let text = Texts::of(member)?.any();
            if thinking.is_empty() {
                thinking = text;
            }
        }
        let refusal = Texts::of(self.refusal)?.any();
        let calls = [self.tool_calls, self.function_call].into_iter().flatten();
        let mut calls = calls.map(RawValue::get);
        let calls = calls.find(|calls| !matches!(*calls, "[]" | "{}"));
        append(&mut texts.content, content.content);
        append(&mut texts.thinking, thinking);
        append(&mut texts.refusal, content.refusal);
        append(&mut texts.refusal, refusal);
        append(&mut texts.tool_calls, calls.unwrap_or_default().into());
        Some(())
    }
}

/// A member in milliseconds with a fraction, as whole nanoseconds; `None` for an impossible time.
fn from_ms(members: &Members, name: &str) -> Option<Nanos> {
    let ns = members.get::<f64>(name)? * 1e6;
    (0.0..9e18).contains(&ns).then(|| Nanos(ns.round() as u64))
}
