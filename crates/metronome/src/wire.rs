//! The bytes of replies. Those of a token are made once for each operation.

use http::StatusCode;

use crate::{MODEL, Pace};

/// An operation that streams, and the member of its objects that holds a text.
#[derive(Debug)]
pub(crate) struct Operation {
    path: &'static str,
    /// What an event calls its object; `None` for Ollama's own API, which has lines.
    object: Option<&'static str>,
    token: &'static str,
    no_text: &'static str,
}

pub(crate) static OPERATIONS: [Operation; 4] = [
    Operation {
        path: "/api/generate",
        object: None,
        token: r#""response":" tick""#,
        no_text: r#""response":"""#,
    },
    Operation {
        path: "/api/chat",
        object: None,
        token: r#""message":{"role":"assistant","content":" tick"}"#,
        no_text: r#""message":{"role":"assistant","content":""}"#,
    },
    Operation {
        path: "/v1/chat/completions",
        object: Some("chat.completion.chunk"),
        token: r#""delta":{"content":" tick"}"#,
        no_text: r#""delta":{}"#,
    },
    Operation {
        path: "/v1/completions",
        object: Some("text_completion"),
        token: r#""text":" tick""#,
        no_text: r#""text":"""#,
    },
];

/// The creation time in every object: a constant, so that no clock is read.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// The bytes that all streams of one operation share.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Head and first token, in one write, as Ollama sends them.
    pub(crate) first: Vec<u8>,
    pub(crate) middle: Vec<u8>,
}

impl Operation {
    /// Its place among [`OPERATIONS`].
    pub(crate) fn of_path(path: &str) -> Option<usize> {
        OPERATIONS.iter().position(|known| known.path == path)
    }

    /// Ollama's own API rather than the compatible one.
    pub(crate) fn is_native(&self) -> bool {
        self.object.is_none()
    }

    pub(crate) fn parts(&self) -> Parts {
        let (content_type, middle) = match self.object {
            None => {
                let line = object(&format!(r#"{},"done":false"#, self.token)) + "\n";
                ("application/x-ndjson", line)
            }
            Some(object) => {
                let choice = format!(r#"{{"index":0,{},"finish_reason":null}}"#, self.token);
                ("text/event-stream", event(object, &choice, ""))
            }
        };
        let middle = chunk(&middle);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let first = [head.as_bytes(), &middle].concat();
        Parts { first, middle }
    }

    /// Last token, final object and the body's end in one write, after the head if there is one token.
    pub(crate) fn last(&self, pace: Pace, tokens: u32, usage: bool) -> Vec<u8> {
        let Parts { first, middle } = self.parts();
        let token = if tokens == 1 { first } else { middle };
        let prefill = pace.ttft.0;
        let total = Pace { tokens, ..pace }.length().0;
        let decode = total - prefill;
        let last = match self.object {
            None => {
                object(&format!(
                    r#"{},"done":true,"done_reason":"length","total_duration":{total},"prompt_eval_count":1,"prompt_eval_duration":{prefill},"eval_count":{tokens},"eval_duration":{decode}"#,
                    self.no_text
                )) + "\n"
            }
            Some(object) => {
                let choice = format!(r#"{{"index":0,{},"finish_reason":"length"}}"#, self.no_text);
                let all = u64::from(tokens) + 1;
                let counts = format!(
                    r#","usage":{{"prompt_tokens":1,"completion_tokens":{tokens},"total_tokens":{all}}}"#
                );
                let counts = usage.then(|| event(object, "", &counts));
                event(object, &choice, "") + &counts.unwrap_or_default() + "data: [DONE]\n\n"
            }
        };
        [token, chunk(&last), b"0\r\n\r\n".to_vec()].concat()
    }

    /// The reply to a request that only loads or unloads: done at once.
    pub(crate) fn loaded(&self) -> String {
        object(&format!(
            r#"{},"done":true,"done_reason":"load""#,
            self.no_text
        ))
    }
}

/// An object of Ollama's own API with these members.
fn object(members: &str) -> String {
    format!(r#"{{"model":"{MODEL}","created_at":"{CREATED}",{members}}}"#)
}

/// An event of the compatible API; `more` are members behind the choices.
fn event(object: &str, choice: &str, more: &str) -> String {
    format!(
        "data: {{\"id\":\"tick\",\"object\":\"{object}\",\"created\":1767225600,\
         \"model\":\"{MODEL}\",\"choices\":[{choice}]{more}}}\n\n"
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A reply that is not streamed. A request that was not understood ends its connection.
pub(crate) fn json(status: StatusCode, body: &str, with_body: bool) -> Vec<u8> {
    let close = match status.as_u16() {
        400 | 411 | 413 | 431 => "connection: close\r\n",
        _ => "",
    };
    let length = body.len();
    let body = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{close}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
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
