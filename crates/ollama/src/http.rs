//! One HTTP exchange: limits on our clock, stamps, and the ledger of virtual time.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use clock::{Clock, ExchangeId, Ledger};
use domain::backend::Exchange;
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Stamp, TimeoutPhase};
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::Notify;

use crate::error::{Trouble, clip, status_trouble};

/// Most of an error page that is read, bytes.
const ERROR_BODY: usize = 64 * 1024;

/// The limits of one call. The total limit runs from the moment this is made.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) clock: &'a Clock,
    timeouts: &'a Timeouts,
    deadline: Stamp,
}

impl<'a> Limits<'a> {
    pub(crate) fn start(clock: &'a Clock, timeouts: &'a Timeouts) -> Self {
        let deadline = Stamp(clock.now().0.saturating_add(timeouts.total.0));
        Self {
            clock,
            timeouts,
            deadline,
        }
    }

    /// Runs a future within a limit and within what is left of the total.
    pub(crate) async fn within<F: Future>(
        &self,
        phase: TimeoutPhase,
        limit: Nanos,
        future: F,
    ) -> Result<F::Output, Trouble> {
        let left = self.deadline.since(self.clock.now());
        let (phase, limit) = if left < limit {
            (TimeoutPhase::Total, left)
        } else {
            (phase, limit)
        };
        self.clock
            .timeout(limit, future)
            .await
            .map_err(|clock::Elapsed| Trouble::TimedOut(phase))
    }

    /// Runs a future within what is left of the total.
    pub(crate) async fn within_total<F: Future>(&self, future: F) -> Result<F::Output, Trouble> {
        self.within(TimeoutPhase::Total, Nanos(u64::MAX), future)
            .await
    }
}

/// When a request's bytes were handed to the connection, told by the body that hyper reads as it
/// writes.
#[derive(Debug, Default)]
struct Sent {
    at: OnceLock<Stamp>,
    told: Notify,
}

/// A request body that says when it is taken.
#[derive(Debug)]
struct TellingBody {
    bytes: Option<Bytes>,
    clock: Clock,
    sent: Arc<Sent>,
}

impl Body for TellingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(bytes) = this.bytes.take() else {
            return Poll::Ready(None);
        };
        if this.sent.at.set(this.clock.now()).is_ok() {
            this.sent.told.notify_one();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Writes `sent` into the exchange even when the future is dropped before it could.
struct SentInto<'e> {
    exchange: &'e mut Exchange,
    sent: Arc<Sent>,
}

impl SentInto<'_> {
    fn note(&mut self) {
        self.exchange.sent = self.sent.at.get().copied();
    }
}

impl Drop for SentInto<'_> {
    fn drop(&mut self) {
        self.note();
    }
}

/// This exchange in the ledger; closed when dropped, however that comes about.
#[derive(Debug)]
struct InFlight {
    ledger: Ledger,
    id: ExchangeId,
}

impl InFlight {
    fn open(clock: &Clock) -> Option<Self> {
        clock.ledger().map(|ledger| Self {
            ledger: ledger.clone(),
            id: ledger.open(),
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.ledger.close(self.id);
    }
}

/// A response whose head has arrived.
#[derive(Debug)]
pub(crate) struct Response {
    inner: reqwest::Response,
    in_flight: Option<InFlight>,
}

impl Response {
    fn took(&self, units: u64) {
        if let Some(flight) = &self.in_flight {
            flight.ledger.take(flight.id, units);
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self, limits: &Limits<'_>) -> Result<Option<Bytes>, Trouble> {
        let limit = limits.timeouts.between_chunks;
        self.chunk_within(limits, TimeoutPhase::BetweenChunks, limit)
            .await
    }

    /// The next bytes of the body within another limit than the one between chunks.
    pub(crate) async fn chunk_within(
        &mut self,
        limits: &Limits<'_>,
        phase: TimeoutPhase,
        limit: Nanos,
    ) -> Result<Option<Bytes>, Trouble> {
        let chunk = limits.within(phase, limit, self.inner.chunk()).await??;
        self.took(chunk.as_ref().map_or(1, |bytes| bytes.len() as u64));
        Ok(chunk)
    }

    /// The body as a whole, at most `most` bytes of it. With `keep_going`, what had arrived when
    /// something went wrong.
    async fn body(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
        keep_going: bool,
    ) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        loop {
            match self.chunk(limits).await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Err(trouble) if !keep_going => return Err(trouble),
                Ok(None) | Err(_) => return Ok(body),
            }
            if body.len() > most {
                if keep_going {
                    return Ok(body);
                }
                let message = format!("the reply is longer than {most} bytes");
                return Err(Trouble::failed(FailureKind::LineTooLong, message));
            }
        }
    }

    /// Refuses everything but a success of JSON or NDJSON. `model` is the one asked for.
    pub(crate) async fn expect_json(
        &mut self,
        limits: &Limits<'_>,
        model: Option<&str>,
    ) -> Result<(), Trouble> {
        let status = self.inner.status();
        if !status.is_success() {
            let body = self.body(limits, ERROR_BODY, true).await?;
            let reason = status.canonical_reason().unwrap_or_default();
            return Err(status_trouble(status.as_u16(), reason, &body, model));
        }
        let Some(kind) = self.inner.headers().get(CONTENT_TYPE) else {
            return Ok(());
        };
        let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if ["application/x-ndjson", "application/json"]
            .iter()
            .any(|good| essence.eq_ignore_ascii_case(good))
        {
            return Ok(());
        }
        let body = self.body(limits, ERROR_BODY, true).await?;
        let start = clip(&String::from_utf8_lossy(&body), 80);
        Err(Trouble::Failed(
            FailureKind::WrongContentType,
            format!(
                "content type `{kind}` where JSON was promised; is this an Ollama server? The \
                 body starts with {start:?}"
            ),
        ))
    }

    /// The body as one JSON value.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
    ) -> Result<T, Trouble> {
        let body = self.body(limits, most, false).await?;
        serde_json::from_slice(&body).map_err(|e| {
            let start = clip(&String::from_utf8_lossy(&body), 80);
            let message = format!("{e}; the reply starts with {start:?}");
            Trouble::Failed(FailureKind::Malformed, message)
        })
    }
}

/// A connection pool for one endpoint, and the clock.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
}

impl Transport {
    pub(crate) fn limits(&self) -> Limits<'_> {
        Limits::start(&self.clock, &self.timeouts)
    }

    /// Sends a request and waits for the response's head, stamping `sent` and `headers`. A request
    /// without a body has no `sent`: nothing tells when its head is written.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response, Trouble> {
        let in_flight = InFlight::open(&self.clock);
        let mut headers = HeaderMap::new();
        if let Some(flight) = &in_flight {
            headers.insert(Ledger::HEADER, HeaderValue::from(flight.id.0));
        }
        let sent = Arc::new(Sent::default());
        let request = self.http.request(method, format!("{}{path}", self.base));
        let has_body = body.is_some();
        let request = match body {
            None => request,
            Some(bytes) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                request.body(reqwest::Body::wrap(TellingBody {
                    bytes: Some(bytes.into()),
                    clock: self.clock.clone(),
                    sent: Arc::clone(&sent),
                }))
            }
        };
        let mut into = SentInto {
            exchange: &mut *exchange,
            sent: Arc::clone(&sent),
        };
        if let Some(flight) = &in_flight {
            flight.ledger.post(flight.id, 1);
        }
        let mut responding = pin!(request.headers(headers).send());
        let early = if has_body {
            // The connector keeps the connect limit; only the total runs here besides.
            limits
                .within_total(async {
                    tokio::select! {
                        biased;
                        response = &mut responding => Some(response),
                        () = sent.told.notified() => None,
                    }
                })
                .await?
        } else {
            None
        };
        let response = if let Some(response) = early {
            response?
        } else {
            into.note();
            let from = sent.at.get().copied();
            let waited = from.map_or(Nanos::ZERO, |at| self.clock.now().since(at));
            let left = self.timeouts.first_byte.saturating_sub(waited);
            limits
                .within(TimeoutPhase::FirstByte, left, responding)
                .await??
        };
        drop(into);
        exchange.headers = Some(self.clock.now());
        let response = Response {
            inner: response,
            in_flight,
        };
        response.took(1);
        Ok(response)
    }

    /// A call whose reply is one JSON value.
    pub(crate) async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        model: Option<&str>,
        most: usize,
        limits: &Limits<'_>,
    ) -> Result<T, Trouble> {
        let mut response = self
            .send(method, path, body, limits, &mut Exchange::default())
            .await?;
        response.expect_json(limits, model).await?;
        response.json(limits, most).await
    }
}

/// A request body as JSON.
pub(crate) fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
