//! Encoding of response objects, for each of the ways to ask for a generation.

use std::io::Write as _;

use domain::Stamp;
use serde_json::{Value, json};

use super::stamp::{Epoch, StampWriter};
use super::text::{Message, ToolCall, likelihood};
use crate::core::Timings;

/// The API of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[default]
    Generate,
    Chat,
    V1Chat,
    V1Completion,
}

impl Dialect {
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/api/generate" => Self::Generate,
            "/api/chat" => Self::Chat,
            "/v1/chat/completions" => Self::V1Chat,
            "/v1/completions" => Self::V1Completion,
            _ => return None,
        })
    }

    pub(crate) fn is_v1(self) -> bool {
        matches!(self, Self::V1Chat | Self::V1Completion)
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FinalObject<'a> {
    pub(crate) at: Stamp,
    /// `stop`, `length`, `load`, `unload`; `None` when no reason is sent.
    pub(crate) reason: Option<&'static str>,
    pub(crate) timings: Option<&'a Timings>,
    /// Token ids for generate's deprecated `context`.
    pub(crate) context: Option<[&'a [u32]; 2]>,
    /// Nanoseconds added to every duration by a fault.
    pub(crate) jump: i64,
    pub(crate) tool_called: bool,
}

impl FinalObject<'_> {
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
        json!({"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion})
    }

    /// The members of Ollama's last object, each after a comma. Zeros are left out.
    fn push_metrics(&self, out: &mut Vec<u8>) {
        if let Some([prompt, output]) = self.context {
            out.extend_from_slice(b",\"context\":[");
            for (index, id) in prompt.iter().chain(output).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_json(out, id);
            }
            out.push(b']');
        }
        let Some(timings) = self.timings else { return };
        let off = |nanos: domain::Nanos| match nanos.0.cast_signed() {
            0 => 0,
            nanos => nanos.saturating_add(self.jump),
        };
        for (name, value) in [
            ("total_duration", off(timings.total)),
            ("load_duration", off(timings.load)),
            ("prompt_eval_count", i64::from(timings.prompt_eval_count)),
            ("prompt_eval_duration", off(timings.prompt_eval)),
            ("eval_count", i64::from(timings.eval_count)),
            ("eval_duration", off(timings.eval)),
        ] {
            if value != 0 {
                push(out, format_args!(",\"{name}\":{value}"));
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Encoder {
    dialect: Dialect,
    stamps: StampWriter,
    /// The start of every chunk, up to its time stamp.
    opening: Vec<u8>,
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

fn native_call(call: &ToolCall) -> Value {
    json!([{"id": call.id, "function": {
        "index": 0, "name": call.name, "arguments": call.arguments}}])
}

fn v1_call(call: &ToolCall) -> Value {
    json!([{"id": call.id, "index": 0, "type": "function", "function": {
        "name": call.name, "arguments": call.arguments.to_string()}}])
}

impl Encoder {
    pub(crate) fn new(
        dialect: Dialect,
        epoch: Epoch,
        model: &str,
        number: u64,
        at: Stamp,
        include_usage: bool,
        logprobs: Option<usize>,
    ) -> Self {
        let quoted = json!(model);
        let created = epoch.unix_seconds(at);
        let id = match dialect {
            Dialect::V1Chat => format!("chatcmpl-{number}"),
            _ => format!("cmpl-{number}"),
        };
        let opening = match dialect {
            Dialect::Generate | Dialect::Chat => {
                format!("{{\"model\":{quoted},\"created_at\":\"")
            }
            Dialect::V1Chat | Dialect::V1Completion => format!(
                "data: {{\"id\":\"{id}\",\"object\":\"{}\",\"created\":{created},\
                 \"model\":{quoted},\"system_fingerprint\":\"fp_ollama\",\"choices\":[",
                chunk_object(dialect)
            ),
        };
        Self {
            dialect,
            stamps: StampWriter::new(epoch),
            opening: opening.into_bytes(),
            created,
            id,
            model: model.to_owned(),
            include_usage,
            logprobs,
            started: false,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The tokens' probabilities; `None` when they were not requested or there are no tokens.
    fn likelihoods(&self, message: &Message<'_>) -> Option<Vec<Value>> {
        let top = self.logprobs?;
        let tokens =
            likelihood::of(message.thinking, top).chain(likelihood::of(message.content, top));
        let tokens: Vec<Value> = tokens.collect();
        (!tokens.is_empty()).then_some(tokens)
    }

    /// One object of Ollama's own API, the last one if there is a finale.
    fn native(
        &mut self,
        at: Stamp,
        message: &Message<'_>,
        finale: Option<&FinalObject<'_>>,
        out: &mut Vec<u8>,
    ) {
        let chat = self.dialect == Dialect::Chat;
        out.extend_from_slice(&self.opening);
        self.stamps.write(at, out);
        out.extend_from_slice(if chat {
            b"\",\"message\":{\"role\":\"assistant\",\"content\":".as_slice()
        } else {
            b"\",\"response\":"
        });
        push_json(out, message.content);
        if !message.thinking.is_empty() {
            out.extend_from_slice(b",\"thinking\":");
            push_json(out, message.thinking);
        }
        if chat {
            if let Some(call) = message.tool {
                out.extend_from_slice(b",\"tool_calls\":");
                push_json(out, &native_call(call));
            }
            out.push(b'}');
        }
        match finale.and_then(|finale| finale.reason) {
            Some(reason) => push(
                out,
                format_args!(",\"done\":true,\"done_reason\":\"{reason}\""),
            ),
            None => out.extend_from_slice(b",\"done\":false"),
        }
        if let Some(finale) = finale {
            finale.push_metrics(out);
        }
        if let Some(tokens) = self.likelihoods(message) {
            out.extend_from_slice(b",\"logprobs\":");
            push_json(out, &tokens);
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
        out.extend_from_slice(&self.opening);
        if self.dialect == Dialect::V1Chat {
            out.extend_from_slice(b"{\"index\":0,\"delta\":{");
            if let Some(message) = message {
                // The first one has the role.
                if !std::mem::replace(&mut self.started, true) {
                    out.extend_from_slice(b"\"role\":\"assistant\",");
                }
                out.extend_from_slice(b"\"content\":");
                push_json(out, message.content);
                if !message.thinking.is_empty() {
                    out.extend_from_slice(b",\"reasoning\":");
                    push_json(out, message.thinking);
                }
                if let Some(call) = message.tool {
                    out.extend_from_slice(b",\"tool_calls\":");
                    push_json(out, &v1_call(call));
                }
            }
            out.push(b'}');
            if let Some(tokens) = message.and_then(|message| self.likelihoods(message)) {
                out.extend_from_slice(b",\"logprobs\":");
                push_json(out, &json!({"content": tokens}));
            }
        } else {
            out.extend_from_slice(b"{\"text\":");
            push_json(out, message.map_or("", |message| message.content));
            out.extend_from_slice(b",\"index\":0");
        }
        out.extend_from_slice(b",\"finish_reason\":");
        push_json(out, &finish);
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
    pub(crate) fn last(&mut self, finale: &FinalObject<'_>, out: &mut Vec<u8>) {
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
            out.extend_from_slice(&self.opening);
            push(out, format_args!("],\"usage\":{}}}\n\n", finale.usage()));
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// The one object of an answer that is not streamed.
    pub(crate) fn whole(
        &mut self,
        finale: &FinalObject<'_>,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) {
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
                object["tool_calls"] = v1_call(call);
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
        let (before, after) = if self.dialect.is_v1() {
            ("data: ", "\n\n")
        } else {
            ("", "\n")
        };
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(after.as_bytes());
    }
}

/// The `object` member of a /v1 event.
fn chunk_object(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::V1Chat => "chat.completion.chunk",
        _ => "text_completion",
    }
}
