//! One HTTP exchange: limits on our clock, stamps, and the ledger of virtual time.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clock::{Alarm, Clock, ExchangeId, Ledger};
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::{FailureKind, Nanos, Outcome, Stamp, TimeoutPhase};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT, VIA,
};
use hyper::{Method, Request};

use crate::connect::Connector;
use crate::connection::Connection;
use crate::error::{Refusal, Trouble, clip};
use crate::key::ApiKey;
use crate::pool::Pool;

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

/// A request body that says when it is taken: hyper reads it as it writes, which is when the
/// request's bytes are handed to the connection.
#[derive(Debug)]
pub(crate) struct TellingBody {
    bytes: Option<Bytes>,
    clock: Clock,
    sent: Arc<OnceLock<Stamp>>,
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
        let _ = this.sent.set(this.clock.now());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
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
    inner: hyper::Response<Incoming>,
    /// None once it is back in the pool or has ended.
    connection: Option<Box<Connection>>,
    pool: Option<Arc<Pool>>,
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
        let Some(connection) = &mut self.connection else {
            return Ok(None);
        };
        let (alarm, body) = (&mut self.alarm, self.inner.body_mut());
        let mut waiting = false;
        let arriving = poll_fn(|context| {
            let next = connection.poll_for(context, |inside| poll_data(body, inside));
            if let Poll::Ready(chunk) = next {
                let free = matches!(chunk, Ok(None)) && connection.is_free(context);
                return Poll::Ready(Ok((chunk, free)));
            }
            if !waiting {
                waiting = true;
                alarm.set(due);
            }
            let late = || Err(Trouble::TimedOut(phase));
            alarm.poll_due(context).map(|()| late())
        });
        let (chunk, free) = arriving.await?;
        let chunk = chunk?;
        if chunk.is_some() {
            self.arrived = limits.clock.now();
        }
        self.took(chunk.as_ref().map_or(1, |bytes| bytes.len() as u64));
        if chunk.is_none()
            && let Some(connection) = self.connection.take()
            && let Some(pool) = self.pool.as_ref().filter(|_| free)
        {
            pool.put(connection);
        }
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

/// The next bytes of a body; trailers are passed over.
fn poll_data(
    body: &mut Incoming,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, hyper::Error>> {
    loop {
        return match ready!(Pin::new(&mut *body).poll_frame(context)) {
            None => Poll::Ready(Ok(None)),
            Some(Err(e)) => Poll::Ready(Err(e)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => Poll::Ready(Ok(Some(bytes))),
                Err(_) => continue,
            },
        };
    }
}

/// One server, its kept connections, and the clock.
#[derive(Debug)]
pub struct Transport {
    pub(crate) connector: Connector,
    /// None when connections are not kept.
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) host: HeaderValue,
    /// What the base URL's path puts before each request's; no trailing slash.
    pub(crate) path: String,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<ApiKey>,
}

/// Who sends.
const AGENT: &str = concat!("tandem/", env!("CARGO_PKG_VERSION"));

/// Why a request has no response.
enum Unanswered {
    /// The connection had closed before a byte of it was written; here it is again.
    Unsent(Box<Request<TellingBody>>, hyper::Error),
    Failed(Trouble),
}

impl From<Trouble> for Unanswered {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(trouble)
    }
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
        let sent = Arc::new(OnceLock::new());
        let mut request = self.request(path, body, &sent)?;
        if let Some(flight) = &in_flight {
            let id = HeaderValue::from(flight.id.0);
            request.headers_mut().insert(Ledger::HEADER, id);
            flight.ledger.post(flight.id, 1);
        }
        let (inner, connection) = loop {
            let kept = match &self.pool {
                Some(pool) => poll_fn(|context| Poll::Ready(pool.take(context))).await,
                None => None,
            };
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect(limits, exchange).await?,
            };
            match respond(&mut connection, request, limits, exchange, &sent).await {
                Ok(response) => break (response, connection),
                // Closed while nobody looked: a new connection is what the request wanted.
                Err(Unanswered::Unsent(unsent, _)) if was_kept => request = *unsent,
                Err(Unanswered::Unsent(_, error)) => return Err(error.into()),
                Err(Unanswered::Failed(trouble)) => return Err(trouble),
            }
        };
        let arrived = self.clock.now();
        exchange.headers = Some(arrived);
        let response = Response {
            inner,
            connection: Some(connection),
            pool: self.pool.clone(),
            in_flight,
            with_key: self.key.is_some(),
            arrived,
            alarm: Alarm::new(&self.clock, after(arrived, self.timeouts.between_chunks)),
        };
        response.took(1);
        Ok(response)
    }

    fn request(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        sent: &Arc<OnceLock<Stamp>>,
    ) -> Result<Request<TellingBody>, Trouble> {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let has_body = body.is_some();
        let mut request = Request::new(TellingBody {
            bytes: body.map(Bytes::from),
            clock: self.clock.clone(),
            sent: Arc::clone(sent),
        });
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.path).parse().map_err(|e| {
            Trouble::Failed(FailureKind::Connect, format!("the path `{path}`: {e}"))
        })?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(HOST, self.host.clone());
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, key.header());
        }
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(request)
    }

    /// A new connection, within the connect limit, and how long it took.
    async fn connect(
        &self,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Box<Connection>, Trouble> {
        let began = self.clock.now();
        let limit = self.timeouts.connect;
        let connecting = self.connector.connect(limit);
        let connection = limits
            .within(TimeoutPhase::Connect, limit, connecting)
            .await??;
        // Nothing takes time in virtual time, and which connections happen to be free is not
        // simulated: rows must be the same run after run.
        if !self.clock.is_virtual() {
            exchange.connect = Some(self.clock.now().since(began));
        }
        Ok(connection)
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

/// Sends a request over a connection, and waits for the response's head.
async fn respond(
    connection: &mut Connection,
    request: Request<TellingBody>,
    limits: &Limits<'_>,
    exchange: &mut Exchange,
    sent: &OnceLock<Stamp>,
) -> Result<hyper::Response<Incoming>, Unanswered> {
    let has_body = !request.body().is_end_stream();
    let mut responding = pin!(connection.sender().try_send_request(request));
    let mut response = None;
    if has_body {
        // The limit on the first byte runs from the send; until then there is only the total.
        let sending = poll_fn(|context| {
            let polled = connection.poll_for(context, |inside| responding.as_mut().poll(inside));
            exchange.sent = sent.get().copied();
            match polled {
                Poll::Ready(response) => Poll::Ready(Some(response)),
                Poll::Pending if exchange.sent.is_some() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        response = limits.within_total(sending).await?;
    }
    let response = if let Some(response) = response {
        response
    } else {
        let due = limits.first_byte_due(exchange.sent);
        let left = due.since(limits.clock.now());
        let responding = poll_fn(|context| {
            connection.poll_for(context, |inside| responding.as_mut().poll(inside))
        });
        limits
            .within(TimeoutPhase::FirstByte, left, responding)
            .await?
    };
    response.map_err(|mut failed| match failed.take_message() {
        Some(request) => Unanswered::Unsent(Box::new(request), failed.into_error()),
        None => Unanswered::Failed(failed.into_error().into()),
    })
}

/// A request body as JSON.
pub fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
