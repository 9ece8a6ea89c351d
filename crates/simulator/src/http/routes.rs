//! The routes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use clock::LedgerEntry;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, header};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use super::body::{Generation, Reply, ReplyBody};
use super::exchange::{Control, Exchange};
use super::refusal::Refusal;
use super::reply;
use super::request::{Dialect, GenerationRequest};
use super::{embed, generate, host, models};
use crate::driver::RequestLog;
use crate::faults::{FaultKind, FaultRule, RequestFacts};

/// Largest request accepted, bytes, images included.
const MAX_REQUEST: usize = 256 * 1024 * 1024;
/// Most bytes of all request bodies at one time.
pub(crate) const MAX_IN_BODIES: usize = 2 * MAX_REQUEST;

/// The connection is to be closed without a response.
#[derive(Debug, thiserror::Error)]
#[error("closed without a response")]
pub(crate) struct Closed;

impl App {
    pub(crate) async fn handle(
        self: Arc<Self>,
        server: usize,
        control: Arc<Control>,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Closed> {
        control.head_read();
        let (head, body) = request.into_parts();
        let world = &self.world;
        let text = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let is_welcome = (!self.check_host || host::allowed(text("host")))
            && host::origin_allowed(text("origin"), text("sec-fetch-site"), text("host"));
        // Requests of other sites' pages are refused before their body is read.
        let body = if is_welcome {
            Some(self.read(body).await)
        } else {
            None
        };
        // The request has left the wire only now that all of it is read.
        let ledger_entry = world.clock().take_request(text(LedgerEntry::HEADER));
        let now = world.clock().now();
        let line = RequestLog {
            server,
            number: self.received.fetch_add(1, Ordering::Relaxed) + 1,
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            received: now,
            ended: now,
            ..RequestLog::default()
        };
        let mut exchange = Exchange {
            world: Arc::clone(world),
            control,
            ledger_entry,
            line,
        };
        let (body, _room) = match body {
            Some(Ok(body)) => body,
            Some(Err(refusal)) => return Ok(reply::refuse(exchange, &refusal).await),
            None => return Ok(reply::empty(exchange, 403)),
        };
        let path = head.uri.path();
        let agents = [text("x-tandem-agent"), text(header::USER_AGENT.as_str())];
        let model = model_of(&body);
        let seen = RequestFacts {
            at: now,
            server,
            path,
            model: &model,
            agents,
            // Rules without a path are about inference; a client's polling is not counted by them.
            inference: is_inference(path),
        };
        let fault = self.faults.pick(&seen);
        exchange.line.fault = fault.as_ref().map(|fault| fault.kind);
        let answer = match exchange.line.fault {
            Some(FaultKind::ResetBeforeHeaders) => {
                exchange.reset();
                return Err(Closed);
            }
            Some(FaultKind::Busy) => Err(Refusal::busy()),
            Some(FaultKind::NotFound) => {
                Err(Refusal::new(404, format!("model '{model}' not found")))
            }
            Some(FaultKind::WrongContentType) => {
                let page = b"<!doctype html><title>Sign in</title><p>Sign in to go on.</p>\n";
                let html = "text/html; charset=utf-8";
                return Ok(reply::bytes(exchange, None, 200, html, page.to_vec()).await);
            }
            _ => self.answer(&head.method, path, &mut exchange, fault.as_ref(), &body),
        };
        Ok(match answer {
            Ok(Answer::Json(value)) => reply::document(exchange, fault, 200, &value).await,
            Ok(Answer::Text(status, words)) => reply::text(exchange, status, words).await,
            Ok(Answer::NotAllowed(allow)) => reply::not_allowed(exchange, allow).await,
            Ok(Answer::Generation(generation, content_type)) => {
                let reply = Reply::generation(exchange, fault, generation);
                reply::generation(reply, content_type).await
            }
            Err(refusal) => reply::refuse(exchange, &refusal).await,
        })
    }

    /// Reads a body, with the permit for its bytes, which is returned when dropped.
    async fn read(&self, mut body: Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let unread = || Refusal::new(400, "the request body could not be read");
        let no_room = || Refusal::new(503, "the bodies of all requests together are too large");
        let take = |n: u32| Arc::clone(&self.room).try_acquire_many_owned(n);
        let mut room = take(0).map_err(|_| no_room())?;
        let mut bytes = BytesMut::new();
        let reading = async {
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(|_| unread())?.into_data() else {
                    continue;
                };
                if bytes.len() + data.len() > MAX_REQUEST {
                    return Err(Refusal::new(413, "the request body is too large"));
                }
                let more = u32::try_from(data.len()).map_err(|_| no_room())?;
                room.merge(take(more).map_err(|_| no_room())?);
                bytes.extend_from_slice(&data);
            }
            Ok(())
        };
        match self.patience {
            None => reading.await?,
            Some(time) => {
                let read = self.world.clock().timeout(time, reading).await;
                read.map_err(|_| Refusal::new(408, "the request body did not arrive in time"))??;
            }
        }
        Ok((bytes.freeze(), room))
    }

    fn answer(
        &self,
        method: &Method,
        path: &str,
        exchange: &mut Exchange,
        fault: Option<&FaultRule>,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        let one_model = path
            .strip_prefix("/v1/models/")
            .filter(|name| !name.is_empty());
        let allow = match path {
            "/" | "/api/version" | "/api/tags" | "/tandem/log" => "GET, HEAD",
            "/api/ps" | "/v1/models" => "GET",
            _ if one_model.is_some() => "GET",
            _ if path == "/api/show" || is_inference(path) => "POST",
            _ => return Ok(Answer::Text(404, "404 page not found")),
        };
        if !allow.split(", ").any(|known| known == method.as_str()) {
            return Ok(Answer::NotAllowed(allow));
        }
        if let Ok(dialect) = path.parse::<Dialect>() {
            let ask = GenerationRequest::read(dialect, body)?;
            let (generation, content_type) = generate::start(self, exchange, fault, &ask)?;
            return Ok(Answer::Generation(generation, content_type));
        }
        Ok(Answer::Json(match path {
            "/" => return Ok(Answer::Text(200, "Ollama is running")),
            "/api/version" => {
                // Ollama has no member `server`. It marks records as simulated.
                let version = &self.profile.server.version;
                json!({"version": version, "server": "tandem-simulator"})
            }
            "/api/tags" => models::tags(self),
            "/api/ps" => models::ps(self, exchange.line.server),
            "/api/show" => models::show(self, body)?,
            "/v1/models" => models::v1_list(self),
            "/tandem/log" => {
                let (lines, forgotten) = self.world.log();
                json!({"lines": lines, "forgotten": forgotten})
            }
            _ if is_embedding(path) => {
                let embedding = embed::start(self, exchange, fault, body)?;
                return Ok(Answer::Generation(embedding, reply::JSON));
            }
            _ => models::v1_one(self, one_model.unwrap_or_default())?,
        }))
    }
}

/// The answer to a request that is not refused.
enum Answer {
    Json(Value),
    Text(u16, &'static str),
    /// The methods that the path allows.
    NotAllowed(&'static str),
    /// And its content type.
    Generation(Generation, &'static str),
}

fn is_inference(path: &str) -> bool {
    path.parse::<Dialect>().is_ok() || is_embedding(path)
}

fn is_embedding(path: &str) -> bool {
    matches!(path, "/api/embed" | "/api/embeddings" | "/v1/embeddings")
}

fn model_of(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Named {
        model: String,
    }
    serde_json::from_slice(body).map_or_else(|_| String::new(), |named: Named| named.model)
}
