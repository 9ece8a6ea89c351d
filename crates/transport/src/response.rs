//! A response: its head, and its body as it arrives.

use domain::record::ResponseNote;
use domain::{FailureKind, Stamp};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, VIA};

use crate::body::{Sink, StreamEnd};
use crate::bounds::{DRAIN, ERROR_BYTES};
use crate::direct::DirectBody;
use crate::error_text::ErrorText;
use crate::headers::encodings;
use crate::limits::Limits;
use crate::received::Received;
use crate::recorder::Recorder;
use crate::request_error::{ErrorResponse, RequestError};
use crate::reqwest_client;

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
    pub on_error_status: fn(&ErrorResponse, Option<&str>) -> RequestError,
    /// The meaning of a JSON value where another content type was expected.
    pub json_instead: Option<fn(&str) -> ErrorText>,
}

/// The source of a body.
pub(crate) enum Source {
    Direct(DirectBody),
    Reqwest(reqwest::Response),
}

/// A response whose head has arrived.
pub(crate) type Response = Received<Source>;

#[derive(Debug, Default)]
struct Discard;

impl Sink for Discard {
    fn take(&mut self, _: &[u8], _: Stamp) -> Result<bool, RequestError> {
        Ok(false)
    }
}

/// Collects a body, and stops when it is longer than `most` bytes.
#[derive(Debug, Default)]
struct Collect {
    bytes: Vec<u8>,
    most: usize,
}

impl Sink for Collect {
    fn take(&mut self, bytes: &[u8], _: Stamp) -> Result<bool, RequestError> {
        self.bytes.extend_from_slice(bytes);
        Ok(self.bytes.len() > self.most)
    }
}

impl Response {
    pub(crate) async fn follow(
        mut self,
        recorder: &mut impl Recorder,
        limits: &Limits<'_>,
    ) -> Result<(), RequestError> {
        match self.read(recorder, limits).await? {
            StreamEnd::Terminator => {
                self.drain(limits).await;
                recorder.ended()
            }
            StreamEnd::Body => recorder.finish(self.state.arrived),
            StreamEnd::GracePeriod(at) => {
                recorder.exchange().times.notes.push(ResponseNote::LeftOpen);
                recorder.finish(at)
            }
        }
    }

    /// Reads what follows the terminator, so that the connection can be used again. This does not change the
    /// outcome.
    async fn drain(&mut self, limits: &Limits<'_>) {
        if self.is_reusable {
            self.limiter.until = Some(limits.clock().now() + DRAIN);
            let _ = self.read(&mut Discard, limits).await;
        }
    }

    /// Passes the body to `sink` as it arrives, until the protocol's terminator or the body's end, within the
    /// limits. `sink` keeps what it took when this ends or is dropped.
    async fn read<S: Sink>(
        &mut self,
        sink: &mut S,
        limits: &Limits<'_>,
    ) -> Result<StreamEnd, RequestError> {
        let (state, limiter) = (&mut self.state, &mut self.limiter);
        match &mut self.body {
            Source::Direct(body) => body.read(state, sink, limits, limiter).await,
            Source::Reqwest(response) => {
                reqwest_client::read(response, state, sink, limits, limiter).await
            }
        }
    }

    /// The whole body, at most `most` bytes of it. With `keep_going`, an error ends the body, and what had
    /// arrived is returned.
    async fn collect(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
        keep_going: bool,
    ) -> Result<Vec<u8>, RequestError> {
        let mut collected = Collect {
            bytes: Vec::new(),
            most,
        };
        match self.read(&mut collected, limits).await {
            Err(error) if !keep_going => Err(error),
            Ok(StreamEnd::Terminator) if !keep_going => {
                let message = format!("the reply is longer than {most} bytes");
                Err(RequestError::Failed(
                    FailureKind::LineTooLong,
                    message.into(),
                ))
            }
            Ok(_) | Err(_) => Ok(collected.bytes),
        }
    }

    /// Refuses everything but the expected success. `model` is the requested one.
    pub(crate) async fn expect(
        &mut self,
        expectation: &Expectation,
        model: Option<&str>,
        sent_key: bool,
        limits: &Limits<'_>,
    ) -> Result<(), RequestError> {
        if !(200..300).contains(&self.status) {
            return Err((expectation.on_error_status)(
                &self.error_response(limits, sent_key).await?,
                model,
            ));
        }
        if let Some(encodings) = encodings(&self.headers) {
            let words = ErrorText::from("the body is encoded in ")
                .and(ErrorText::name(encodings))
                .and(
                    ", though it was asked for as it is: turn compression off in the server, or in what \
                     stands before it",
                );
            return Err(RequestError::Failed(FailureKind::WrongContentType, words));
        }
        let content_type = self.headers.get(CONTENT_TYPE);
        let content_type =
            content_type.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        // The media type without its parameters.
        let essence = content_type.as_ref().map(|kind| {
            let (essence, _) = kind.split_once(';').unwrap_or((kind, ""));
            essence.trim().to_ascii_lowercase()
        });
        let words = match (essence.as_deref(), expectation.json_instead) {
            (None, _) => return Ok(()),
            (Some(kind), _) if expectation.content_types.contains(&kind) => return Ok(()),
            (Some("application/json"), Some(words)) => words(&self.text(limits).await?),
            (Some(_), _) => {
                let Expectation { what, server, .. } = expectation;
                let kind = content_type.unwrap_or_default();
                let words = ErrorText::from("content type `")
                    .and(ErrorText::name(kind))
                    .and(format!(
                        "` where {what} was expected; is this {server} server? The body starts with "
                    ))
                    .and(ErrorText::quote(self.text(limits).await?));
                match self.header(VIA) {
                    Some(through) => words
                        .and("; it came through ")
                        .and(ErrorText::name(through)),
                    None => words,
                }
            }
        };
        Err(RequestError::Failed(FailureKind::WrongContentType, words))
    }

    /// The start of an unexpected body as text: what had arrived when it ended
    /// or failed.
    async fn text(&mut self, limits: &Limits<'_>) -> Result<String, RequestError> {
        let body = self.collect(limits, ERROR_BYTES, true).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The server's response with an error status.
    async fn error_response(
        &mut self,
        limits: &Limits<'_>,
        sent_key: bool,
    ) -> Result<ErrorResponse, RequestError> {
        let status = self.status;
        let reason = StatusCode::from_u16(status).ok();
        Ok(ErrorResponse {
            status,
            reason: reason
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default(),
            body: match encodings(&self.headers) {
                Some(_) => String::new(),
                None => self.text(limits).await?,
            },
            encodings: encodings(&self.headers),
            location: self.header(LOCATION),
            retry_after: self.header(RETRY_AFTER),
            via: self.header(VIA),
            sent_key,
        })
    }

    /// A header's first value, if it is printable ASCII.
    pub(crate) fn header(&self, name: HeaderName) -> Option<String> {
        Some(self.headers.get(name)?.to_str().ok()?.to_owned())
    }

    /// The body as one JSON value.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
    ) -> Result<T, RequestError> {
        let body = self.collect(limits, most, false).await?;
        serde_json::from_slice(&body).map_err(|e| {
            let words = ErrorText::name(e.to_string())
                .and("; the reply starts with ")
                .and(ErrorText::quote(String::from_utf8_lossy(&body)));
            RequestError::Failed(FailureKind::Malformed, words)
        })
    }
}
