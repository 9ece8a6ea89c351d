//! What a response must be before its body is read.

use transport::{Limits, Response, Trouble};

use crate::error::refused;

/// Refuses everything but a success of JSON or NDJSON. `model` is the one asked for.
pub(crate) async fn expect_json(
    response: &mut Response,
    limits: &Limits<'_>,
    model: Option<&str>,
) -> Result<(), Trouble> {
    if let Some(refusal) = response.refusal(limits).await? {
        return Err(refused(&refusal, model));
    }
    match response.essence().as_deref() {
        None | Some("application/x-ndjson" | "application/json") => Ok(()),
        Some(_) => Err(response.wrong_type(limits, "JSON", "an Ollama").await?),
    }
}
