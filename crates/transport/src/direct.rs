//! Plain HTTP/1.1 on sockets of our own, for measured streams: ARCHITECTURE.md compares its cost with that
//! of a client library.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use clock::Clock;
use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{Stamp, TimeoutPhase};

use crate::body::{BodyProgress, BodyState, LedgerEntry, Sink, StreamEnd, WaitingFor};
use crate::bounds;
use crate::connection_error::ConnectionError;
use crate::limits::{Limiter, Limits};
use crate::received::Received;
use crate::request_error::RequestError;

mod attached;
mod buffer;
mod connection;
mod head_reader;
mod http1;
mod pool;
mod reactor;

use attached::AttachedReader;
use connection::Connection;
pub(crate) use connection::Connector;
use head_reader::{EarlyBody, HeadReader};
use http1::{Framing, Head};
use pool::Pool;
pub(crate) use reactor::Reactors;
use reactor::{ReadOutcome, Reader};

pub(crate) struct Direct {
    connector: Connector,
    pool: Arc<Pool>,
    clock: Clock,
}

impl Direct {
    pub(crate) fn new(connector: Connector, clock: &Clock) -> Self {
        Self {
            connector,
            pool: Arc::default(),
            clock: clock.clone(),
        }
    }

    /// Sends a request and waits for the response's head, stamping `connect`, `sent` and `headers`.
    /// `request` writes the request anew for each attempt.
    ///
    /// A request on a kept connection that the server had closed is sent again on a fresh one, once:
    /// [`bounds::CLOSED_BEFORE_REQUEST`].
    pub(crate) async fn send(
        &self,
        request: impl Fn(Option<&LedgerEntry>) -> Vec<u8>,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Received<DirectBody>, RequestError> {
        let mut may_reuse = true;
        let is_early = |sent| self.clock.now().since(sent) <= bounds::CLOSED_BEFORE_REQUEST;
        loop {
            let ledger_entry = LedgerEntry::post_request(&self.clock);
            let request = request(ledger_entry.as_ref());
            let kept = poll_fn(|context| {
                Poll::Ready(may_reuse.then(|| self.pool.take(context)).flatten())
            });
            let kept = kept.await;
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                // Boxed, because the future of a request stays in memory while its stream is read.
                None => Box::pin(self.connect(limits, exchange)).await?,
            };
            let sent = self.clock.now();
            exchange.times.sent = Some(sent);
            let mut limiter = Limiter::new(limits, sent);
            let mut sending = Sending {
                head_reader: AttachedReader::new(&mut connection, HeadReader::new(&self.clock)),
                request: &request,
                written: 0,
                write_error: None,
                was_closed_silently: false,
            };
            let answered = poll_fn(|context| match sending.poll(context) {
                Poll::Ready(answered) => Poll::Ready(answered.map_err(RequestError::from)),
                Poll::Pending => limiter
                    .poll_phase(limits, TimeoutPhase::FirstByte, sent, context)
                    .map(Err),
            });
            let (head, arrived, early) = match answered.await {
                Ok(head) => head,
                Err(_) if was_kept && sending.was_closed_silently && is_early(sent) => {
                    may_reuse = false;
                    exchange.times.notes.push(ResponseNote::SentAgain);
                    continue;
                }
                Err(error) => return Err(error),
            };
            drop(sending);
            exchange.times.headers = Some(arrived);
            return Ok(Received {
                status: head.status,
                headers: head.headers,
                is_reusable: head.is_reusable,
                body: DirectBody {
                    connection: Some(connection),
                    framing: head.framing,
                    early,
                    pool: head.is_reusable.then(|| Arc::clone(&self.pool)),
                },
                state: BodyState::new(arrived, ledger_entry),
                limiter,
            });
        }
    }

    /// Makes a connection within the connect limit, and records how long it took.
    async fn connect(
        &self,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Connection, RequestError> {
        let began = self.clock.now();
        let connecting = self.connector.connect(&self.clock, limits.connect());
        let connection = limits.within(TimeoutPhase::Connect, connecting).await??;
        // Connecting takes no virtual time, and which connections happen to be free is not
        // simulated: rows must be equal run after run.
        if !self.clock.is_virtual() {
            exchange.times.connect = Some(self.clock.now().since(began));
        }
        Ok(connection)
    }
}

/// A request on its way, until the head of its response has arrived.
struct Sending<'r> {
    head_reader: AttachedReader<'r, HeadReader>,
    request: &'r [u8],
    written: usize,
    /// Why writing stopped. The server may have answered all the same.
    write_error: Option<io::Error>,
    /// The connection was closed or reset before the server sent anything.
    was_closed_silently: bool,
}

impl Sending<'_> {
    /// Writes the rest, and waits for the head. A server may answer before it has read the whole
    /// request.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Head, Stamp, EarlyBody), ConnectionError>> {
        while self.written < self.request.len() && self.write_error.is_none() {
            let connection = self.head_reader.connection();
            match connection.poll_write(context, &self.request[self.written..]) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => self.written += count,
                Poll::Ready(Ok(_)) => self.write_error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) if self.written == 0 => {
                    self.was_closed_silently = true;
                    return Poll::Ready(Err(error.into()));
                }
                Poll::Ready(Err(error)) => self.write_error = Some(error),
            }
        }
        if self.head_reader.poll(context)?.is_some() {
            return Poll::Pending;
        }
        let Some(reader) = self.head_reader.detach() else {
            return Poll::Ready(Err(ConnectionError::Unanswered));
        };
        self.was_closed_silently = reader.is_empty();
        Poll::Ready(
            reader
                .finish()
                .map_err(|error| match self.write_error.take() {
                    Some(write_error) if !matches!(error, ConnectionError::InvalidHttp(_)) => {
                        write_error.into()
                    }
                    _ => error,
                }),
        )
    }
}

/// The body of a response, and the connection that it arrives on.
pub(crate) struct DirectBody {
    /// `None` once it is back in the pool or has ended.
    connection: Option<Connection>,
    framing: Framing,
    /// The bytes of the body that arrived before it was read.
    early: EarlyBody,
    /// Where the connection goes after the body's end; `None` when it cannot be used again.
    pool: Option<Arc<Pool>>,
}

impl DirectBody {
    /// Passes the body to `sink` as it arrives, until the protocol's terminator or the body's end.
    pub(crate) async fn read<S: Sink>(
        &mut self,
        state: &mut BodyState,
        sink: &mut S,
        limits: &Limits<'_>,
        limiter: &mut Limiter,
    ) -> Result<StreamEnd, RequestError> {
        let Some(mut reading) = Reading::start(self, state, sink, limits.clock()) else {
            return Ok(StreamEnd::Body);
        };
        let stopped = poll_fn(|context| match reading.reader.poll(context) {
            Err(error) => Poll::Ready(Err(ConnectionError::Io(error).into())),
            Ok(None) => Poll::Ready(Ok(None)),
            Ok(Some(waiting_for)) => limiter.poll(limits, waiting_for, context).map_ok(Some),
        });
        if let Some(end) = stopped.await? {
            return Ok(end);
        }
        let end = reading
            .detach()
            .and_then(|ended| ended.map(BodyProgress::end).transpose());
        let end = end.unwrap_or(Err(RequestError::Incomplete(ResponseNote::CutInValue)))?;
        let has_trailing_bytes = reading.has_trailing_bytes;
        drop(reading);
        self.release(has_trailing_bytes);
        Ok(end)
    }

    /// Puts the connection back at the body's end, unless more bytes follow.
    fn release(&mut self, has_trailing_bytes: bool) {
        if !self.framing.is_done() {
            return;
        }
        let connection = self.connection.take();
        if let (Some(connection), Some(pool)) = (connection, &self.pool)
            && !has_trailing_bytes
            && self.early.is_empty()
        {
            pool.put(connection);
        }
    }
}

/// Removes a body's framing and passes the rest to a sink.
struct BodyReader<S> {
    framing: Framing,
    state: BodyState,
    sink: S,
    clock: Clock,
    has_trailing_bytes: bool,
    /// How the body ended: with its end, the protocol's terminator, or an error.
    ended: Option<Result<BodyProgress, RequestError>>,
}

impl<S: Sink> BodyReader<S> {
    fn decode(&mut self, mut bytes: &[u8], at: Stamp) -> Result<BodyProgress, RequestError> {
        let mut progress = BodyProgress::default();
        while let Some(data) = self.framing.next(&mut bytes)? {
            self.state.data(data, at, &mut self.sink, &mut progress)?;
        }
        self.has_trailing_bytes = !bytes.is_empty();
        if self.framing.is_done() {
            self.state.end(&mut progress);
        }
        Ok(progress)
    }

    fn bytes(&mut self, bytes: &[u8], at: Stamp) -> ReadOutcome {
        let before = self.sink.stage();
        let progress = self.decode(bytes, at);
        if matches!(&progress, Ok(progress) if progress.end().is_none()) {
            return if self.sink.stage() == before {
                ReadOutcome::NeedMore
            } else {
                ReadOutcome::LimitChanged
            };
        }
        self.ended = Some(progress);
        ReadOutcome::Done
    }

    fn closed(&mut self) -> Result<BodyProgress, RequestError> {
        self.framing.closed()?;
        let mut progress = BodyProgress::default();
        self.state.end(&mut progress);
        Ok(progress)
    }
}

impl<S: Sink> Reader for BodyReader<S> {
    fn take(&mut self, bytes: &[u8]) -> ReadOutcome {
        // Stamped before they are decoded.
        let at = self.clock.now();
        if !bytes.is_empty() {
            return self.bytes(bytes, at);
        }
        self.ended = Some(self.closed());
        ReadOutcome::Done
    }

    fn fail(&mut self, error: io::Error) {
        self.ended = Some(Err(ConnectionError::Io(error).into()));
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        let goes_on = self.ended.is_none();
        goes_on.then(|| self.state.waiting_for(&self.sink))
    }
}

/// A sink and the body that it reads, moved to where the socket is read. When this ends or is dropped,
/// they are moved back with everything that has arrived.
struct Reading<'r, S: Sink> {
    reader: AttachedReader<'r, BodyReader<S>>,
    framing: &'r mut Framing,
    state: &'r mut BodyState,
    sink: &'r mut S,
    has_trailing_bytes: bool,
}

impl<'r, S: Sink> Reading<'r, S> {
    /// Starts with what has arrived already. `None` when the body has ended before.
    fn start(
        body: &'r mut DirectBody,
        state: &'r mut BodyState,
        sink: &'r mut S,
        clock: &Clock,
    ) -> Option<Self> {
        let connection = body.connection.as_mut()?;
        let mut reader = BodyReader {
            framing: std::mem::take(&mut body.framing),
            state: std::mem::take(state),
            sink: std::mem::take(sink),
            clock: clock.clone(),
            has_trailing_bytes: false,
            ended: None,
        };
        if reader.framing.is_done() {
            // The head announced no body.
            let arrived = reader.state.arrived;
            reader.bytes(&[], arrived);
        }
        while reader.ended.is_none()
            && let Some((bytes, at)) = body.early.next()
        {
            reader.bytes(bytes, at);
        }
        if reader.ended.is_none()
            && let Some(error) = body.early.error.take()
        {
            reader.fail(error);
        }
        Some(Self {
            reader: AttachedReader::new(connection, reader),
            framing: &mut body.framing,
            state,
            sink,
            has_trailing_bytes: false,
        })
    }

    /// Moves everything back, and returns how the body ended; `None` when it has not.
    fn detach(&mut self) -> Option<Result<BodyProgress, RequestError>> {
        let reader = self.reader.detach()?;
        *self.framing = reader.framing;
        *self.state = reader.state;
        *self.sink = reader.sink;
        self.has_trailing_bytes = reader.has_trailing_bytes;
        reader.ended
    }
}

impl<S: Sink> Drop for Reading<'_, S> {
    fn drop(&mut self) {
        self.detach();
    }
}
