//! Response bodies: a generation as it happens, or a document, and the faults played on either.

mod spoil;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use domain::{Nanos, Stamp};
use hyper::body::{Body, Frame};

use super::encode::{Encoder, FinalObject};
use super::exchange::Exchange;
use super::text::{Message, Script};
use crate::core::{Notice, NoticeKind, RUNNER_STOPPED, StopReason};
use crate::driver::Ticket;
use crate::faults::{FaultKind, FaultRule};

/// Ollama's error for a full queue, with its two spaces.
pub(crate) const BUSY: &str = "server busy, please try again.  maximum pending requests exceeded";

/// Pause between the bytes of a slow drip.
const DRIP: Nanos = Nanos::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    Reset,
}

enum Stall {
    For(Sleep),
    Forever,
}

pub(crate) type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A generation on its way to the client.
pub(crate) struct Generation {
    pub(crate) ticket: Ticket,
    pub(crate) script: Script,
    pub(crate) encoder: Encoder,
    /// One object at the end instead of a stream.
    pub(crate) whole: bool,
    /// The prompt's ids, when the final object repeats them.
    pub(crate) context: Option<std::sync::Arc<[u32]>>,
    /// The model's name as the core knows it.
    pub(crate) model: String,
    /// Bytes of text shown.
    pub(crate) shown: u32,
}

pub(crate) struct Reply {
    generation: Option<Box<Generation>>,
    fault: Option<FaultRule>,
    /// Encoded and not yet handed to the connection.
    out: Vec<u8>,
    /// Held back by a stall.
    held: Vec<u8>,
    end: Option<End>,
    stall: Option<Stall>,
    drip: Option<(Nanos, Option<Sleep>)>,
    failed: Option<(u16, String)>,
    /// The connection has been flushed before a reset.
    flushed: bool,
    over: bool,
    exchange: Exchange,
}

impl Reply {
    pub(crate) fn empty(exchange: Exchange) -> Self {
        let mut reply = Self::with(exchange, None);
        reply.end = Some(End::Clean);
        reply
    }

    /// Must be called when the response's head is complete.
    pub(crate) fn responded(&mut self, status: u16) {
        self.exchange.responded(status);
        if self.length() == Some(0) {
            // hyper does not poll an empty body.
            self.exchange.whole();
            self.over = true;
        }
    }

    fn with(exchange: Exchange, fault: Option<FaultRule>) -> Self {
        let drip = fault
            .as_ref()
            .filter(|fault| fault.kind == FaultKind::SlowDrip)
            .map(|fault| (fault.pause.unwrap_or(DRIP), None));
        Self {
            generation: None,
            fault,
            out: Vec::new(),
            held: Vec::new(),
            end: None,
            stall: None,
            drip,
            failed: None,
            flushed: false,
            over: false,
            exchange,
        }
    }

    pub(crate) fn document(exchange: Exchange, fault: Option<FaultRule>, bytes: Vec<u8>) -> Self {
        let mut reply = Self::with(exchange, fault);
        reply.out = bytes;
        reply.end = Some(End::Clean);
        reply.spoil_document();
        reply
    }

    pub(crate) fn generation(
        exchange: Exchange,
        fault: Option<FaultRule>,
        generation: Generation,
    ) -> Self {
        let mut reply = Self::with(exchange, fault);
        reply.generation = Some(Box::new(generation));
        reply
    }

    pub(crate) fn into_exchange(self) -> Exchange {
        self.exchange
    }

    /// The body's length, when all of it is there already.
    pub(crate) fn length(&self) -> Option<usize> {
        let generation_is_whole = self.generation.as_ref().is_none_or(|g| g.whole);
        (self.end == Some(End::Clean) && self.stall.is_none() && generation_is_whole)
            .then_some(self.out.len())
    }

    /// Waits until the response can begin; the error is the status and message of a failure before.
    pub(crate) async fn first(&mut self) -> Result<(), (u16, String)> {
        std::future::poll_fn(|cx| {
            let filled = self.fill(cx);
            if let Some(failed) = self.failed.take() {
                return Poll::Ready(Err(failed));
            }
            if !self.out.is_empty() || (self.end.is_some() && self.stall.is_none()) {
                return Poll::Ready(Ok(()));
            }
            ready!(filled);
            Poll::Pending
        })
        .await
    }

    /// Processes every notice so far. Ready when no more can follow.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(stall) = &mut self.stall {
                match stall {
                    Stall::For(sleep) => ready!(sleep.as_mut().poll(cx)),
                    Stall::Forever => return Poll::Pending,
                }
                self.stall = None;
                self.out.append(&mut self.held);
            }
            if self.end.is_some() || self.failed.is_some() {
                return Poll::Ready(());
            }
            let Some(generation) = &mut self.generation else {
                return Poll::Ready(());
            };
            let notice = ready!(generation.ticket.poll(cx));
            if let Some(mut generation) = self.generation.take() {
                self.take_in(&mut generation, notice);
                self.generation = Some(generation);
            }
        }
    }

    fn take_in(&mut self, generation: &mut Generation, notice: Notice) {
        let started = !self.out.is_empty() || self.exchange.line.chunks > 0;
        match notice.what {
            NoticeKind::Attached => {
                if generation.whole || self.fault.as_ref().is_some_and(|f| f.after_tokens == 0) {
                    self.crash(generation);
                }
            }
            NoticeKind::Token { index } => {
                let to = generation.script.shown_after(index + 1);
                self.show(generation, notice.at, to);
            }
            NoticeKind::Done { timings, reason } => {
                if generation.whole {
                    return self.whole(generation, notice.at, &timings, reason);
                }
                let tokens = timings.eval_count;
                let to = generation.script.generated_after(tokens);
                self.show(generation, notice.at, to);
                if generation.script.hangs_up_after(tokens) {
                    self.end = Some(End::Clean);
                }
                if self.end.is_some() {
                    return;
                }
                let from = self.out.len();
                let stalled = self.stall.is_some();
                let unplayed = self
                    .fault
                    .as_ref()
                    .is_some_and(|fault| self.exchange.line.chunks <= fault.after_tokens);
                let tool = generation.script.tool_after(tokens);
                if tool.is_some() {
                    let message = Message {
                        tool,
                        ..Message::default()
                    };
                    generation.encoder.chunk(notice.at, &message, &mut self.out);
                    self.exchange.line.chunks += 1;
                }
                let tail = self.out.len();
                let tool_called = tool.is_some();
                let context = generation.context.take();
                let said = &generation.script.ids[..tokens as usize];
                let finale = FinalObject {
                    at: notice.at,
                    reason: Some(words(reason)),
                    timings: Some(&timings),
                    context: context.as_deref().map(|prompt| [prompt, said]),
                    jump: self.jump(),
                    tool_called,
                };
                generation.encoder.last(&finale, &mut self.out);
                self.end = Some(End::Clean);
                self.spoil_last(generation, tail, unplayed);
                if stalled {
                    self.held.extend_from_slice(&self.out[from..]);
                    self.out.truncate(from);
                }
            }
            NoticeKind::Preloaded | NoticeKind::Unloading if self.plays(FaultKind::RunnerCrash) => {
                self.failed = Some((500, RUNNER_STOPPED.to_owned()));
            }
            NoticeKind::Preloaded | NoticeKind::Unloading if self.plays(FaultKind::ErrorLine) => {
                self.failed = Some((500, RUNNER_ERROR.to_owned()));
            }
            NoticeKind::Preloaded | NoticeKind::Unloading => {
                let finale = FinalObject {
                    at: notice.at,
                    reason: Some(match notice.what {
                        NoticeKind::Preloaded => "load",
                        _ => "unload",
                    }),
                    ..FinalObject::default()
                };
                let nothing = Message::default();
                generation.encoder.whole(&finale, &nothing, &mut self.out);
                self.end = Some(End::Clean);
                self.spoil_document();
            }
            NoticeKind::Busy => self.failed = Some((503, BUSY.to_owned())),
            NoticeKind::Failed { message } if started => {
                generation.encoder.error(&message, &mut self.out);
                self.end = Some(End::Clean);
            }
            NoticeKind::LoadFailed { message } | NoticeKind::Failed { message } => {
                self.failed = Some((500, message));
            }
            // Only after a cancellation, when the client is gone.
            NoticeKind::Dropped => self.end = Some(End::Reset),
        }
    }

    fn jump(&self) -> i64 {
        match &self.fault {
            Some(fault) if fault.kind == FaultKind::ClockJump => (fault.jump_s * 1e9) as i64,
            _ => 0,
        }
    }

    /// Sends the text up to an offset as one object, and plays a fault that is due.
    fn show(&mut self, generation: &mut Generation, at: Stamp, to: u32) {
        if to <= generation.shown {
            return;
        }
        let from = self.out.len();
        let message = generation.script.between(generation.shown, to);
        generation.encoder.chunk(at, &message, &mut self.out);
        generation.shown = to;
        let due = self
            .fault
            .as_ref()
            .is_some_and(|fault| self.exchange.line.chunks == fault.after_tokens);
        self.exchange.line.chunks += 1;
        if due {
            self.play(generation, from);
        }
    }

    fn whole(
        &mut self,
        generation: &mut Generation,
        at: Stamp,
        timings: &crate::core::Timings,
        reason: StopReason,
    ) {
        if self.plays(FaultKind::ErrorLine) {
            self.failed = Some((500, RUNNER_ERROR.to_owned()));
            return;
        }
        let script = &generation.script;
        let tokens = timings.eval_count;
        let tool = script.tool_after(tokens);
        let cut = self.plays(FaultKind::EofWithoutDone) || script.hangs_up_after(tokens);
        let context = generation.context.take();
        let finale = FinalObject {
            at,
            reason: (!cut).then(|| words(reason)),
            timings: (!cut).then_some(timings),
            context: context
                .as_deref()
                .map(|prompt| [prompt, &script.ids[..tokens as usize]]),
            jump: self.jump(),
            tool_called: tool.is_some() && !cut,
        };
        self.exchange.line.chunks += 1;
        let message = Message {
            tool,
            ..script.between(0, script.generated_after(tokens))
        };
        generation.encoder.whole(&finale, &message, &mut self.out);
        self.end = Some(End::Clean);
        self.spoil_document();
    }

    fn plays(&self, kind: FaultKind) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.kind == kind)
    }

    fn sleep(&self, length: Nanos) -> Sleep {
        let clock = self.exchange.world.clock().clone();
        Box::pin(async move { clock.sleep(length).await })
    }

    /// The bytes that may be sent now: all of them, or one byte of a slow drip.
    fn portion(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some((pause, sleep)) = &mut self.drip else {
            return Poll::Ready(std::mem::take(&mut self.out).into());
        };
        if let Some(waiting) = sleep {
            ready!(waiting.as_mut().poll(cx));
        }
        let pause = *pause;
        let next = self.sleep(pause);
        self.drip = Some((pause, Some(next)));
        let rest = self.out.split_off(1);
        Poll::Ready(std::mem::replace(&mut self.out, rest).into())
    }
}

pub(super) const RUNNER_ERROR: &str =
    "an error was encountered while running the model: unexpected EOF";

fn words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Stop => "stop",
        StopReason::Length => "length",
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let filled = this.fill(cx);
        if !this.out.is_empty() {
            let bytes = ready!(this.portion(cx));
            this.exchange.sent(bytes.len());
            if this.out.is_empty() && this.end == Some(End::Clean) && this.stall.is_none() {
                // A connection that knows the length does not ask again after the last byte.
                this.exchange.whole();
                this.over = true;
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        ready!(filled);
        match this.end {
            Some(End::Reset) if !this.flushed => {
                // Earlier bytes are sent first: the connection flushes while this is pending.
                this.flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(End::Reset) => {
                this.over = true;
                this.exchange.reset();
                Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
            }
            _ => {
                this.over = true;
                this.exchange.whole();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
