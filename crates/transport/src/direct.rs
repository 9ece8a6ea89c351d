//! Plain HTTP/1.1 on sockets of our own, for measured streams: ARCHITECTURE.md compares its cost with that
//! of a client library.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use clock::{Clock, LedgerEntry};
use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{FailureKind, TimeoutPhase};

use crate::body::{Incoming, Received};
use crate::bounds;
use crate::connection_error::broken;
use crate::limits::{Limiter, Limits};
use crate::recorder::Recorder;
use crate::request_error::RequestError;
use crate::response::Expectation;

mod attached;
mod buffer;
mod connection;
mod http1;
mod pool;
mod reactor;
mod response_reader;

use attached::AttachedReader;
use connection::Connection;
pub(crate) use connection::Connector;
use pool::Pool;
use response_reader::ResponseReader;

pub(crate) struct Direct<R: Recorder> {
    connector: Connector<R>,
    pool: Pool<R>,
    clock: Clock,
}

impl<R: Recorder> Direct<R> {
    pub(crate) fn new(connector: Connector<R>, clock: &Clock) -> Self {
        Self {
            connector,
            pool: Pool::default(),
            clock: clock.clone(),
        }
    }

    /// Sends a request and reads its response, whose answer goes to `recorder`, stamping `connect`, `sent` and
    /// `headers`. `request` writes the request anew for each attempt. Fails when no head has arrived.
    ///
    /// A request on a kept connection that the server had closed is sent again on a fresh one, once:
    /// [`bounds::CLOSED_BEFORE_REQUEST`].
    pub(crate) async fn send(
        &self,
        request: impl Fn(Option<&LedgerEntry>) -> Vec<u8>,
        expectation: &'static Expectation,
        recorder: &mut R,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Received, RequestError> {
        let mut may_reuse = true;
        loop {
            let ledger_entry = self.clock.post_request();
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
            let incoming = Incoming::new(std::mem::take(recorder), expectation, ledger_entry);
            let reader = ResponseReader::new(incoming, &self.clock);
            let mut attached = AttachedReader::new(&mut connection, reader, recorder, exchange);
            let mut unwritten = request.as_slice();
            // Why writing stopped. The server may have answered all the same.
            let mut write_error = None;
            let ended = poll_fn(|context| {
                while !unwritten.is_empty() && write_error.is_none() {
                    match attached.connection.poll_write(context, unwritten) {
                        Poll::Pending => break,
                        Poll::Ready(Ok(count)) if count > 0 => unwritten = &unwritten[count..],
                        Poll::Ready(Ok(_)) => write_error = Some(io::ErrorKind::WriteZero.into()),
                        Poll::Ready(Err(error)) if unwritten.len() == request.len() => {
                            return Poll::Ready(Err(error));
                        }
                        Poll::Ready(Err(error)) => write_error = Some(error),
                    }
                }
                match attached.poll(context) {
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(None) => Poll::Ready(Ok(None)),
                    Ok(Some(waiting_for)) => limiter
                        .poll(limits, waiting_for, context)
                        .map(|phase| Ok(Some(phase))),
                }
            });
            let ended = ended.await;
            let over = ended.as_ref().ok().copied().flatten();
            let mut reader = (attached.detach(over)).expect("it is attached since it was made");
            drop(attached);
            if let Err(error) = &ended {
                reader.incoming.fail(broken(error));
            }
            let was_closed_silently = reader.is_empty() && over.is_none();
            if was_kept
                && was_closed_silently
                && self.clock.now().since(sent) <= bounds::CLOSED_BEFORE_REQUEST
            {
                may_reuse = false;
                exchange.times.notes.push(ResponseNote::SentAgain);
                continue;
            }
            if reader.leaves_a_free_connection() {
                self.pool.put(connection);
            }
            return match (reader.incoming.received(), write_error) {
                (Err(error), Some(write_error))
                    if error.is_of_kind(FailureKind::ConnectionReset) =>
                {
                    Err(broken(&write_error))
                }
                (received, _) => received,
            };
        }
    }

    /// Makes a connection within the connect limit, and records how long it took.
    async fn connect(
        &self,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Connection<R>, RequestError> {
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
