//! Responses: status, headers and error bodies in both protocols' shapes.

use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::{Reply, ReplyBody};
use super::exchange::Exchange;
use super::refusal::Refusal;
use crate::faults::FaultRule;

/// Content types as Ollama sends them.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(super) const V1_JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const SSE: &str = "text/event-stream";
const TEXT: &str = "text/plain";

fn finish(reply: Reply, status: u16, content_type: &'static str) -> Response<ReplyBody> {
    let length = reply.length();
    let mut response = Response::new(reply.into_body(status));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of our own");
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        let content_type = header::HeaderValue::from_static(content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

pub(crate) async fn document(
    exchange: Exchange,
    fault: Option<FaultRule>,
    status: u16,
    value: &Value,
) -> Response<ReplyBody> {
    let json = value.to_string().into_bytes();
    bytes(exchange, fault, status, JSON, json).await
}

pub(crate) async fn bytes(
    exchange: Exchange,
    fault: Option<FaultRule>,
    status: u16,
    content_type: &'static str,
    bytes: Vec<u8>,
) -> Response<ReplyBody> {
    let mut reply = Reply::document(exchange, fault, bytes);
    // A stalled document must not send its head. A document cannot fail here.
    let _ = reply.fill().await;
    finish(reply, status, content_type)
}

/// Plain text, as the router itself answers.
pub(crate) async fn text(exchange: Exchange, status: u16, words: &str) -> Response<ReplyBody> {
    bytes(exchange, None, status, TEXT, words.as_bytes().to_vec()).await
}

pub(crate) async fn not_allowed(exchange: Exchange, allow: &'static str) -> Response<ReplyBody> {
    let mut response = text(exchange, 405, "405 method not allowed").await;
    let allow = header::HeaderValue::from_static(allow);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

pub(crate) fn empty(exchange: Exchange, status: u16) -> Response<ReplyBody> {
    finish(Reply::document(exchange, None, Vec::new()), status, "")
}

/// An error in the shape of the request's API.
pub(crate) async fn refuse(exchange: Exchange, refusal: &Refusal) -> Response<ReplyBody> {
    let body = if exchange.line.path.starts_with("/v1/") {
        let kind = match refusal.status {
            400 => "invalid_request_error",
            404 => "not_found_error",
            _ => "api_error",
        };
        json!({"error": {"message": refusal.words, "type": kind, "param": null, "code": null}})
    } else {
        json!({"error": refusal.words})
    };
    document(exchange, None, refusal.status, &body).await
}

/// A generation, once its first object exists.
pub(crate) async fn generation(
    mut reply: Reply,
    content_type: &'static str,
) -> Response<ReplyBody> {
    match reply.fill().await {
        Ok(()) => finish(reply, 200, content_type),
        Err(refusal) => refuse(reply.into_exchange(), &refusal).await,
    }
}
