//! Response bodies: a generation as it happens, or a document, and the faults played on either.

mod spoil;

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use domain::{Nanos, Stamp};
use futures_util::stream::{Stream, unfold};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::Value;

use super::encode::{Encoder, FinalObject};
use super::exchange::Exchange;
use super::refusal::Refusal;
use super::text::{Message, Script};
use crate::core::{Notice, NoticeKind, RUNNER_STOPPED, Timings};
use crate::driver::Ticket;
use crate::faults::{FaultKind, FaultRule};

/// Pause between the bytes of a slow drip.
const DRIP: Nanos = Nanos::from_millis(20);

pub(super) const RUNNER_ERROR: &str =
    "an error was encountered while running the model: unexpected EOF";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    Reset,
}

/// Makes the answer to an embedding once its work is done.
pub(crate) type MakeVectors = Box<dyn Fn(&Timings) -> Result<Value, Refusal> + Send>;

/// A generation or an embedding on its way to the client.
pub(crate) struct Generation {
    pub(crate) ticket: Ticket,
    pub(crate) output: Output,
    /// One object at the end instead of a stream.
    pub(crate) whole: bool,
}

pub(crate) enum Output {
    Text(Box<TextOutput>),
    Vectors(MakeVectors),
}

pub(crate) struct TextOutput {
    pub(crate) script: Script,
    pub(crate) encoder: Encoder,
    /// The prompt's ids, when the final object repeats them.
    pub(crate) context: Option<std::sync::Arc<[u32]>>,
    /// Bytes of text shown.
    pub(crate) shown: u32,
}

/// Bytes held back by a stall, and for how long; `None` for ever.
type Stall = (Vec<u8>, Option<Nanos>);

pub(crate) type ReplyBody =
    StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>;

/// The source of a response's body.
pub(crate) struct Reply {
    generation: Option<Generation>,
    fault: Option<FaultRule>,
    /// Encoded and not yet handed to the connection.
    out: Vec<u8>,
    stall: Option<Stall>,
    end: Option<End>,
    /// The first byte of a slow drip has been sent.
    drips: bool,
    over: bool,
    exchange: Exchange,
}

impl Reply {
    pub(crate) fn document(exchange: Exchange, fault: Option<FaultRule>, bytes: Vec<u8>) -> Self {
        let mut reply = Self {
            generation: None,
            fault,
            out: bytes,
            stall: None,
            end: Some(End::Clean),
            drips: false,
            over: false,
            exchange,
        };
        reply.spoil_document();
        reply
    }

    pub(crate) fn generation(
        exchange: Exchange,
        fault: Option<FaultRule>,
        generation: Generation,
    ) -> Self {
        Self {
            generation: Some(generation),
            end: None,
            fault,
            ..Self::document(exchange, None, Vec::new())
        }
    }

    pub(crate) fn into_exchange(self) -> Exchange {
        self.exchange
    }

    /// The body's length, when all of it is there already.
    pub(crate) fn length(&self) -> Option<usize> {
        let is_whole = self.generation.as_ref().is_none_or(|g| g.whole);
        (is_whole && self.is_made()).then_some(self.out.len())
    }

    /// Nothing follows what is encoded.
    fn is_made(&self) -> bool {
        self.end == Some(End::Clean) && self.stall.is_none()
    }

    /// The body. Must be called when the response's head is complete.
    pub(crate) fn into_body(mut self, status: u16) -> ReplyBody {
        self.exchange.responded(status);
        if self.length() == Some(0) {
            // hyper does not poll an empty body.
            self.exchange.whole();
            self.over = true;
        }
        StreamBody::new(Box::pin(unfold(Box::new(self), |mut reply| async move {
            let bytes = reply.next().await?;
            Some((bytes.map(Frame::data), reply))
        })))
    }

    /// The next bytes to send; none after the last ones.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.over {
            return None;
        }
        // After the head nothing is refused.
        let _ = self.fill().await;
        if !self.out.is_empty() {
            let bytes = self.portion().await;
            self.exchange.sent(bytes.len());
            if self.out.is_empty() && self.is_made() {
                // A connection that knows the length does not ask again after the last byte.
                self.exchange.whole();
                self.over = true;
            }
            return Some(Ok(bytes));
        }
        self.over = true;
        if self.end == Some(End::Reset) {
            // Earlier bytes are sent first: the connection flushes while this is pending.
            tokio::task::yield_now().await;
            self.exchange.reset();
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.exchange.whole();
        None
    }

    /// Processes what has happened by now, and waits until there are bytes to send or no more can
    /// follow. The error is the refusal of a request that fails before its response begins.
    pub(crate) async fn fill(&mut self) -> Result<(), Refusal> {
        loop {
            if self.stall.is_none() && self.end.is_none() {
                let Some(mut generation) = self.generation.take() else {
                    return Ok(());
                };
                let notice = if self.out.is_empty() {
                    Some(generation.ticket.next().await)
                } else {
                    generation.ticket.next_if_ready()
                };
                let taken = notice.map(|notice| self.take_in(&mut generation, notice));
                self.generation = Some(generation);
                match taken {
                    Some(taken) => taken?,
                    None => return Ok(()),
                }
            } else if !self.out.is_empty() {
                return Ok(());
            } else if let Some((held, pause)) = self.stall.take() {
                match pause {
                    Some(pause) => self.exchange.world.clock().sleep(pause).await,
                    None => std::future::pending().await,
                }
                self.out = held;
            } else {
                return Ok(());
            }
        }
    }

    fn take_in(&mut self, generation: &mut Generation, notice: Notice) -> Result<(), Refusal> {
        let Notice { at, what, .. } = notice;
        match (what, &mut generation.output) {
            (NoticeKind::Attached, _) => {
                if generation.whole || self.fault_is_after(|after| after == 0) {
                    self.crash();
                }
            }
            (NoticeKind::Token { .. }, _) if generation.whole => {}
            (NoticeKind::Token { index }, Output::Text(text)) => {
                let to = text.script.shown_after(index + 1);
                self.show(text, at, to);
            }
            (NoticeKind::Preloaded | NoticeKind::Unloading, _)
                if self.plays(FaultKind::RunnerCrash) =>
            {
                return Err(Refusal::new(500, RUNNER_STOPPED));
            }
            (NoticeKind::Preloaded | NoticeKind::Unloading | NoticeKind::Done { .. }, _)
                if generation.whole && self.plays(FaultKind::ErrorLine) =>
            {
                return Err(Refusal::new(500, RUNNER_ERROR));
            }
            (what @ (NoticeKind::Done { .. } | NoticeKind::Preloaded), Output::Vectors(make)) => {
                let timings = match what {
                    NoticeKind::Done { timings, .. } => timings,
                    _ => Timings::default(),
                };
                self.out = make(&timings)?.to_string().into_bytes();
                self.finish_document();
            }
            (what @ (NoticeKind::Preloaded | NoticeKind::Unloading), Output::Text(text)) => {
                let is_load = matches!(what, NoticeKind::Preloaded);
                let finale = FinalObject {
                    at,
                    reason: Some(if is_load { "load" } else { "unload" }),
                    ..FinalObject::default()
                };
                text.encoder
                    .whole(&finale, &Message::default(), &mut self.out);
                self.finish_document();
            }
            (NoticeKind::Done { timings, reason }, Output::Text(text)) => {
                if generation.whole {
                    self.whole(text, at, reason.into(), timings);
                } else {
                    self.last(text, at, reason.into(), timings);
                }
            }
            (NoticeKind::Failed { message }, Output::Text(text))
                if !self.out.is_empty() || self.exchange.line.chunks > 0 =>
            {
                text.encoder.error(&message, &mut self.out);
                self.end = Some(End::Clean);
            }
            (NoticeKind::LoadFailed { message } | NoticeKind::Failed { message }, _) => {
                return Err(Refusal::new(500, message));
            }
            (NoticeKind::Busy, _) => return Err(Refusal::busy()),
            // Only after a cancellation, when the client is gone, or never.
            (NoticeKind::Dropped | NoticeKind::Token { .. } | NoticeKind::Unloading, _) => {
                self.end = Some(End::Reset);
            }
        }
        Ok(())
    }

    fn finish_document(&mut self) {
        self.end = Some(End::Clean);
        self.spoil_document();
    }

    /// Sends the text up to an offset as one object, and plays a fault that is due.
    fn show(&mut self, text: &mut TextOutput, at: Stamp, to: u32) {
        if to <= text.shown {
            return;
        }
        let from = self.out.len();
        let message = text.script.between(text.shown, to);
        text.encoder.chunk(at, &message, &mut self.out);
        text.shown = to;
        let is_due = self.fault_is_after(|after| after == self.exchange.line.chunks);
        self.exchange.line.chunks += 1;
        if is_due {
            self.play(&mut text.encoder, from);
        }
    }

    fn finale(
        &self,
        text: &TextOutput,
        at: Stamp,
        reason: &'static str,
        timings: Timings,
    ) -> FinalObject {
        let tokens = timings.eval_count;
        let jump = self.played(FaultKind::ClockJump);
        let context = text.context.as_deref();
        FinalObject {
            at,
            reason: Some(reason),
            timings: Some(timings),
            context: context.map(|prompt| [prompt, text.script.ids_of(tokens)].concat()),
            jump: jump.map_or(0, |fault| (fault.jump_s * 1e9) as i64),
            tool_called: text.script.tool_after(tokens).is_some(),
        }
    }

    /// The end of a stream: the rest of the text, a tool call, the final object.
    fn last(&mut self, text: &mut TextOutput, at: Stamp, reason: &'static str, timings: Timings) {
        let tokens = timings.eval_count;
        let to = text.script.generated_after(tokens);
        self.show(text, at, to);
        if text.script.hangs_up_after(tokens) {
            self.end = Some(End::Clean);
        }
        if self.end.is_some() {
            return;
        }
        let from = self.out.len();
        let unplayed = self.fault_is_after(|after| after >= self.exchange.line.chunks);
        let tool = text.script.tool_after(tokens);
        if tool.is_some() {
            let message = Message {
                tool,
                ..Message::default()
            };
            text.encoder.chunk(at, &message, &mut self.out);
            self.exchange.line.chunks += 1;
        }
        let tail = self.out.len();
        let finale = self.finale(text, at, reason, timings);
        text.encoder.last(&finale, &mut self.out);
        self.end = Some(End::Clean);
        let stalled = self.stall.take();
        self.spoil_last(&mut text.encoder, tail, unplayed);
        if let Some((mut held, pause)) = stalled {
            held.extend(self.out.drain(from..));
            self.stall = Some((held, pause));
        }
    }

    fn whole(&mut self, text: &mut TextOutput, at: Stamp, reason: &'static str, timings: Timings) {
        let script = &text.script;
        let tokens = timings.eval_count;
        let mut finale = self.finale(text, at, reason, timings);
        if self.plays(FaultKind::EofWithoutDone) || script.hangs_up_after(tokens) {
            (finale.reason, finale.timings) = (None, None);
        }
        self.exchange.line.chunks += 1;
        let message = Message {
            tool: script.tool_after(tokens),
            ..script.between(0, script.generated_after(tokens))
        };
        text.encoder.whole(&finale, &message, &mut self.out);
        self.finish_document();
    }

    /// The fault, if it is of this kind.
    fn played(&self, kind: FaultKind) -> Option<&FaultRule> {
        self.fault.as_ref().filter(|fault| fault.kind == kind)
    }

    fn plays(&self, kind: FaultKind) -> bool {
        self.played(kind).is_some()
    }

    /// Whether there is a fault that is played after such a number of objects with text.
    fn fault_is_after(&self, fits: impl Fn(u64) -> bool) -> bool {
        self.fault
            .as_ref()
            .is_some_and(|fault| fits(fault.after_tokens))
    }

    /// The bytes that may be sent now: all of them, or one byte of a slow drip.
    async fn portion(&mut self) -> Bytes {
        let drip = self.played(FaultKind::SlowDrip);
        let Some(pause) = drip.map(|fault| fault.pause.unwrap_or(DRIP)) else {
            return std::mem::take(&mut self.out).into();
        };
        if std::mem::replace(&mut self.drips, true) {
            self.exchange.world.clock().sleep(pause).await;
        }
        let rest = self.out.split_off(1);
        std::mem::replace(&mut self.out, rest).into()
    }
}
