//! A response: its head, and its body as it arrives.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use clock::Alarm;
use domain::record::ResponseNote;
use domain::{FailureKind, Stamp, TimeoutPhase};
use http::StatusCode;

use crate::answer::Early;
use crate::bounds::{DRAIN, ERROR_BYTES, GRACE, GRACE_IN_ALL};
use crate::broken::Broken;
use crate::connection::Connection;
use crate::error::{Refusal, Trouble};
use crate::http1::Head;
use crate::limits::Limits;
use crate::limits::after;
use crate::pool::Pool;
use crate::reading::{Came, Reading, Sink, Unread};
use crate::recording::Recorder;
use crate::wire::Awaits;
use crate::words::Words;

/// What a protocol promises of the responses of some of its calls, and what others mean.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Their content types; a response without one is taken for such.
    pub types: &'static [&'static str],
    /// What they are.
    pub what: &'static str,
    /// The kind of server, with its article.
    pub server: &'static str,
    /// Most bytes of a body that is one JSON value.
    pub most: usize,
    /// What a status that is no success means; the model is the one that was asked for.
    pub refused: fn(&Refusal, Option<&str>) -> Trouble,
    /// What a JSON value means that was not promised.
    pub json_instead: Option<fn(&str) -> Words>,
}

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) head: Head,
    /// None once it is back in the pool or has ended.
    pub(crate) connection: Option<Connection>,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) unread: Unread,
    /// What of the body came before anybody wanted it.
    pub(crate) early: Early,
    pub(crate) with_key: bool,
    pub(crate) sent: Stamp,
    pub(crate) alarm: Alarm,
}

/// How the reading of a body ended in good order.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The protocol's last word was there.
    Said,
    /// The body ended without it.
    OfBody,
    /// Nothing followed all that matters in time.
    OfGrace(Stamp),
}

/// Takes a body that nobody wants.
#[derive(Debug, Default)]
struct Nobody;

impl Sink for Nobody {
    fn take(&mut self, _: &[u8], _: Stamp) -> Result<bool, Trouble> {
        Ok(false)
    }
}

/// Takes a body as a whole, and stops when it is longer than that.
#[derive(Debug, Default)]
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
    /// Follows a stream to its end.
    pub(crate) async fn follow(
        mut self,
        recorder: &mut impl Recorder,
        limits: &Limits<'_>,
    ) -> Result<(), Trouble> {
        match self.read(recorder, limits, None).await? {
            End::Said => {
                self.drain(limits).await;
                recorder.ended()
            }
            End::OfBody => recorder.finish(self.unread.arrived),
            End::OfGrace(at) => {
                recorder.exchange().times.notes.push(ResponseNote::LeftOpen);
                recorder.finish(at)
            }
        }
    }

    /// Reads what follows the protocol's last word. Nothing there changes the outcome: a second one,
    /// an error or a broken connection comes after the server said it was done. It is of use only where the
    /// connection is.
    async fn drain(&mut self, limits: &Limits<'_>) {
        if self.connection.is_some() && self.pool.is_some() && self.head.keeps {
            let until = limits.clock().now() + DRAIN;
            let _ = self.read(&mut Nobody, limits, Some(until)).await;
        }
    }

    /// Hands the body to `sink` as it arrives, until that has seen the protocol's last word or the body has
    /// ended. Waits no longer than the limits allow; `until` is one in place of the usual ones.
    ///
    /// `sink` has what it took again when this ends or is dropped.
    async fn read<S: Sink>(
        &mut self,
        sink: &mut S,
        limits: &Limits<'_>,
        until: Option<Stamp>,
    ) -> Result<End, Trouble> {
        let Some(connection) = &mut self.connection else {
            return Ok(End::OfBody);
        };
        let (unread, early, clock) = (&mut self.unread, &mut self.early, limits.clock());
        let mut reading = Reading::new(connection, unread, sink, early, clock);
        let (alarm, sent) = (&mut self.alarm, self.sent);
        let end = poll_fn(|context| {
            let Some(awaits) = reading.poll(context).map_err(Broken::from)? else {
                return Poll::Ready(Ok(None));
            };
            let (phase, due) = match (until, awaits) {
                (Some(until), _) => limits.or_total(TimeoutPhase::BetweenChunks, until),
                (None, Awaits::First) => limits.first_byte(sent),
                (None, Awaits::After(arrived)) => limits.between_chunks(arrived),
                (None, Awaits::End(complete, arrived)) => {
                    let grace = after(arrived, GRACE).min(after(complete, GRACE_IN_ALL));
                    alarm.set(grace.min(limits.between_chunks(arrived).1));
                    return alarm
                        .poll_due(context)
                        .map(|()| Ok(Some(End::OfGrace(complete))));
                }
            };
            alarm.set(due);
            let late = alarm.poll_due(context);
            late.map(|()| Err(Trouble::TimedOut(phase)))
        })
        .await?;
        if let Some(end) = end {
            return Ok(end);
        }
        let unended = Trouble::Incomplete(ResponseNote::CutInValue);
        let came = reading.end().unwrap_or(Err(unended))?;
        drop(reading);
        self.put_back(came);
        Ok(if came.said { End::Said } else { End::OfBody })
    }

    /// At the body's end the connection goes back to where it came from.
    fn put_back(&mut self, came: Came) {
        if !self.unread.body.is_done() {
            return;
        }
        let connection = self.connection.take();
        if let (Some(connection), Some(pool)) = (connection, &self.pool)
            && self.head.keeps
            && came.clean
            && self.early.is_empty()
        {
            pool.put(connection);
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
        let mut whole = Whole {
            bytes: Vec::new(),
            most,
        };
        match self.read(&mut whole, limits, None).await {
            Err(trouble) if !keep_going => Err(trouble),
            Ok(End::Said) if !keep_going => {
                let message = format!("the reply is longer than {most} bytes");
                Err(Trouble::Failed(FailureKind::LineTooLong, message.into()))
            }
            Ok(_) | Err(_) => Ok(whole.bytes),
        }
    }

    /// Refuses everything but a success of what was promised. `model` is the one that was asked for.
    pub(crate) async fn expect(
        &mut self,
        promise: &Promise,
        model: Option<&str>,
        limits: &Limits<'_>,
    ) -> Result<(), Trouble> {
        if !(200..300).contains(&self.head.status) {
            return Err((promise.refused)(&self.refusal(limits).await?, model));
        }
        if let Some(encodings) = self.head.encodings() {
            let words = Words::from("the body is encoded in ")
                .and(Words::name(encodings))
                .and(
                    ", though it was asked for as it is: turn compression off in the server, or in what \
                     stands before it",
                );
            return Err(Trouble::Failed(FailureKind::WrongContentType, words));
        }
        // Without its parameters.
        let content_type = self.head.header("content-type");
        let content_type = content_type.map(|kind| String::from_utf8_lossy(&kind).into_owned());
        let essence = content_type.as_ref().map(|kind| {
            let (essence, _) = kind.split_once(';').unwrap_or((kind, ""));
            essence.trim().to_ascii_lowercase()
        });
        let words = match (essence.as_deref(), promise.json_instead) {
            (None, _) => return Ok(()),
            (Some(kind), _) if promise.types.contains(&kind) => return Ok(()),
            (Some("application/json"), Some(words)) => words(&self.page(limits).await?),
            (Some(_), _) => {
                let Promise { what, server, .. } = promise;
                let kind = content_type.unwrap_or_default();
                let words = Words::from("content type `")
                    .and(Words::name(kind))
                    .and(format!(
                        "` where {what} was promised; is this {server} server? The body starts with "
                    ))
                    .and(Words::quote(self.page(limits).await?));
                match self.header("via") {
                    Some(through) => words.and("; it came through ").and(Words::name(through)),
                    None => words,
                }
            }
        };
        Err(Trouble::Failed(FailureKind::WrongContentType, words))
    }

    /// The start of a body that is not what was asked for, as text: what had arrived when it ended
    /// or something went wrong.
    async fn page(&mut self, limits: &Limits<'_>) -> Result<String, Trouble> {
        let body = self.body(limits, ERROR_BYTES, true).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// What the server said, its status being no success.
    async fn refusal(&mut self, limits: &Limits<'_>) -> Result<Refusal, Trouble> {
        let status = self.head.status;
        let reason = StatusCode::from_u16(status).ok();
        Ok(Refusal {
            status,
            reason: reason
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default(),
            body: match self.head.encodings() {
                Some(_) => String::new(),
                None => self.page(limits).await?,
            },
            encodings: self.head.encodings(),
            location: self.header("location"),
            retry_after: self.header("retry-after"),
            // The proxies that the response passed, as they name themselves.
            through: self.header("via"),
            with_key: self.with_key,
        })
    }

    /// A header's value, when it is there and is printable ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = String::from_utf8(self.head.header(name)?).ok()?;
        let printable = value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        printable.then_some(value)
    }

    /// The body as one JSON value.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        limits: &Limits<'_>,
        most: usize,
    ) -> Result<T, Trouble> {
        let body = self.body(limits, most, false).await?;
        serde_json::from_slice(&body).map_err(|e| {
            let words = Words::name(e.to_string())
                .and("; the reply starts with ")
                .and(Words::quote(String::from_utf8_lossy(&body)));
            Trouble::Failed(FailureKind::Malformed, words)
        })
    }
}
