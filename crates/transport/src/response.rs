//! What a protocol expects of a response, and what another response means.

use domain::FailureKind;
use http::header::{CONTENT_TYPE, HeaderName, VIA};

use crate::error_text::ErrorText;
use crate::headers::encodings;
use crate::request_error::{ErrorResponse, RequestError};
use crate::response_head::Head;

/// What a protocol expects of the responses to some of its calls, and the meaning of others.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// The accepted content types; a response without one is accepted, too.
    pub content_types: &'static [&'static str],
    /// A phrase for the expected responses.
    pub what: &'static str,
    /// The kind of server, with its article.
    pub server: &'static str,
    /// Most bytes of a body that is one JSON value.
    pub max_bytes: usize,
    /// The meaning of an error status; the second argument is the requested model.
    pub on_error_status: fn(&ErrorResponse<'_>, Option<&str>) -> RequestError,
    /// The meaning of a JSON value where another content type was expected.
    pub json_instead: Option<fn(&str) -> ErrorText>,
}

impl Head {
    /// A header's first value, if it is printable ASCII.
    pub(crate) fn header(&self, name: HeaderName) -> Option<String> {
        Some(self.headers.get(name)?.to_str().ok()?.to_owned())
    }

    /// The body's encodings, although none was requested.
    pub(crate) fn encodings(&self) -> Option<String> {
        encodings(&self.headers)
    }

    fn content_type(&self) -> Option<String> {
        let kind = self.headers.get(CONTENT_TYPE)?;
        Some(String::from_utf8_lossy(kind.as_bytes()).into_owned())
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The media type of a content type, without its parameters.
fn media_type(content_type: &str) -> String {
    let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    media_type.trim().to_ascii_lowercase()
}

impl Expectation {
    /// True for a success with a body of an accepted type that is not encoded.
    pub(crate) fn is_met_by(&self, head: &Head) -> bool {
        let is_accepted = |kind: &String| self.content_types.contains(&media_type(kind).as_str());
        head.is_success()
            && head.encodings().is_none()
            && head.content_type().as_ref().is_none_or(is_accepted)
    }

    /// The error that a response means which does not meet this. `page` is the start of its body: what had arrived when
    /// it ended or failed; `model` is the requested one.
    pub(crate) fn refusal(
        &self,
        head: &Head,
        page: &[u8],
        model: Option<&str>,
        sent_key: bool,
    ) -> RequestError {
        let page = String::from_utf8_lossy(page).into_owned();
        if !head.is_success() {
            let response = ErrorResponse {
                status: head.status,
                body: page,
                sent_key,
                head,
            };
            return (self.on_error_status)(&response, model);
        }
        let kind = head.content_type().unwrap_or_default();
        let words = match (head.encodings(), self.json_instead) {
            (Some(encodings), _) => ErrorText::from("the body is encoded in ")
                .and(ErrorText::name(encodings))
                .and(
                    ", though it was asked for as it is: turn compression off in the server, or in what \
                     stands before it",
                ),
            (None, Some(meaning)) if media_type(&kind) == "application/json" => meaning(&page),
            (None, _) => {
                let Self { what, server, .. } = self;
                let words = ErrorText::from("content type `")
                    .and(ErrorText::name(kind))
                    .and(format!(
                        "` where {what} was expected; is this {server} server? The body starts with "
                    ))
                    .and(ErrorText::quote(page));
                match head.header(VIA) {
                    Some(through) => words
                        .and("; it came through ")
                        .and(ErrorText::name(through)),
                    None => words,
                }
            }
        };
        RequestError::Failed(FailureKind::WrongContentType, words)
    }
}
