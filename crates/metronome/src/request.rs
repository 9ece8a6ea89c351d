//! HTTP requests, as far as this server needs them.

use http::StatusCode;
use serde::Deserialize;

/// Longest request, head and body.
const LONGEST: usize = 1024 * 1024;

const MOST_HEADERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path without its query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    /// The client closes the connection after the reply.
    pub(crate) close: bool,
}

/// The start of a connection's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Part {
        /// The client waits for `100 Continue`.
        expects: bool,
    },
    /// A request and its length in bytes.
    Whole(Request, usize),
    /// Not supported; the response's status.
    Refused(StatusCode),
}

pub(crate) fn parse(received: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if received.len() < LONGEST => {
            return Parsed::Part { expects: false };
        }
        Ok(httparse::Status::Partial) => {
            return Parsed::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(_) => return Parsed::Refused(StatusCode::BAD_REQUEST),
    };
    let mut body = 0_usize;
    let mut close = head.version == Some(0);
    let mut expects = false;
    for header in head.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let says = |word: &str| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        };
        if is("content-length") {
            let Ok(count) = value.trim().parse() else {
                return Parsed::Refused(StatusCode::BAD_REQUEST);
            };
            body = count;
        } else if is("transfer-encoding") {
            return Parsed::Refused(StatusCode::LENGTH_REQUIRED);
        } else if is("connection") {
            close |= says("close");
        } else if is("expect") {
            expects = says("100-continue");
        }
    }
    if body > LONGEST {
        return Parsed::Refused(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let Some(bytes) = received.get(length..length + body) else {
        return Parsed::Part { expects };
    };
    let path = head.path.unwrap_or("/");
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.split('?').next().unwrap_or(path).to_owned(),
        body: bytes.to_vec(),
        close,
    };
    Parsed::Whole(request, length + body)
}

/// The members of a generation's body that matter here, of either protocol.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Generation {
    prompt: Option<serde_json::Value>,
    messages: Option<Vec<serde::de::IgnoredAny>>,
    pub(crate) stream: Option<bool>,
    options: Option<Options>,
    seed: Option<i64>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    stream_options: Option<Options>,
}

/// Of the model, or of the stream.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Options {
    seed: Option<i64>,
    num_predict: Option<i64>,
    include_usage: Option<bool>,
}

impl Generation {
    pub(crate) fn seed(&self) -> Option<i64> {
        self.seed.or_else(|| self.options?.seed)
    }

    /// Tokens of the reply: the requested number, at most `most`.
    pub(crate) fn tokens(&self, most: u32) -> u32 {
        let wanted = self.options.and_then(|options| options.num_predict);
        let wanted = wanted.or(self.max_completion_tokens);
        // Negative numbers mean "no limit".
        let wanted = wanted.or(self.max_tokens).and_then(|n| n.try_into().ok());
        wanted.unwrap_or(most).min(most).max(1)
    }

    pub(crate) fn include_usage(&self) -> bool {
        self.stream_options.unwrap_or_default().include_usage == Some(true)
    }

    /// Without a prompt, Ollama only loads or unloads the model.
    pub(crate) fn is_empty(&self) -> bool {
        let has_prompt = self.prompt.as_ref().is_some_and(|prompt| *prompt != "");
        !has_prompt && self.messages.as_ref().is_none_or(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = b"POST /api/generate?x=1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET";

    #[test]
    fn a_request_is_whole_once_its_body_is_there() {
        let whole = POST.len() - 3;
        for cut in 0..whole {
            assert_eq!(parse(&POST[..cut]), Parsed::Part { expects: false });
        }
        let request = Request {
            method: "POST".to_owned(),
            path: "/api/generate".to_owned(),
            body: b"body".to_vec(),
            close: false,
        };
        assert_eq!(parse(POST), Parsed::Whole(request, whole));
    }

    #[test]
    fn unsupported_requests_are_refused_and_a_client_may_wait_for_100_continue() {
        let post = |header: &str| format!("POST / HTTP/1.1\r\n{header}\r\n\r\n");
        let refused = |status| Parsed::Refused(StatusCode::from_u16(status).expect("a status"));
        for (request, expected) in [
            (post("transfer-encoding: chunked"), refused(411)),
            (post("content-length: 99999999"), refused(413)),
            ("\x16\x03\x01 tls".to_owned(), refused(400)),
            (
                post("expect: 100-continue\r\ncontent-length: 2"),
                Parsed::Part { expects: true },
            ),
        ] {
            assert_eq!(parse(request.as_bytes()), expected, "{request}");
        }
        let old = b"GET / HTTP/1.0\r\n\r\n";
        assert!(matches!(parse(old), Parsed::Whole(request, _) if request.close));
    }

    #[test]
    fn both_protocols_say_how_many_tokens() {
        for (body, tokens) in [
            (r#"{"options":{"num_predict":7}}"#, 7),
            (r#"{"options":{"num_predict":-1}}"#, 50),
            (r#"{"max_tokens":70}"#, 50),
            (r#"{"max_completion_tokens":3}"#, 3),
            (r#"{"max_tokens":0}"#, 1),
        ] {
            let generation: Generation = serde_json::from_str(body).expect("JSON");
            assert_eq!(generation.tokens(50), tokens, "{body}");
        }
    }
}
