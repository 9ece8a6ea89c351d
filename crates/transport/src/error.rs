//! What can go wrong, and which of the domain's kinds it is.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use domain::backend::BackendError;
use domain::{FailureKind, Outcome, TimeoutPhase};
use serde_json::value::RawValue;

use crate::connect::ConnectTimedOut;
use crate::endpoint::EndpointError;

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A certificate to trust is no PEM certificate.
    #[error("the certificate to trust is not a PEM certificate")]
    Certificate(#[source] reqwest::Error),
    /// The HTTP client could not be set up, for example because the system has no certificates.
    #[error("the HTTP client for {endpoint} could not be set up")]
    Http {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// How a request went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Of this kind, in these words.
    Failed(FailureKind, String),
    /// One of our limits ran out.
    TimedOut(TimeoutPhase),
    /// The body ended in good order but too soon.
    Incomplete,
}

impl Trouble {
    /// A failure in words.
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed(kind, message.into())
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        match self {
            Self::Failed(failure, message) => Outcome::Failed { failure, message },
            Self::TimedOut(phase) => Outcome::TimedOut { phase },
            Self::Incomplete => Outcome::Incomplete,
        }
    }

    pub(crate) fn into_backend_error(self, endpoint: &str) -> BackendError {
        let endpoint = endpoint.to_owned();
        match self {
            Self::Failed(failure, message) => BackendError::Failed {
                endpoint,
                failure,
                message,
            },
            Self::TimedOut(phase) => BackendError::TimedOut { endpoint, phase },
            Self::Incomplete => BackendError::Failed {
                endpoint,
                failure: FailureKind::Malformed,
                message: "the reply ended before it was complete".to_owned(),
            },
        }
    }
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        let mut io_kind = None;
        let mut garbled = false;
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(e) = cause {
            if e.is::<ConnectTimedOut>() {
                return Self::TimedOut(TimeoutPhase::Connect);
            }
            if let Some(e) = e.downcast_ref::<io::Error>() {
                io_kind = Some(e.kind());
            }
            if let Some(e) = e.downcast_ref::<hyper::Error>() {
                garbled |= e.is_parse();
            }
            cause = e.source();
        }
        let kind = if error.is_connect() {
            match io_kind {
                Some(io::ErrorKind::ConnectionRefused) => FailureKind::ConnectionRefused,
                _ => FailureKind::Connect,
            }
        } else if garbled
            || matches!(
                io_kind,
                Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
            )
        {
            FailureKind::Malformed
        } else {
            FailureKind::ConnectionReset
        };
        Self::Failed(kind, causes(&error))
    }
}

/// The causes below the sentences of reqwest and of its connection pool, which repeat the URL and
/// say only that there was an error.
fn causes(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut cause = error.source();
    while let Some(e) = cause {
        let text = e.to_string();
        if !text.starts_with("client error (") && !words.ends_with(&text) {
            let separator = if words.is_empty() { "" } else { ": " };
            let _ = write!(words, "{separator}{text}");
        }
        cause = e.source();
    }
    if words.is_empty() {
        words = error.to_string();
    }
    words
}

/// Longest server message kept, characters.
const MESSAGE_CHARS: usize = 400;

/// The words in an `error` member: a string, or an object with `message`.
pub fn error_words(raw: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Words {
        Plain(String),
        Object { message: String },
    }
    match serde_json::from_str(raw.get()) {
        Ok(Words::Plain(text) | Words::Object { message: text }) => clip(&text, MESSAGE_CHARS),
        Err(_) => clip(raw.get(), MESSAGE_CHARS),
    }
}

/// A response that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The status in words.
    pub reason: &'static str,
    /// The start of the body.
    pub body: String,
    /// Where a redirect points.
    pub location: Option<String>,
    /// `Retry-After` as it was sent.
    pub retry_after: Option<String>,
    /// A key was sent along.
    pub with_key: bool,
}

impl Refusal {
    /// What it means: `told`, the words that the protocol finds in the body, else the page's words,
    /// and what to do about it: the protocol's advice, else what holds for every server.
    pub fn trouble(&self, told: Option<String>, advice: Option<String>) -> Trouble {
        let words = told.unwrap_or_else(|| clip(&without_tags(&self.body), MESSAGE_CHARS));
        let words = if words.is_empty() {
            format!("HTTP {} {} with an empty body", self.status, self.reason)
        } else {
            words
        };
        let message = match advice.or_else(|| self.advice()) {
            Some(advice) => format!("{words}; {advice}"),
            None => words,
        };
        match self.status {
            503 => Trouble::Failed(FailureKind::Busy, message),
            status => Trouble::Failed(FailureKind::Http { status }, message),
        }
    }

    fn advice(&self) -> Option<String> {
        match self.status {
            300..=399 => Some(match &self.location {
                // A query may hold a credential.
                Some(to) => format!(
                    "redirects are not followed, it points to {}",
                    clip(to.split(['?', '#']).next().unwrap_or_default(), 200)
                ),
                None => "redirects are not followed".to_owned(),
            }),
            429 => Some(match &self.retry_after {
                Some(after) => format!(
                    "the server limits requests and asks to come back after {}; nothing is retried, \
                     a retry would be another measurement",
                    retry_words(after)
                ),
                None => "the server limits requests; nothing is retried".to_owned(),
            }),
            _ => None,
        }
    }
}

/// `Retry-After` is seconds or a date.
fn retry_words(after: &str) -> String {
    if after.bytes().all(|b| b.is_ascii_digit()) {
        format!("{after} s")
    } else {
        clip(after, 40)
    }
}

/// A page's words on one line: markup, styles and scripts dropped, white space collapsed. Text
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

/// The first `chars` characters, with an ellipsis when there are more.
pub fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
