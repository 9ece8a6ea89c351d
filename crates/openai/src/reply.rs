//! What a response must be before its body is read.

use domain::FailureKind;
use transport::{Limits, Response, Trouble};

use crate::error::{error_in, refused};

/// What is talked to, in words.
const SERVER: &str = "an OpenAI-compatible";

/// Refuses everything but a success of JSON.
pub(crate) async fn expect_json(
    response: &mut Response,
    limits: &Limits<'_>,
) -> Result<(), Trouble> {
    expect_success(response, limits, None).await?;
    match response.essence().as_deref() {
        None | Some("application/json") => Ok(()),
        Some(_) => Err(response.wrong_type(limits, "JSON", SERVER).await?),
    }
}

/// Refuses everything but a success of server-sent events. `model` is the one asked for.
pub(crate) async fn expect_events(
    response: &mut Response,
    limits: &Limits<'_>,
    model: &str,
) -> Result<(), Trouble> {
    expect_success(response, limits, Some(model)).await?;
    let kind = match response.essence() {
        None => return Ok(()),
        Some(kind) if kind == "text/event-stream" => return Ok(()),
        Some(kind) => kind,
    };
    if kind != "application/json" {
        let promised = "a stream of events";
        return Err(response.wrong_type(limits, promised, SERVER).await?);
    }
    let body = response.page(limits).await?;
    let message = match error_in(&body) {
        Some(words) => format!("status 200 with an error instead of a stream: {words}"),
        None => {
            "the server ignored `stream`: it answered with one JSON object, which has no time to \
                 first token; turn streaming on, or use another endpoint"
                .to_owned()
        }
    };
    Err(Trouble::Failed(FailureKind::WrongContentType, message))
}

async fn expect_success(
    response: &mut Response,
    limits: &Limits<'_>,
    model: Option<&str>,
) -> Result<(), Trouble> {
    match response.refusal(limits).await? {
        None => Ok(()),
        Some(refusal) => Err(refused(&refusal, model)),
    }
}
