//! Sending a request, and waiting for the response's head.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use clock::{Alarm, Clock, Ledger};
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::{FailureKind, Outcome, Stamp, TimeoutPhase};
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Early, NoHead};
use crate::broken::Broken;
use crate::connect::Connector;
use crate::connection::Connection;
use crate::error::Trouble;
use crate::http1::Head;
use crate::key::ApiKey;
use crate::lent::Lent;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::reading::{InFlight, Unread};
use crate::recording::{Recorder, Recording};
use crate::response::{Promise, Response};
use crate::words::Words;

/// Who sends.
const AGENT: &str = concat!("tandem/", env!("CARGO_PKG_VERSION"));

/// One server, its kept connections, and the clock.
pub struct Transport {
    pub(crate) connector: Connector,
    /// None when connections are not kept.
    pub(crate) pool: Option<Arc<Pool>>,
    /// As the `Host` header says it.
    pub(crate) host: String,
    /// What the base URL's path puts before each request's; no trailing slash.
    pub(crate) path: String,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<ApiKey>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Transport");
        f.field("base", &self.base).finish_non_exhaustive()
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

    /// Makes a call whose reply is one JSON value; says what the `Server` header holds, too. `model` is
    /// the one that was asked for.
    pub async fn value<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        promise: &Promise,
        model: Option<&str>,
    ) -> Result<(T, Option<String>), BackendError> {
        let limits = self.limits();
        let read = async {
            let mut exchange = Exchange::default();
            let mut response = self.send(path, body, &limits, &mut exchange).await?;
            response.expect(promise, model, &limits).await?;
            let server = response.header("server");
            Ok((response.json(&limits, promise.most).await?, server))
        };
        read.await.map_err(|trouble| self.backend_error(trouble))
    }

    /// Runs a generation to its end, filling `exchange` as things happen.
    pub async fn generation(
        &self,
        (path, body): (&str, Vec<u8>),
        promise: &Promise,
        model: &str,
        exchange: &mut Exchange,
        recorder: &mut impl Recorder,
    ) -> Outcome {
        let recording = Recording::new(exchange, recorder, self.key.as_ref());
        let limits = self.limits();
        let followed = async {
            let exchange = recording.recorder.exchange();
            let mut response = self.send(path, Some(body), &limits, exchange).await?;
            response.expect(promise, Some(model), &limits).await?;
            response.follow(recording.recorder, &limits).await
        };
        match followed.await {
            Ok(()) => Outcome::Completed,
            Err(trouble) => {
                if let Trouble::Incomplete(missing) = trouble {
                    recording.recorder.exchange().times.notes.push(missing);
                }
                trouble.into_outcome(self.key.as_ref())
            }
        }
    }

    /// Sends a request and waits for the response's head, stamping `sent` and `headers`: a POST of
    /// JSON, or a GET when there is no body.
    async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response, Trouble> {
        let in_flight = self.clock.ledger().map(|ledger| InFlight {
            ledger: ledger.clone(),
            id: ledger.open(),
        });
        let request = self.request(path, body.as_deref(), in_flight.as_ref())?;
        if let Some(flight) = &in_flight {
            flight.ledger.post(flight.id, 1);
        }
        loop {
            let kept = match &self.pool {
                Some(pool) => poll_fn(|context| Poll::Ready(pool.take(context))).await,
                None => None,
            };
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                // A box is left behind with what it took; the future of a request is kept, and read
                // from for each token.
                None => Box::pin(self.connect(limits, exchange)).await?,
            };
            let sent = self.clock.now();
            exchange.times.sent = Some(sent);
            let (phase, due) = limits.first_byte(sent);
            // Of the limits to come the soonest: so the timer need not be set to a sooner moment.
            let mut alarm = Alarm::new(&self.clock, due.min(limits.between_chunks(sent).1));
            alarm.set(due);
            let mut asking = Asking {
                lent: Lent::new(&mut connection, Answer::new(&self.clock)),
                request: &request,
                written: 0,
                flushed: false,
                write_error: None,
            };
            let answered = poll_fn(|context| {
                let polled = asking.poll(context);
                if polled.is_ready() {
                    return polled.map(Ok);
                }
                let late = alarm.poll_due(context);
                late.map(|()| Err(Trouble::TimedOut(phase)))
            });
            let (head, arrived, early) = match answered.await? {
                Ok(head) => head,
                // Closed while nobody looked: a new connection is what the request wanted.
                Err(_) if was_kept && asking.written == 0 => continue,
                Err(broken) => return Err(broken.into()),
            };
            drop(asking);
            exchange.times.headers = Some(arrived);
            let unread = Unread {
                body: head.body,
                in_flight,
                arrived,
            };
            unread.took(1);
            return Ok(Response {
                head,
                connection: Some(connection),
                pool: self.pool.clone(),
                unread,
                early,
                with_key: self.key.is_some(),
                sent,
                alarm,
            });
        }
    }

    /// A request as it is written.
    fn request(
        &self,
        path: &str,
        body: Option<&[u8]>,
        in_flight: Option<&InFlight>,
    ) -> Result<Vec<u8>, Trouble> {
        let target = format!("{}{path}", self.path);
        if let Some(byte) = target.bytes().find(|byte| !byte.is_ascii_graphic()) {
            let words = format!("the path `{target}` has the byte {byte:#04x}");
            return Err(Trouble::Failed(FailureKind::Connect, words.into()));
        }
        let body_bytes = body.unwrap_or_default();
        let mut bytes = Vec::with_capacity(512 + body_bytes.len());
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut write = |words: std::fmt::Arguments<'_>| {
            bytes
                .write_fmt(words)
                .expect("memory takes what is written");
        };
        write(format_args!("{method} {target} HTTP/1.1\r\n"));
        write(format_args!(
            "host: {}\r\naccept: */*\r\naccept-encoding: identity\r\nuser-agent: {AGENT}\r\n",
            self.host
        ));
        if let Some(key) = &self.key {
            write(format_args!("authorization: {}\r\n", key.header()));
        }
        if let Some(flight) = in_flight {
            write(format_args!("{}: {}\r\n", Ledger::HEADER, flight.id.0));
        }
        if body.is_some() {
            write(format_args!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body_bytes.len()
            ));
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body_bytes);
        Ok(bytes)
    }

    /// A new connection, within the connect limit, and how long it took.
    async fn connect(
        &self,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Connection, Trouble> {
        let began = self.clock.now();
        let limit = self.timeouts.connect;
        let connecting = self.connector.connect(limit);
        let connection = limits
            .within(TimeoutPhase::Connect, limit, connecting)
            .await??;
        // Nothing takes time in virtual time, and which connections happen to be free is not
        // simulated: rows must be the same run after run.
        if !self.clock.is_virtual() {
            exchange.times.connect = Some(self.clock.now().since(began));
        }
        Ok(connection)
    }

    /// Why a call failed, without the key in anybody's words.
    pub fn backend_error(&self, trouble: Trouble) -> BackendError {
        trouble.into_backend_error(&self.base, self.key.as_ref())
    }

    /// A server's name for something as it may be shown and kept.
    pub fn name(&self, told: impl Into<String>) -> String {
        Words::name(told).shown(self.key.as_ref())
    }
}

/// A request on its way, until the head of its response has come.
struct Asking<'r> {
    lent: Lent<'r, Answer>,
    request: &'r [u8],
    written: usize,
    flushed: bool,
    /// Why no more could be written. The server may have answered all the same.
    write_error: Option<io::Error>,
}

impl Asking<'_> {
    /// Writes what is left, and waits for the head. A server may answer before it has taken all of the
    /// request.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(Head, Stamp, Early), Broken>> {
        if let Err(error) = self.write(context) {
            if self.written == 0 {
                return Poll::Ready(Err(Broken::Io(error)));
            }
            self.write_error = Some(error);
        }
        match self.lent.poll(context) {
            Ok(Some(_)) => return Poll::Pending,
            Ok(None) => {}
            Err(error) => return Poll::Ready(Err(Broken::Io(error))),
        }
        let head = match self.lent.take_back() {
            Some(answer) => answer.head(),
            None => Err(NoHead::Closed),
        };
        Poll::Ready(head.map_err(|none| match (none, self.write_error.take()) {
            (NoHead::Closed | NoHead::Io(_), Some(error)) => Broken::Io(error),
            (none, _) => none.into(),
        }))
    }

    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let connection = self.lent.connection();
        while self.written < self.request.len() && self.write_error.is_none() {
            match connection.poll_write(context, &self.request[self.written..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if !self.flushed
            && self.write_error.is_none()
            && let Poll::Ready(flushed) = connection.poll_flush(context)
        {
            self.flushed = true;
            flushed?;
        }
        Ok(())
    }
}

/// A request body as JSON.
pub fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
