//! Encoding of response objects, for each of the ways to ask for a generation.

use std::io::Write as _;

use domain::Stamp;
use serde_json::{Value, json};

use super::app::Epoch;
use super::request::{Dialect, GenerationRequest};
use super::text::{Message, ToolCall, likelihood};
use crate::core::Timings;

#[derive(Debug, Clone, Default)]
pub(crate) struct FinalObject {
    pub(crate) at: Stamp,
    /// `stop`, `length`, `load`, `unload`; `None` when the answer is cut off.
    pub(crate) reason: Option<&'static str>,
    pub(crate) timings: Option<Timings>,
    /// Token ids for generate's deprecated `context`.
    pub(crate) context: Option<Vec<u32>>,
    /// Nanoseconds added to every duration by a fault.
    pub(crate) jump: i64,
    pub(crate) tool_called: bool,
}

impl FinalObject {
    /// The reason as /v1 names it.
    fn finish_reason(&self) -> Option<&'static str> {
        self.reason.map(|reason| match reason {
            _ if self.tool_called => "tool_calls",
            "length" | "load" => reason,
            _ => "stop",
        })
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = self.timings.map_or((0, 0), |timings| {
            (timings.prompt_eval_count, timings.eval_count)
        });
        let mut usage = json!({"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion});
        let cached = self
            .timings
            .and_then(|timings| timings.prompt_eval_cached_count);
        if let Some(cached) = cached {
            usage["prompt_tokens_details"] = json!({"cached_tokens": cached});
        }
        usage
    }

    /// The members of Ollama's last object, each after a comma. Zeros are left out, but not of cached tokens.
    fn push_metrics(&self, out: &mut Vec<u8>) {
        if let Some(context) = &self.context {
            member(out, "context", context);
        }
        let Some(timings) = &self.timings else {
            return;
        };
        let off = |nanos: domain::Nanos| match nanos.0.cast_signed() {
            0 => 0,
            nanos => nanos.saturating_add(self.jump),
        };
        let not_zero = |value: i64| Some(value).filter(|value| *value != 0);
        let count = |tokens: u32| not_zero(i64::from(tokens));
        let cached = timings.prompt_eval_cached_count.map(i64::from);
        for (name, value) in [
            ("total_duration", not_zero(off(timings.total))),
            ("load_duration", not_zero(off(timings.load))),
            ("prompt_eval_count", count(timings.prompt_eval_count)),
            ("prompt_eval_cached_count", cached),
            ("prompt_eval_duration", not_zero(off(timings.prompt_eval))),
            ("eval_count", count(timings.eval_count)),
            ("eval_duration", not_zero(off(timings.eval))),
        ] {
            if let Some(value) = value {
                member(out, name, &value);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Encoder {
    dialect: Dialect,
    epoch: Epoch,
    /// The start of every chunk, up to its time stamp.
    opening: String,
    /// `created` of /v1 objects, and their id.
    created: u64,
    id: String,
    model: String,
    include_usage: bool,
    /// Report each token's probability, with this many alternatives.
    logprobs: Option<usize>,
    /// An object has been written.
    started: bool,
}

fn push_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("plain JSON into memory");
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into memory");
}

/// A member of an object, after a comma.
fn member(out: &mut Vec<u8>, name: &str, value: &(impl serde::Serialize + ?Sized)) {
    push(out, format_args!(",\"{name}\":"));
    push_json(out, value);
}

impl Encoder {
    /// `number` is the request's, `at` the moment it was received.
    pub(crate) fn new(request: &GenerationRequest, epoch: Epoch, number: u64, at: Stamp) -> Self {
        let dialect = request.dialect;
        let quoted = json!(request.model);
        let created = epoch.unix_seconds(at);
        let id = match dialect {
            Dialect::V1Chat => format!("chatcmpl-{number}"),
            _ => format!("cmpl-{number}"),
        };
        let opening = if dialect.is_v1() {
            format!(
                "data: {{\"id\":\"{id}\",\"object\":\"{}\",\"created\":{created},\
                 \"model\":{quoted},\"system_fingerprint\":\"fp_ollama\",\"choices\":[",
                chunk_object(dialect)
            )
        } else {
            format!("{{\"model\":{quoted},\"created_at\":\"")
        };
        Self {
            dialect,
            epoch,
            opening,
            created,
            id,
            model: request.model.clone(),
            include_usage: request.include_usage,
            logprobs: request.logprobs,
            started: false,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A tool call as this API writes it.
    fn tool_calls(&self, call: &ToolCall) -> Value {
        let ToolCall {
            id,
            name,
            arguments,
        } = call;
        if self.dialect.is_v1() {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            json!([{"id": id, "index": 0, "type": "function", "function": function}])
        } else {
            json!([{"id": id, "function": {"index": 0, "name": name, "arguments": arguments}}])
        }
    }

    /// The members of a message, each after a comma: thinking by this name, and tool calls.
    fn push_rest(&self, message: &Message<'_>, thinking: &str, out: &mut Vec<u8>) {
        if !message.thinking.is_empty() {
            member(out, thinking, message.thinking);
        }
        if let Some(call) = message.tool {
            member(out, "tool_calls", &self.tool_calls(call));
        }
    }

    /// The tokens' probabilities; `None` when they were not requested or there are no tokens.
    fn likelihoods(&self, message: &Message<'_>) -> Option<Vec<Value>> {
        let top = self.logprobs?;
        let texts = [message.thinking, message.content];
        let tokens: Vec<Value> = texts
            .iter()
            .flat_map(|text| likelihood::of(text, top))
            .collect();
        (!tokens.is_empty()).then_some(tokens)
    }

    /// One object of Ollama's own API, the last one if there is a finale.
    fn native(
        &self,
        at: Stamp,
        message: &Message<'_>,
        finale: Option<&FinalObject>,
        out: &mut Vec<u8>,
    ) {
        push(
            out,
            format_args!("{}{}\"", self.opening, self.epoch.rfc3339(at)),
        );
        if self.dialect == Dialect::Chat {
            out.extend_from_slice(b",\"message\":{\"role\":\"assistant\"");
            member(out, "content", message.content);
            self.push_rest(message, "thinking", out);
            out.push(b'}');
        } else {
            member(out, "response", message.content);
            let tool = None;
            self.push_rest(&Message { tool, ..*message }, "thinking", out);
        }
        let reason = finale.and_then(|finale| finale.reason);
        member(out, "done", &reason.is_some());
        if let Some(reason) = reason {
            member(out, "done_reason", reason);
        }
        if let Some(finale) = finale {
            finale.push_metrics(out);
        }
        if let Some(tokens) = self.likelihoods(message) {
            member(out, "logprobs", &tokens);
        }
        out.push(b'}');
    }

    /// One event of /v1 with a choice: the last one if there is a finish reason.
    fn v1(
        &mut self,
        message: Option<&Message<'_>>,
        finish: Option<&'static str>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(self.opening.as_bytes());
        if self.dialect == Dialect::V1Chat {
            out.extend_from_slice(b"{\"index\":0,\"delta\":{");
            if let Some(message) = message {
                // The first one has the role.
                if !std::mem::replace(&mut self.started, true) {
                    out.extend_from_slice(b"\"role\":\"assistant\",");
                }
                out.extend_from_slice(b"\"content\":");
                push_json(out, message.content);
                self.push_rest(message, "reasoning", out);
            }
            out.push(b'}');
            if let Some(tokens) = message.and_then(|message| self.likelihoods(message)) {
                member(out, "logprobs", &json!({"content": tokens}));
            }
        } else {
            out.extend_from_slice(b"{\"text\":");
            push_json(out, message.map_or("", |message| message.content));
            out.extend_from_slice(b",\"index\":0");
        }
        member(out, "finish_reason", &finish);
        out.extend_from_slice(b"}]}\n\n");
    }

    /// A chunk of text, or a tool call in a chunk of its own.
    pub(crate) fn chunk(&mut self, at: Stamp, message: &Message<'_>, out: &mut Vec<u8>) {
        if self.dialect.is_v1() {
            self.v1(Some(message), None, out);
        } else {
            self.native(at, message, None, out);
            out.push(b'\n');
        }
    }

    /// The end of a stream.
    pub(crate) fn last(&mut self, finale: &FinalObject, out: &mut Vec<u8>) {
        if !self.dialect.is_v1() {
            self.native(finale.at, &Message::default(), Some(finale), out);
            out.push(b'\n');
            return;
        }
        // Without any text, the role has not been sent yet.
        let nothing = Message::default();
        let message = (!self.started).then_some(&nothing);
        self.v1(message, finale.finish_reason(), out);
        if self.include_usage {
            let (opening, usage) = (&self.opening, finale.usage());
            push(out, format_args!("{opening}],\"usage\":{usage}}}\n\n"));
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// The one object of an answer that is not streamed.
    pub(crate) fn whole(&mut self, finale: &FinalObject, message: &Message<'_>, out: &mut Vec<u8>) {
        if !self.dialect.is_v1() {
            return self.native(finale.at, message, Some(finale), out);
        }
        let finish = finale.finish_reason();
        let (object, choice) = if self.dialect == Dialect::V1Chat {
            let mut object = json!({"role": "assistant", "content": message.content});
            if !message.thinking.is_empty() {
                object["reasoning"] = json!(message.thinking);
            }
            if let Some(call) = message.tool {
                object["tool_calls"] = self.tool_calls(call);
            }
            let mut choice = json!({"index": 0, "message": object, "finish_reason": finish});
            if self.logprobs.is_some() {
                let tokens = self.likelihoods(message).unwrap_or_default();
                choice["logprobs"] = json!({"content": tokens});
            }
            ("chat.completion", choice)
        } else {
            let choice = json!({"text": message.content, "index": 0, "finish_reason": finish});
            ("text_completion", choice)
        };
        let mut answer = self.v1_object(object, &self.model, &choice);
        answer["usage"] = finale.usage();
        push_json(out, &answer);
    }

    fn v1_object(&self, object: &str, model: &str, choice: &Value) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": model,
            "system_fingerprint": "fp_ollama", "choices": [choice],
        })
    }

    /// An error after the stream has started. /v1 drops it, as Ollama does.
    pub(crate) fn error(&mut self, message: &str, out: &mut Vec<u8>) {
        let choice = match self.dialect {
            Dialect::Generate | Dialect::Chat => {
                let error = json!({"error": message});
                return push(out, format_args!("{error}\n"));
            }
            Dialect::V1Chat => json!({"index": 0, "finish_reason": null,
                "delta": {"role": "assistant", "content": ""}}),
            Dialect::V1Completion => json!({"text": "", "index": 0, "finish_reason": null}),
        };
        let event = self.v1_object(chunk_object(self.dialect), "", &choice);
        push(out, format_args!("data: {event}\n\n"));
    }

    /// A broken object in this dialect's frame.
    pub(crate) fn raw(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let (before, after): (&[u8], &[u8]) = if self.dialect.is_v1() {
            (b"data: ", b"\n\n")
        } else {
            (b"", b"\n")
        };
        out.extend_from_slice(&[before, bytes, after].concat());
    }
}

/// The `object` member of a /v1 event.
fn chunk_object(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::V1Chat => "chat.completion.chunk",
        _ => "text_completion",
    }
}
