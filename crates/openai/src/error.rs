//! What responses are, the server's words in its error objects, and what a refusal means.

use domain::FailureKind;
use serde_json::value::RawValue;
use transport::{Promise, Refusal, Trouble, error_words};

use crate::sse::MAX_EVENT;

/// Replies that are one JSON value. Hosted services list hundreds of models, llama.cpp prints its chat
/// template.
pub(crate) const JSON: Promise = Promise {
    types: &["application/json"],
    what: "JSON",
    server: "an OpenAI-compatible",
    most: MAX_EVENT,
    refused,
    json_instead: None,
};

/// Streams.
pub(crate) const EVENTS: Promise = Promise {
    types: &["text/event-stream"],
    what: "a stream of events",
    json_instead: Some(no_stream),
    ..JSON
};

/// What one JSON value in place of a stream means.
fn no_stream(body: &str) -> String {
    match error_in(body) {
        Some(words) => format!("status 200 with an error instead of a stream: {words}"),
        None => {
            "the server ignored `stream`: it answered with one JSON object, which has no time to \
                 first token; turn streaming on, or use another endpoint"
                .to_owned()
        }
    }
}

/// What a response that is no success means. `model` is the one that was asked for.
fn refused(refusal: &Refusal, model: Option<&str>) -> Trouble {
    let told = error_in(&refusal.body);
    let says_no_model = |words: &String| words.to_ascii_lowercase().contains("model");
    if let (404, Some(words), Some(model)) = (
        refusal.status,
        told.as_ref().filter(|w| says_no_model(w)),
        model,
    ) {
        let message = format!("{words}; asked for {model}, /v1/models lists what there is");
        return Trouble::Failed(FailureKind::ModelNotFound, message);
    }
    let advice = match refusal.status {
        403 if refusal.with_key => Some("the server refused the key in TANDEM_API_KEY"),
        403 => Some("the server wants a key: set TANDEM_API_KEY"),
        404 => Some("is this an OpenAI-compatible server, and its base URL?"),
        _ => None,
    };
    refusal.trouble(told, advice.map(str::to_owned))
}

/// The words of a body that is an error object.
pub(crate) fn error_in(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        #[serde(borrow)]
        detail: Option<&'a RawValue>,
        object: Option<&'a str>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    let body = serde_json::from_str::<ErrorBody<'_>>(body).ok()?;
    // vLLM and SGLang put the words beside `"object": "error"`; their framework says `detail`.
    let beside = body.message.filter(|_| body.object == Some("error"));
    body.error.or(beside).or(body.detail).map(error_words)
}
