//! The expected responses, the text in error objects, and the meaning of error statuses.

use domain::FailureKind;
use transport::{ErrorResponse, ErrorText, Expectation, Members, RequestError, error_message};

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

/// The error of a response with an error status. `model` is the requested one.
fn on_error_status(response: &ErrorResponse<'_>, model: Option<&str>) -> RequestError {
    let message = error_in(&response.body);
    if let (404, Some(words), Some(model)) = (response.status, &message, model) {
        let words = ErrorText::message(words).and(format!("; to get it: ollama pull {model}"));
        return RequestError::Failed(FailureKind::ModelNotFound, words);
    }
    response.error(message, None)
}

/// The text of a body that is an error object.
fn error_in(body: &str) -> Option<String> {
    let members: Members = serde_json::from_str(body).ok()?;
    error_message(members.raw("error")?)
}
