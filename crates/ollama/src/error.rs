//! The server's words in its error objects, and what a refusal means.

use domain::FailureKind;
use serde_json::value::RawValue;
use transport::{Refusal, Trouble, error_words};

/// What a response that is no success means. `model` is the one that was asked for.
pub(crate) fn refused(refusal: &Refusal, model: Option<&str>) -> Trouble {
    let told = error_in(&refusal.body);
    if let (404, Some(words), Some(model)) = (refusal.status, &told, model) {
        let message = format!("{words}; to get it: ollama pull {model}");
        return Trouble::Failed(FailureKind::ModelNotFound, message);
    }
    refusal.trouble(told, None)
}

/// The words of a body that is an error object.
fn error_in(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let body = serde_json::from_str::<ErrorBody<'_>>(body).ok()?;
    Some(error_words(body.error))
}
