//! What can go wrong, and which of the domain's kinds it is.

use domain::backend::BackendError;
use domain::{FailureKind, Outcome, TimeoutPhase};
use serde_json::value::RawValue;

use crate::endpoint::EndpointError;

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A certificate to trust is no PEM certificate.
    #[error("the certificate to trust is not a PEM certificate")]
    Certificate(#[source] rustls::pki_types::pem::Error),
    /// TLS could not be set up, for example because the system has no certificates.
    #[error("TLS for {endpoint} could not be set up")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: rustls::Error,
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
    /// What stands between the server and here, as far as it says so.
    pub through: Option<String>,
    /// A key was sent along.
    pub with_key: bool,
}

impl Refusal {
    /// What it means: `told`, the words that the protocol finds in the body, else the page's words,
    /// and what to do about it: what holds for every server, else the protocol's advice.
    pub fn trouble(&self, told: Option<String>, advice: Option<String>) -> Trouble {
        // A page of nobody's protocol may be somebody else's.
        let through = self.through.as_ref().filter(|_| told.is_none());
        let page = through.map(|through| format!("it came through {through}"));
        let words = told.unwrap_or_else(|| clip(&without_tags(&self.body), MESSAGE_CHARS));
        let words = if words.is_empty() {
            format!("HTTP {} {} with an empty body", self.status, self.reason)
        } else {
            words
        };
        let message = match self.advice().or(advice).or(page) {
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
            401 if self.with_key => Some("the server refused the key in TANDEM_API_KEY".to_owned()),
            401 => Some("the server wants a key: set TANDEM_API_KEY".to_owned()),
            407 => {
                let through = self.through.iter().map(|through| format!(": {through}"));
                let through = through.collect::<String>();
                Some(format!("a proxy answered instead of the server{through}"))
            }
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
