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
    let Some(kind) = response.content_type() else {
        return Ok(());
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if ["application/x-ndjson", "application/json"]
        .iter()
        .any(|good| essence.eq_ignore_ascii_case(good))
    {
        return Ok(());
    }
    Err(response.wrong_type(limits, "JSON", "an Ollama").await?)
}
