//! The bytes of replies. Those of a token are made once for each protocol.

use crate::{MODEL, Pace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Generate,
    Chat,
    ChatCompletions,
    Completions,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] = [
        Self::Generate,
        Self::Chat,
        Self::ChatCompletions,
        Self::Completions,
    ];

    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/api/generate" => Self::Generate,
            "/api/chat" => Self::Chat,
            "/v1/chat/completions" => Self::ChatCompletions,
            "/v1/completions" => Self::Completions,
            _ => return None,
        })
    }

    /// Ollama's own API rather than the compatible one.
    pub(crate) const fn is_native(self) -> bool {
        matches!(self, Self::Generate | Self::Chat)
    }
}

/// The creation time in every object: a constant, so that no clock is read.
const CREATED: &str = "2026-01-01T00:00:00Z";

const TOKEN_TEXT: &str = " tick";

/// The bytes that all streams of one shape share.
#[derive(Debug)]
pub(crate) struct Parts {
    shape: Shape,
    /// Head and first token, in one write, as Ollama sends them.
    pub(crate) first: Vec<u8>,
    pub(crate) middle: Vec<u8>,
}

impl Parts {
    pub(crate) fn new(shape: Shape) -> Self {
        let text = text_member(shape, TOKEN_TEXT);
        let middle = chunk(&if shape.is_native() {
            object(&format!(r#"{text},"done":false"#)) + "\n"
        } else {
            event(
                shape,
                &format!(r#"{{"index":0,{text},"finish_reason":null}}"#),
                "",
            )
        });
        let content_type = if shape.is_native() {
            "application/x-ndjson"
        } else {
            "text/event-stream"
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        Self {
            shape,
            first: [head.as_bytes(), &middle].concat(),
            middle,
        }
    }

    /// Last token, final object and the body's end in one write, after the head if there is one token.
    pub(crate) fn last(&self, pace: Pace, tokens: u32, usage: bool) -> Vec<u8> {
        let mut bytes = if tokens == 1 {
            self.first.clone()
        } else {
            self.middle.clone()
        };
        let prefill = pace.ttft.0;
        let decode = pace.gap.0.saturating_mul(u64::from(tokens - 1));
        let total = prefill.saturating_add(decode);
        let last = if self.shape.is_native() {
            let text = text_member(self.shape, "");
            object(&format!(
                r#"{text},"done":true,"done_reason":"length","total_duration":{total},"prompt_eval_count":1,"prompt_eval_duration":{prefill},"eval_count":{tokens},"eval_duration":{decode}"#
            )) + "\n"
        } else {
            let text = match self.shape {
                Shape::ChatCompletions => r#""delta":{}"#.to_owned(),
                shape => text_member(shape, ""),
            };
            let choice = format!(r#"{{"index":0,{text},"finish_reason":"length"}}"#);
            let mut text = event(self.shape, &choice, "");
            if usage {
                let all = u64::from(tokens) + 1;
                let usage = format!(
                    r#","usage":{{"prompt_tokens":1,"completion_tokens":{tokens},"total_tokens":{all}}}"#
                );
                text.push_str(&event(self.shape, "", &usage));
            }
            text + "data: [DONE]\n\n"
        };
        bytes.extend_from_slice(&chunk(&last));
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// The member that holds a text.
fn text_member(shape: Shape, text: &str) -> String {
    match shape {
        Shape::Generate => format!(r#""response":"{text}""#),
        Shape::Chat => format!(r#""message":{{"role":"assistant","content":"{text}"}}"#),
        Shape::ChatCompletions => format!(r#""delta":{{"content":"{text}"}}"#),
        Shape::Completions => format!(r#""text":"{text}""#),
    }
}

/// An object of Ollama's own API with these members.
fn object(members: &str) -> String {
    format!(r#"{{"model":"{MODEL}","created_at":"{CREATED}",{members}}}"#)
}

fn event(shape: Shape, choice: &str, more: &str) -> String {
    let object = if shape == Shape::ChatCompletions {
        "chat.completion.chunk"
    } else {
        "text_completion"
    };
    format!(
        "data: {{\"id\":\"tick\",\"object\":\"{object}\",\"created\":1767225600,\
         \"model\":\"{MODEL}\",\"choices\":[{choice}]{more}}}\n\n"
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

pub(crate) fn json(status: u16, body: &str, with_body: bool) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or("Error");
    let close = if matches!(status, 400 | 411 | 413 | 431) {
        "connection: close\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n{close}content-length: {}\r\n\r\n{}",
        body.len(),
        if with_body { body } else { "" }
    )
    .into_bytes()
}

/// The reply to a request that only loads or unloads: done at once.
pub(crate) fn loaded(shape: Shape) -> String {
    let text = text_member(shape, "");
    object(&format!(r#"{text},"done":true,"done_reason":"load""#))
}

/// The body of a `GET`.
pub(crate) fn page(path: &str) -> Option<String> {
    Some(match path {
        "/" | "/health" => r#"{"status":"ok"}"#.to_owned(),
        "/api/version" => r#"{"version":"0.0.0","server":"metronome"}"#.to_owned(),
        "/api/tags" => format!(
            r#"{{"models":[{{"name":"{MODEL}","model":"{MODEL}","modified_at":"{CREATED}","size":0,"digest":"","details":{{}}}}]}}"#
        ),
        "/api/ps" => r#"{"models":[]}"#.to_owned(),
        "/v1/models" => format!(
            r#"{{"object":"list","data":[{{"id":"{MODEL}","object":"model","created":1767225600,"owned_by":"{MODEL}"}}]}}"#
        ),
        _ => return None,
    })
}

/// An error in the shape that clients of the path read.
pub(crate) fn error(path: &str, message: &str) -> String {
    if path.starts_with("/v1/") {
        format!(r#"{{"error":{{"message":"{message}","type":"invalid_request_error"}}}}"#)
    } else {
        format!(r#"{{"error":"{message}"}}"#)
    }
}
