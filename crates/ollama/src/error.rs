//! What responses are, the server's words in its error objects, and what a response means.

use domain::FailureKind;
use serde_json::value::RawValue;
use transport::{ErrorResponse, ErrorText, Expectation, RequestError, error_message};

use crate::ndjson::MAX_LINE;

/// Streams and other replies: one object is a stream of one line. Verbose model descriptions list every
/// tensor, and embeddings are long.
pub(crate) const JSON: Expectation = Expectation {
    content_types: &["application/x-ndjson", "application/json"],
    what: "JSON",
    server: "an Ollama",
    max_bytes: 8 * MAX_LINE,
    on_error_status,
    json_instead: None,
};

/// What a response that is no success means. `model` is the one that was asked for.
fn on_error_status(response: &ErrorResponse, model: Option<&str>) -> RequestError {
    let message = error_in(&response.body);
    if let (404, Some(words), Some(model)) = (response.status, &message, model) {
        let words = ErrorText::message(words).and(format!("; to get it: ollama pull {model}"));
        return RequestError::Failed(FailureKind::ModelNotFound, words);
    }
    response.error(message, None)
}

/// The words of a body that is an error object.
fn error_in(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let body = serde_json::from_str::<ErrorBody<'_>>(body).ok()?;
    error_message(body.error)
}
