//! One HTTP exchange: limits on our clock, stamps, and the ledger of virtual time.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use clock::{Alarm, Clock, ExchangeId, Ledger};
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Outcome, Stamp, TimeoutPhase};
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Method;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, VIA,
};
use tokio::sync::Notify;

use crate::connect::{Connecting, timed};
use crate::error::{Refusal, Trouble, clip};
use crate::key::ApiKey;

/// Most of an error page that is read, bytes.
const ERROR_BODY: usize = 64 * 1024;

/// How long the end of a body is waited for after the protocol's last word, so that the connection
/// can be used again. The request itself is over by then.
const DRAIN: Nanos = Nanos::from_secs(1);

/// The limits of one call. The total limit runs from the moment this is made.
#[derive(Debug)]
pub struct Limits<'a> {
    clock: &'a Clock,
    timeouts: &'a Timeouts,
    deadline: Stamp,
}

/// A limit may be longer than time can be told.
fn after(at: Stamp, limit: Nanos) -> Stamp {
    Stamp(at.0.saturating_add(limit.0))
}

impl<'a> Limits<'a> {
    fn start(clock: &'a Clock, timeouts: &'a Timeouts) -> Self {
        Self {
            clock,
            timeouts,
            deadline: after(clock.now(), timeouts.total),
        }
    }

    /// The clock they run on.
    pub fn clock(&self) -> &'a Clock {
        self.clock
    }

    /// When the limit runs out that runs from the send to the first sign of an answer.
    pub fn first_byte_due(&self, sent: Option<Stamp>) -> Stamp {
        after(
            sent.unwrap_or_else(|| self.clock.now()),
            self.timeouts.first_byte,
        )
    }

    /// Runs a future within a limit and within what is left of the total.
    pub async fn within<F: Future>(
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
    pub async fn within_total<F: Future>(&self, future: F) -> Result<F::Output, Trouble> {
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

/// Writes `sent` and `connect` into the exchange even when the future is dropped before it could.
struct SentInto<'e> {
    exchange: &'e mut Exchange,
    sent: Arc<Sent>,
    connecting: Arc<Connecting>,
}

impl SentInto<'_> {
    fn note(&mut self) {
        let sent = self.sent.at.get().copied();
        self.exchange.sent = sent;
        self.exchange.connect = self.connecting.until(sent);
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
pub struct Response {
    inner: reqwest::Response,
    in_flight: Option<InFlight>,
    with_key: bool,
    arrived: Stamp,
    alarm: Alarm,
}

impl Response {
    fn took(&self, units: u64) {
        if let Some(flight) = &self.in_flight {
            flight.ledger.take(flight.id, units);
        }
    }

    /// When the last bytes arrived, the head's until there are any of the body. Stamped before they
    /// are looked at.
    pub fn arrived(&self) -> Stamp {
        self.arrived
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn chunk(&mut self, limits: &Limits<'_>) -> Result<Option<Bytes>, Trouble> {
        let due = after(self.arrived, limits.timeouts.between_chunks);
        self.chunk_by(limits, TimeoutPhase::BetweenChunks, due)
            .await
    }

    /// The next bytes of the body, until another moment than the limit between chunks sets.
    pub async fn chunk_by(
        &mut self,
        limits: &Limits<'_>,
        phase: TimeoutPhase,
        due: Stamp,
    ) -> Result<Option<Bytes>, Trouble> {
        let (phase, due) = if limits.deadline < due {
            (TimeoutPhase::Total, limits.deadline)
        } else {
            (phase, due)
        };
        let alarm = &mut self.alarm;
        let chunk = {
            let mut next = pin!(self.inner.chunk());
            let mut waiting = false;
            let arriving = poll_fn(|context| {
                if let Poll::Ready(chunk) = next.as_mut().poll(context) {
                    return Poll::Ready(Ok(chunk));
                }
                if !waiting {
                    waiting = true;
                    alarm.set(due);
                }
                let late = || Err(Trouble::TimedOut(phase));
                alarm.poll_due(context).map(|()| late())
            });
            arriving.await??
        };
        if chunk.is_some() {
            self.arrived = limits.clock.now();
        }
        self.took(chunk.as_ref().map_or(1, |bytes| bytes.len() as u64));
        Ok(chunk)
    }

    /// Reads what follows the protocol's last word. Nothing there changes the outcome: a second one,
    /// an error or a broken connection comes after the server said it was done.
    pub async fn drain(&mut self, limits: &Limits<'_>) {
        let until = limits.clock.now() + DRAIN;
        let phase = TimeoutPhase::BetweenChunks;
        while let Ok(Some(_)) = self.chunk_by(limits, phase, until).await {
            if self.arrived >= until {
                return;
            }
        }
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

    /// The start of a body that is not what was asked for, as text: what had arrived when it ended
    /// or something went wrong.
    pub async fn page(&mut self, limits: &Limits<'_>) -> Result<String, Trouble> {
        let body = self.body(limits, ERROR_BODY, true).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// What the server said, when its status is no success.
    pub async fn refusal(&mut self, limits: &Limits<'_>) -> Result<Option<Refusal>, Trouble> {
        let status = self.inner.status();
        if status.is_success() {
            return Ok(None);
        }
        let header = |name| self.header(name).map(str::to_owned);
        let (location, retry_after) = (header(LOCATION.as_str()), header(RETRY_AFTER.as_str()));
        let through = self.through();
        Ok(Some(Refusal {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
            body: self.page(limits).await?,
            location,
            retry_after,
            through,
            with_key: self.with_key,
        }))
    }

    /// A header's value, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The proxies that the response passed, as they name themselves.
    pub fn through(&self) -> Option<String> {
        self.header(VIA.as_str()).map(|via| clip(via, 100))
    }

    /// The words for a body of a content type that nobody promised.
    pub async fn wrong_type(
        &mut self,
        limits: &Limits<'_>,
        promised: &str,
        server: &str,
    ) -> Result<Trouble, Trouble> {
        let kind = self.content_type().unwrap_or_default();
        let start = clip(&self.page(limits).await?, 80);
        let through = match self.through() {
            Some(through) => format!("; it came through {through}"),
            None => String::new(),
        };
        Ok(Trouble::Failed(
            FailureKind::WrongContentType,
            format!(
                "content type `{kind}` where {promised} was promised; is this {server} server? The \
                 body starts with {start:?}{through}"
            ),
        ))
    }

    /// The content type as the server wrote it; none when there is no such header.
    pub fn content_type(&self) -> Option<String> {
        let kind = self.inner.headers().get(CONTENT_TYPE)?;
        Some(String::from_utf8_lossy(kind.as_bytes()).into_owned())
    }

    /// The body as one JSON value.
    pub async fn json<T: serde::de::DeserializeOwned>(
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
pub struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<ApiKey>,
}

impl Transport {
    /// The server's base URL; it holds no credentials.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The limits of a call that starts now.
    pub fn limits(&self) -> Limits<'_> {
        Limits::start(&self.clock, &self.timeouts)
    }

    /// Sends a request and waits for the response's head, stamping `sent` and `headers`: a POST of
    /// JSON, or a GET when there is no body. A request without a body has no `sent`: nothing tells
    /// when its head is written.
    pub async fn send(
        &self,
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
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, key.header());
        }
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
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
            connecting: Arc::default(),
        };
        if let Some(flight) = &in_flight {
            flight.ledger.post(flight.id, 1);
        }
        let mut responding = pin!(timed(
            Arc::clone(&into.connecting),
            request.headers(headers).send()
        ));
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
            let due = limits.first_byte_due(sent.at.get().copied());
            let left = due.since(self.clock.now());
            limits
                .within(TimeoutPhase::FirstByte, left, responding)
                .await??
        };
        drop(into);
        let arrived = self.clock.now();
        exchange.headers = Some(arrived);
        let response = Response {
            inner: response,
            in_flight,
            with_key: self.key.is_some(),
            arrived,
            alarm: Alarm::new(&self.clock, after(arrived, self.timeouts.between_chunks)),
        };
        response.took(1);
        Ok(response)
    }

    /// How a generation ended, without the key in anybody's words.
    pub fn outcome(&self, ended: Result<(), Trouble>) -> Outcome {
        match ended {
            Ok(()) => Outcome::Completed,
            Err(trouble) => self.without_key(trouble).into_outcome(),
        }
    }

    /// Why a call failed, without the key in anybody's words.
    pub fn backend_error(&self, trouble: Trouble) -> BackendError {
        self.without_key(trouble).into_backend_error(&self.base)
    }

    /// Strikes the key from a server's words.
    fn without_key(&self, trouble: Trouble) -> Trouble {
        match (trouble, &self.key) {
            (Trouble::Failed(kind, words), Some(key)) => {
                Trouble::Failed(kind, key.strike_from(&words))
            }
            (trouble, _) => trouble,
        }
    }
}

/// A request body as JSON.
pub fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
