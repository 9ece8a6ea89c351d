//! A response: its head, and its body as it arrives.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use clock::{Alarm, ExchangeId, Ledger};
use domain::{FailureKind, Nanos, Stamp, TimeoutPhase};
use http::StatusCode;

use crate::broken::Broken;
use crate::connection::Connection;
use crate::error::{Refusal, Trouble, clip};
use crate::http1::{Body, Head};
use crate::limits::Limits;
use crate::pool::Pool;

/// Most of an error page that is read, bytes.
const ERROR_BODY: usize = 64 * 1024;

/// How long the end of a body is waited for after the protocol's last word, so that the connection
/// can be used again. The request itself is over by then.
const DRAIN: Nanos = Nanos::from_secs(1);

/// What reads a body as it arrives.
pub trait Sink {
    /// Takes bytes that arrived at `at`. True once the protocol's last word was among them: whatever
    /// follows is passed over.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, Trouble>;

    /// True as long as the limit from the send to the first sign of an answer goes on, though the
    /// head has come: some servers answer with a head at once, and queue behind it.
    fn awaits_first(&self) -> bool {
        false
    }
}

/// This exchange in the ledger; closed when dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) ledger: Ledger,
    pub(crate) id: ExchangeId,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.ledger.close(self.id);
    }
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct Response {
    pub(crate) head: Head,
    /// None once it is back in the pool or has ended.
    pub(crate) connection: Option<Connection>,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) unread: Unread,
    /// Bytes of the body that came with the head.
    pub(crate) early: Vec<u8>,
    pub(crate) with_key: bool,
    pub(crate) sent: Stamp,
    pub(crate) arrived: Stamp,
    pub(crate) alarm: Alarm,
}

/// What is to come of a body.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) body: Body,
    pub(crate) in_flight: Option<InFlight>,
}

/// What some bytes came to.
#[derive(Debug, Clone, Copy)]
struct Came {
    /// There was some of the body among them.
    data: bool,
    /// The protocol's last word was among them.
    said: bool,
    /// None of them lay behind the body's end.
    clean: bool,
}

impl Unread {
    /// Takes the framing off some bytes, and hands them on until the protocol's last word.
    fn take(&mut self, mut bytes: &[u8], at: Stamp, sink: &mut impl Sink) -> Result<Came, Trouble> {
        let (mut had_data, mut said) = (false, false);
        while let Some(data) = self.body.next(&mut bytes).map_err(Broken::from)? {
            had_data = true;
            self.took(data.len() as u64);
            if !said {
                said = sink.take(data, at)?;
            }
        }
        if self.body.is_done() {
            self.took(1);
        }
        Ok(Came {
            data: had_data,
            said,
            clean: bytes.is_empty(),
        })
    }

    /// The server has closed the connection.
    fn closed(&mut self) -> Result<Came, Trouble> {
        self.body.closed().map_err(Broken::from)?;
        self.took(1);
        Ok(Came {
            data: false,
            said: false,
            clean: true,
        })
    }

    pub(crate) fn took(&self, units: u64) {
        if let Some(flight) = &self.in_flight {
            flight.ledger.take(flight.id, units);
        }
    }
}

/// Takes a body that nobody wants.
struct Nobody;

impl Sink for Nobody {
    fn take(&mut self, _: &[u8], _: Stamp) -> Result<bool, Trouble> {
        Ok(false)
    }
}

/// Takes a body as a whole, and stops when it is longer than that.
struct Whole {
    bytes: Vec<u8>,
    most: usize,
}

impl Whole {
    fn too_long(&self) -> bool {
        self.bytes.len() > self.most
    }
}

impl Sink for Whole {
    fn take(&mut self, bytes: &[u8], _: Stamp) -> Result<bool, Trouble> {
        self.bytes.extend_from_slice(bytes);
        Ok(self.too_long())
    }
}

impl Response {
    /// When the last bytes of the body arrived, or those of the head as long as there are none. Stamped
    /// before they are looked at.
    pub fn arrived(&self) -> Stamp {
        self.arrived
    }

    /// Hands the body to `sink` as it arrives, until that has seen the protocol's last word (true)
    /// or the body has ended (false). Waits no longer than the limits allow.
    pub async fn read(
        &mut self,
        sink: &mut impl Sink,
        limits: &Limits<'_>,
    ) -> Result<bool, Trouble> {
        self.read_until(sink, limits, None).await
    }

    /// Reads what follows the protocol's last word. Nothing there changes the outcome: a second one,
    /// an error or a broken connection comes after the server said it was done.
    pub async fn drain(&mut self, limits: &Limits<'_>) {
        if self.connection.is_some() {
            let until = limits.clock().now() + DRAIN;
            let _ = self.read_until(&mut Nobody, limits, Some(until)).await;
        }
    }

    /// `until`: a limit in place of the usual ones.
    async fn read_until(
        &mut self,
        sink: &mut impl Sink,
        limits: &Limits<'_>,
        until: Option<Stamp>,
    ) -> Result<bool, Trouble> {
        if self.connection.is_none() {
            return Ok(false);
        }
        let early = std::mem::take(&mut self.early);
        let came = self.unread.take(&early, self.arrived, sink)?;
        if let Some(said) = self.is_enough(came) {
            return Ok(said);
        }
        poll_fn(|context| self.poll_until(context, sink, limits, until)).await
    }

    fn poll_until(
        &mut self,
        context: &mut Context<'_>,
        sink: &mut impl Sink,
        limits: &Limits<'_>,
        until: Option<Stamp>,
    ) -> Poll<Result<bool, Trouble>> {
        // A moment since this task was woken.
        let mut woken = None;
        while let Some(connection) = &mut self.connection {
            let (arrived, unread) = (&mut self.arrived, &mut self.unread);
            let polled = connection.poll_read(context, |bytes| {
                let at = limits.clock().now();
                let came = match bytes {
                    [] => unread.closed(),
                    bytes => unread.take(bytes, at, sink),
                };
                if came.as_ref().is_ok_and(|came| came.data) {
                    *arrived = at;
                }
                came.map(|came| (came, at))
            });
            let Poll::Ready(came) = polled else {
                let (phase, due) = match until {
                    Some(until) => limits.or_total(TimeoutPhase::BetweenChunks, until),
                    None if sink.awaits_first() => limits.first_byte(self.sent),
                    None => limits.between_chunks(self.arrived),
                };
                self.alarm.set(due);
                let late = match woken {
                    Some(woken) => self.alarm.poll_due_after(woken, context),
                    None => self.alarm.poll_due(context),
                };
                return late.map(|()| Err(Trouble::TimedOut(phase)));
            };
            let (came, at) = came.map_err(Broken::from)??;
            woken = Some(at);
            if let Some(said) = self.is_enough(came) {
                return Poll::Ready(Ok(said));
            }
            // A server that never pauses would meet no limit otherwise.
            if at > until.unwrap_or(limits.deadline()) {
                return Poll::Ready(Err(Trouble::TimedOut(TimeoutPhase::Total)));
            }
        }
        Poll::Ready(Ok(false))
    }

    /// Whether reading stops here, and whether the protocol's last word was seen. At the body's end
    /// the connection goes back to where it came from.
    fn is_enough(&mut self, came: Came) -> Option<bool> {
        if self.unread.body.is_done() {
            let connection = self.connection.take();
            if let (Some(connection), Some(pool)) = (connection, &self.pool)
                && self.head.keeps
                && came.clean
            {
                pool.put(connection);
            }
            return Some(came.said);
        }
        came.said.then_some(true)
    }

    /// The body as a whole, at most `most` bytes of it. With `keep_going`, what had arrived when
    /// something went wrong.
    async fn body(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
        keep_going: bool,
    ) -> Result<Vec<u8>, Trouble> {
        let mut whole = Whole {
            bytes: Vec::new(),
            most,
        };
        match self.read(&mut whole, limits).await {
            Err(trouble) if !keep_going => Err(trouble),
            Ok(true) if !keep_going => {
                let message = format!("the reply is longer than {most} bytes");
                Err(Trouble::failed(FailureKind::LineTooLong, message))
            }
            Ok(_) | Err(_) => Ok(whole.bytes),
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
        let status = self.head.status;
        if (200..300).contains(&status) {
            return Ok(None);
        }
        let reason = StatusCode::from_u16(status).ok();
        Ok(Some(Refusal {
            status,
            reason: reason
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default(),
            body: self.page(limits).await?,
            location: self.header("location"),
            retry_after: self.header("retry-after"),
            through: self.through(),
            with_key: self.with_key,
        }))
    }

    /// A header's value, when it is there and is printable ASCII.
    pub fn header(&self, name: &str) -> Option<String> {
        let value = String::from_utf8(self.head.header(name)?).ok()?;
        let printable = value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        printable.then_some(value)
    }

    /// The proxies that the response passed, as they name themselves.
    pub fn through(&self) -> Option<String> {
        self.header("via").map(|via| clip(&via, 100))
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
        let kind = self.head.header("content-type")?;
        Some(String::from_utf8_lossy(&kind).into_owned())
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
