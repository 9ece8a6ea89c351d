//! Objects as they leave: one encoder for each of the ways to ask for a generation.

use domain::Stamp;
use serde_json::{Value, json};

use super::stamp::{Epoch, StampWriter};
use super::text::{ToolCall, likelihood};
use crate::core::Timings;

/// Which protocol a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Generate,
    Chat,
    V1Chat,
    V1Completion,
}

impl Dialect {
    pub(crate) fn is_v1(self) -> bool {
        matches!(self, Self::V1Chat | Self::V1Completion)
    }
}

/// How a generation ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finale<'a> {
    pub(crate) at: Stamp,
    /// `stop`, `length`, `load`, `unload`; `None` when it never said.
    pub(crate) reason: Option<&'static str>,
    pub(crate) timings: Option<&'a Timings>,
    /// Ids that continue the conversation, in generate's deprecated way.
    pub(crate) context: Option<[&'a [u32]; 2]>,
    /// Nanoseconds by which the durations are off.
    pub(crate) jump: i64,
    pub(crate) tool_called: bool,
}

/// Writes one response's objects.
#[derive(Debug)]
pub(crate) struct Encoder {
    dialect: Dialect,
    stamps: StampWriter,
    /// What every chunk begins with, up to its stamp.
    opening: Vec<u8>,
    /// `created` of /v1 objects, and their id.
    created: u64,
    id: String,
    model: String,
    include_usage: bool,
    /// Tell how likely each token was, with so many alternatives.
    logprobs: Option<usize>,
    begun: bool,
}

fn push_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("plain JSON into memory");
}

fn push_number(out: &mut Vec<u8>, name: &str, value: i64) {
    if value != 0 {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        push_json(out, &value);
    }
}

fn native_call(index: usize, call: &ToolCall) -> Value {
    json!({"id": call.id, "function": {
        "index": index, "name": call.name, "arguments": call.arguments}})
}

fn v1_call(index: usize, call: &ToolCall) -> Value {
    json!({"id": call.id, "index": index, "type": "function", "function": {
        "name": call.name, "arguments": call.arguments.to_string()}})
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
        let mut opening = Vec::new();
        let (id, created) = match dialect {
            Dialect::V1Chat => (format!("chatcmpl-{number}"), epoch.unix_seconds(at)),
            Dialect::V1Completion => (format!("cmpl-{number}"), epoch.unix_seconds(at)),
            Dialect::Generate | Dialect::Chat => (String::new(), 0),
        };
        if dialect.is_v1() {
            opening.extend_from_slice(b"data: {\"id\":\"");
            opening.extend_from_slice(id.as_bytes());
            opening.extend_from_slice(match dialect {
                Dialect::V1Chat => {
                    b"\",\"object\":\"chat.completion.chunk\",\"created\":".as_slice()
                }
                _ => b"\",\"object\":\"text_completion\",\"created\":",
            });
            push_json(&mut opening, &created);
            opening.extend_from_slice(b",\"model\":");
            push_json(&mut opening, model);
            opening.extend_from_slice(b",\"system_fingerprint\":\"fp_ollama\",\"choices\":[");
        } else {
            opening.extend_from_slice(b"{\"model\":");
            push_json(&mut opening, model);
            opening.extend_from_slice(b",\"created_at\":\"");
        }
        Self {
            dialect,
            stamps: StampWriter::new(epoch),
            opening,
            created,
            id,
            model: model.to_owned(),
            include_usage,
            logprobs,
            begun: false,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The member that tells how likely the tokens of a text were, after a comma; nothing when
    /// nobody wants to know.
    fn push_logprobs(&self, thinking: &str, content: &str, out: &mut Vec<u8>) {
        let Some(top) = self.logprobs else { return };
        let tokens = likelihood::of(thinking, top).chain(likelihood::of(content, top));
        let tokens: Vec<Value> = tokens.collect();
        if tokens.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"logprobs\":");
        if self.dialect.is_v1() {
            push_json(out, &json!({"content": tokens}));
        } else {
            push_json(out, &tokens);
        }
    }

    fn open(&mut self, at: Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.opening);
        if !self.dialect.is_v1() {
            self.stamps.write(at, out);
            out.push(b'"');
        }
    }

    fn delta(&mut self, delta: &[u8], finish: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.opening);
        out.extend_from_slice(b"{\"index\":0,\"delta\":");
        out.extend_from_slice(delta);
        out.extend_from_slice(b",\"finish_reason\":");
        out.extend_from_slice(finish.as_bytes());
        out.extend_from_slice(b"}]}\n\n");
    }

    /// The start of a delta of /v1 chat: the first one says who speaks.
    fn open_delta(&mut self) -> Vec<u8> {
        if std::mem::replace(&mut self.begun, true) {
            b"{".to_vec()
        } else {
            b"{\"role\":\"assistant\",".to_vec()
        }
    }

    /// A chunk of text.
    pub(crate) fn text(&mut self, at: Stamp, thinking: &str, content: &str, out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Generate => {
                self.open(at, out);
                out.extend_from_slice(b",\"response\":");
                push_json(out, content);
                if !thinking.is_empty() {
                    out.extend_from_slice(b",\"thinking\":");
                    push_json(out, thinking);
                }
                out.extend_from_slice(b",\"done\":false");
                self.push_logprobs(thinking, content, out);
                out.extend_from_slice(b"}\n");
            }
            Dialect::Chat => {
                self.open(at, out);
                out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
                push_json(out, content);
                if !thinking.is_empty() {
                    out.extend_from_slice(b",\"thinking\":");
                    push_json(out, thinking);
                }
                out.extend_from_slice(b"},\"done\":false");
                self.push_logprobs(thinking, content, out);
                out.extend_from_slice(b"}\n");
            }
            Dialect::V1Chat => {
                let mut delta = self.open_delta();
                delta.extend_from_slice(b"\"content\":");
                push_json(&mut delta, content);
                if !thinking.is_empty() {
                    delta.extend_from_slice(b",\"reasoning\":");
                    push_json(&mut delta, thinking);
                }
                delta.push(b'}');
                self.push_logprobs(thinking, content, &mut delta);
                self.delta(&delta, "null", out);
            }
            Dialect::V1Completion => {
                self.open(at, out);
                out.extend_from_slice(b"{\"text\":");
                push_json(out, content);
                out.extend_from_slice(b",\"index\":0,\"finish_reason\":null}]}\n\n");
            }
        }
    }

    /// A tool call, in a chunk of its own.
    pub(crate) fn tool(&mut self, at: Stamp, call: &ToolCall, out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Chat => {
                self.open(at, out);
                out.extend_from_slice(
                    b",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":",
                );
                push_json(out, &[native_call(0, call)]);
                out.extend_from_slice(b"},\"done\":false}\n");
            }
            Dialect::V1Chat => {
                let mut delta = self.open_delta();
                delta.extend_from_slice(b"\"content\":\"\",\"tool_calls\":");
                push_json(&mut delta, &[v1_call(0, call)]);
                delta.push(b'}');
                self.delta(&delta, "null", out);
            }
            Dialect::Generate | Dialect::V1Completion => {}
        }
    }

    fn push_metrics(finale: &Finale<'_>, out: &mut Vec<u8>) {
        if let Some([prompt, output]) = finale.context {
            out.extend_from_slice(b",\"context\":[");
            for (index, id) in prompt.iter().chain(output).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_json(out, id);
            }
            out.push(b']');
        }
        if let Some(timings) = finale.timings {
            let off = |nanos: domain::Nanos| match nanos.0.cast_signed() {
                0 => 0,
                nanos => nanos.saturating_add(finale.jump),
            };
            push_number(out, "total_duration", off(timings.total));
            push_number(out, "load_duration", off(timings.load));
            push_number(
                out,
                "prompt_eval_count",
                i64::from(timings.prompt_eval_count),
            );
            push_number(out, "prompt_eval_duration", off(timings.prompt_eval));
            push_number(out, "eval_count", i64::from(timings.eval_count));
            push_number(out, "eval_duration", off(timings.eval));
        }
    }

    fn finish_reason(finale: &Finale<'_>) -> &'static str {
        match finale.reason {
            _ if finale.tool_called => "\"tool_calls\"",
            Some("length") => "\"length\"",
            Some("load") => "\"load\"",
            Some(_) => "\"stop\"",
            None => "null",
        }
    }

    fn usage(finale: &Finale<'_>) -> Value {
        let (prompt, completion) = finale.timings.map_or((0, 0), |timings| {
            (timings.prompt_eval_count, timings.eval_count)
        });
        json!({"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion})
    }

    /// What ends a stream.
    pub(crate) fn last(&mut self, finale: &Finale<'_>, out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Generate | Dialect::Chat => {
                self.whole(finale, "", "", None, out);
                out.push(b'\n');
            }
            Dialect::V1Chat if self.begun => {
                self.delta(b"{}", Self::finish_reason(finale), out);
            }
            // Not a word was said.
            Dialect::V1Chat => {
                let delta = b"{\"role\":\"assistant\",\"content\":\"\"}";
                self.delta(delta, Self::finish_reason(finale), out);
            }
            Dialect::V1Completion => {
                out.extend_from_slice(&self.opening);
                out.extend_from_slice(b"{\"text\":\"\",\"index\":0,\"finish_reason\":");
                out.extend_from_slice(Self::finish_reason(finale).as_bytes());
                out.extend_from_slice(b"}]}\n\n");
            }
        }
        if self.dialect.is_v1() {
            if self.include_usage {
                out.extend_from_slice(&self.opening);
                out.extend_from_slice(b"],\"usage\":");
                push_json(out, &Self::usage(finale));
                out.extend_from_slice(b"}\n\n");
            }
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }

    /// The one object of an answer that is not streamed.
    pub(crate) fn whole(
        &mut self,
        finale: &Finale<'_>,
        thinking: &str,
        content: &str,
        tool: Option<&ToolCall>,
        out: &mut Vec<u8>,
    ) {
        if self.dialect.is_v1() {
            let finish: Value =
                serde_json::from_str(Self::finish_reason(finale)).expect("a JSON literal");
            let (object, choice) = if self.dialect == Dialect::V1Chat {
                let mut message = json!({"role": "assistant", "content": content});
                if !thinking.is_empty() {
                    message["reasoning"] = json!(thinking);
                }
                if let Some(call) = tool {
                    message["tool_calls"] = json!([v1_call(0, call)]);
                }
                let mut choice = json!({"index": 0, "message": message, "finish_reason": finish});
                if let Some(top) = self.logprobs {
                    let tokens = likelihood::of(thinking, top).chain(likelihood::of(content, top));
                    choice["logprobs"] = json!({"content": tokens.collect::<Vec<_>>()});
                }
                ("chat.completion", choice)
            } else {
                let choice = json!({"text": content, "index": 0, "finish_reason": finish});
                ("text_completion", choice)
            };
            push_json(
                out,
                &json!({
                    "id": self.id, "object": object, "created": self.created, "model": self.model,
                    "system_fingerprint": "fp_ollama", "choices": [choice],
                    "usage": Self::usage(finale),
                }),
            );
            return;
        }
        self.open(finale.at, out);
        let chat = self.dialect == Dialect::Chat;
        if chat {
            out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
        } else {
            out.extend_from_slice(b",\"response\":");
        }
        push_json(out, content);
        if !thinking.is_empty() {
            out.extend_from_slice(b",\"thinking\":");
            push_json(out, thinking);
        }
        if chat {
            if let Some(call) = tool {
                out.extend_from_slice(b",\"tool_calls\":");
                push_json(out, &[native_call(0, call)]);
            }
            out.push(b'}');
        }
        match finale.reason {
            Some(reason) => {
                out.extend_from_slice(b",\"done\":true,\"done_reason\":");
                push_json(out, reason);
            }
            None => out.extend_from_slice(b",\"done\":false"),
        }
        Self::push_metrics(finale, out);
        self.push_logprobs(thinking, content, out);
        out.push(b'}');
    }

    /// An error after the stream has begun. /v1 chat swallows it, as Ollama does.
    pub(crate) fn error(&mut self, message: &str, out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Generate | Dialect::Chat => {
                push_json(out, &json!({"error": message}));
                out.push(b'\n');
            }
            Dialect::V1Chat | Dialect::V1Completion => {
                let chat = self.dialect == Dialect::V1Chat;
                let choice = if chat {
                    json!({"index": 0, "delta": {"role": "assistant", "content": ""},
                        "finish_reason": null})
                } else {
                    json!({"text": "", "index": 0, "finish_reason": null})
                };
                let object = if chat {
                    "chat.completion.chunk"
                } else {
                    "text_completion"
                };
                out.extend_from_slice(b"data: ");
                push_json(
                    out,
                    &json!({
                        "id": self.id, "object": object, "created": self.created, "model": "",
                        "system_fingerprint": "fp_ollama", "choices": [choice],
                    }),
                );
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    /// A broken object in this dialect's frame.
    pub(crate) fn raw(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.dialect.is_v1() {
            out.extend_from_slice(b"data: ");
        }
        out.extend_from_slice(bytes);
        out.extend_from_slice(if self.dialect.is_v1() {
            b"\n\n".as_slice()
        } else {
            b"\n"
        });
    }
}
