//! The expected responses, the text in error objects, and the meaning of error statuses.

use domain::FailureKind;
use transport::{ErrorResponse, ErrorText, Expectation, Members, RequestError, error_message};

use crate::sse::MAX_EVENT;

/// Replies that are one JSON value. Hosted services list hundreds of models, and llama.cpp includes its chat
/// template.
pub(crate) const JSON: Expectation = Expectation {
    content_types: &["application/json"],
    what: "JSON",
    server: "an OpenAI-compatible",
    max_bytes: MAX_EVENT,
    on_error_status,
    json_instead: None,
};

pub(crate) const EVENTS: Expectation = Expectation {
    content_types: &["text/event-stream"],
    what: "a stream of events",
    json_instead: Some(no_stream),
    ..JSON
};

/// The meaning of one JSON value in place of a stream.
fn no_stream(body: &str) -> ErrorText {
    match error_in(body) {
        Some(words) => ErrorText::from("status 200 with an error instead of a stream: ")
            .and(ErrorText::message(words)),
        None => {
            "the server ignored `stream`: it answered with one JSON object, which has no time to \
                 first token; turn streaming on, or use another endpoint"
                .into()
        }
    }
}

/// The error of a response with an error status. `model` is the requested one.
fn on_error_status(response: &ErrorResponse<'_>, model: Option<&str>) -> RequestError {
    let message = error_in(&response.body);
    if let (404, Some(words), Some(model)) = (response.status, &message, model)
        && words.to_ascii_lowercase().contains("model")
    {
        let asked = format!("; asked for {model}, /v1/models lists what there is");
        return RequestError::Failed(
            FailureKind::ModelNotFound,
            ErrorText::message(words).and(asked),
        );
    }
    let advice = match response.status {
        403 if response.sent_key => Some("the server refused the key in TANDEM_API_KEY"),
        403 => Some("the server wants a key: set TANDEM_API_KEY"),
        404 => Some("is this an OpenAI-compatible server, and its base URL?"),
        _ => None,
    };
    response.error(message, advice)
}

/// The text of a body that is an error object.
pub(crate) fn error_in(body: &str) -> Option<String> {
    let members: Members = serde_json::from_str(body).ok()?;
    // vLLM and SGLang put the text beside `"object": "error"`; their framework uses `detail`, gateways
    // only `message`.
    let mut words = ["error", "message", "detail"].into_iter();
    let words = words.find_map(|name| error_message(members.raw(name)?));
    let is_error = members.get::<String>("object").as_deref() == Some("error");
    words.or_else(|| is_error.then(|| body.to_owned()))
}
