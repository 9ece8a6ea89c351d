//! The errors of requests, and the domain's kinds that they map to.

use domain::record::ResponseNote;
use domain::{FailureKind, TimeoutPhase};
use http::StatusCode;
use http::header::{LOCATION, RETRY_AFTER, VIA};
use serde_json::value::RawValue;

use crate::endpoint::EndpointError;
use crate::error_text::ErrorText;
use crate::response_head::Head;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("the certificate to trust is not a PEM certificate")]
    Certificate(#[source] rustls::pki_types::pem::Error),
    /// The HTTP client could not be set up, for example because the system has no certificates.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// A failure of this kind, with this text.
    Failed(FailureKind, ErrorText),
    /// One of our limits ran out.
    TimedOut(TimeoutPhase),
    /// The body ended without an error but too soon; the note says what it lacks.
    Incomplete(ResponseNote),
}

/// True once no more of a stream is wanted.
pub type TakeResult = Result<bool, RequestError>;

impl RequestError {
    pub(crate) fn is_of_kind(&self, kind: FailureKind) -> bool {
        matches!(self, Self::Failed(failure, _) if *failure == kind)
    }

    /// The text of a failure.
    #[cfg(test)]
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Failed(_, words) => words.redacted(None),
            other => panic!("{other:?}"),
        }
    }
}

/// The text of an `error` member: a string, or an object with `message`. `None` where the member says that
/// there is no error: null, `false`, or empty.
pub fn error_message(raw: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum ErrorText {
        Plain(String),
        Object { message: String },
    }
    let text = raw.get();
    let is_empty = |ends: [char; 2]| {
        let inside = text
            .strip_prefix(ends[0])
            .and_then(|t| t.strip_suffix(ends[1]));
        inside.is_some_and(|inside| inside.trim().is_empty())
    };
    if matches!(text, "null" | "false")
        || [['"'; 2], ['{', '}'], ['[', ']']]
            .map(is_empty)
            .contains(&true)
    {
        return None;
    }
    Some(match serde_json::from_str(text) {
        Ok(ErrorText::Plain(text) | ErrorText::Object { message: text }) => text,
        Err(_) => text.to_owned(),
    })
}

/// Finish reasons that mean that the request failed.
const FAILED: [&str; 5] = ["error", "abort", "aborted", "cancelled", "canceled"];

/// The failure that a finish reason means, if it means one.
pub fn failure_of_reason(reason: &str) -> Option<RequestError> {
    let is_failed = FAILED.iter().any(|f| f.eq_ignore_ascii_case(reason));
    is_failed.then(|| {
        let words = format!("the server stopped for the reason `{reason}`");
        RequestError::Failed(FailureKind::MidStream, words.into())
    })
}

/// A response with an error status.
#[derive(Debug, Clone)]
pub struct ErrorResponse<'r> {
    pub status: u16,
    /// The start of the body; empty where it is encoded, although no encoding was requested.
    pub body: String,
    /// The request carried a key.
    pub sent_key: bool,
    pub(crate) head: &'r Head,
}

impl ErrorResponse<'_> {
    /// The error with its advice. Its text is `message`, the words that the protocol finds in the body, else
    /// the page's words; general advice precedes the protocol's.
    pub fn error(&self, message: Option<String>, advice: Option<&str>) -> RequestError {
        // A page that is not of the protocol may be a proxy's.
        let through = self.head.header(VIA).filter(|_| message.is_none());
        let page = through
            .map(|through| ErrorText::from("it came through ").and(ErrorText::name(through)));
        let page_words = || Some(without_tags(&self.body)).filter(|words| !words.is_empty());
        let phrase = StatusCode::from_u16(self.status).ok();
        let phrase = phrase.and_then(|status| status.canonical_reason());
        let status = format!("HTTP {} {} with ", self.status, phrase.unwrap_or_default());
        let words = match (message.or_else(page_words), self.head.encodings()) {
            (Some(words), _) => ErrorText::message(words),
            (None, Some(encodings)) => {
                ErrorText::from(status + "a body in ").and(ErrorText::name(encodings))
            }
            (None, None) => (status + "an empty body").into(),
        };
        let advice = self.advice().or(advice.map(ErrorText::from)).or(page);
        let message = match advice {
            Some(advice) => words.and("; ").and(advice),
            None => words,
        };
        match self.status {
            503 => RequestError::Failed(FailureKind::Busy, message),
            status => RequestError::Failed(FailureKind::Http { status }, message),
        }
    }

    fn advice(&self) -> Option<ErrorText> {
        Some(match (self.status, &self.head) {
            (401, _) if self.sent_key => "the server refused the key in TANDEM_API_KEY".into(),
            (401, _) => "the server wants a key: set TANDEM_API_KEY".into(),
            (407, head) => {
                let words = ErrorText::from("a proxy answered instead of the server");
                match head.header(VIA) {
                    Some(through) => words.and(": ").and(ErrorText::name(through)),
                    None => words,
                }
            }
            (300..=399, head) => match head.header(LOCATION) {
                // A query may hold a credential.
                Some(to) => ErrorText::from("redirects are not followed, it points to ").and(
                    ErrorText::name(to.split(['?', '#']).next().unwrap_or_default()),
                ),
                None => "redirects are not followed".into(),
            },
            (429, head) => match head.header(RETRY_AFTER) {
                Some(after) => {
                    // Either seconds or a date.
                    let is_seconds = after.bytes().all(|b| b.is_ascii_digit());
                    ErrorText::from("the server limits requests and asks to come back after ")
                        .and(ErrorText::name(after))
                        .and(if is_seconds { " s" } else { "" })
                        .and("; nothing is retried, a retry would be another measurement")
                }
                None => "the server limits requests; nothing is retried".into(),
            },
            _ => return None,
        })
    }
}

/// A page's words on one line, without markup, styles and scripts and with white space collapsed. Text
/// without markup only has its line ends trimmed.
fn without_tags(page: &str) -> String {
    if !page.trim_start().starts_with('<') {
        return page.trim().to_owned();
    }
    let mut words = String::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        words.push_str(&rest[..open]);
        words.push(' ');
        rest = &rest[open..];
        for element in ["style", "script"] {
            if rest[1..].starts_with(element)
                && let Some(end) = rest.find(&format!("</{element}"))
            {
                rest = &rest[end..];
            }
        }
        rest = rest.find('>').map_or("", |close| &rest[close + 1..]);
    }
    words.push_str(rest);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
