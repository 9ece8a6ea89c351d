//! The limits of one call.

use std::future::Future;
use std::task::{Context, Poll, ready};

use clock::{Alarm, Clock};
use domain::plan::Timeouts;
use domain::{Nanos, Stamp, TimeoutPhase};

use crate::body::WaitingFor;
use crate::bounds::{GRACE, GRACE_IN_ALL};
use crate::request_error::RequestError;

/// The limits of one call. The total limit runs from the moment this is made.
#[derive(Debug)]
pub struct Limits<'a> {
    clock: &'a Clock,
    timeouts: &'a Timeouts,
    deadline: Stamp,
}

/// `at` plus `limit`, which may be longer than a stamp can hold.
fn after(at: Stamp, limit: Nanos) -> Stamp {
    Stamp(at.0.saturating_add(limit.0))
}

impl<'a> Limits<'a> {
    pub(crate) fn start(clock: &'a Clock, timeouts: &'a Timeouts) -> Self {
        Self {
            clock,
            timeouts,
            deadline: after(clock.now(), timeouts.total),
        }
    }

    pub fn clock(&self) -> &'a Clock {
        self.clock
    }

    pub(crate) fn connect(&self) -> Nanos {
        self.timeouts.connect
    }

    /// A limit that starts at a moment, or the total if that is sooner.
    pub(crate) fn due(&self, phase: TimeoutPhase, from: Stamp) -> (TimeoutPhase, Stamp) {
        let limit = match phase {
            TimeoutPhase::Connect => self.timeouts.connect,
            TimeoutPhase::FirstByte => self.timeouts.first_byte,
            TimeoutPhase::BetweenChunks => self.timeouts.between_chunks,
            TimeoutPhase::Total => Nanos(u64::MAX),
        };
        self.or_total(phase, after(from, limit))
    }

    /// True once the total limit has run out.
    pub(crate) fn is_total_over(&self, now: Stamp) -> bool {
        now > self.deadline
    }

    /// A moment, or the end of the total limit if that is sooner.
    fn or_total(&self, phase: TimeoutPhase, due: Stamp) -> (TimeoutPhase, Stamp) {
        if self.deadline < due {
            (TimeoutPhase::Total, self.deadline)
        } else {
            (phase, due)
        }
    }

    /// Runs a future within a limit and within the rest of the total. Fails when the time is over first.
    pub async fn within<F: Future>(
        &self,
        phase: TimeoutPhase,
        future: F,
    ) -> Result<F::Output, RequestError> {
        let now = self.clock.now();
        let (phase, due) = self.due(phase, now);
        self.clock
            .timeout(due.since(now), future)
            .await
            .map_err(|clock::Elapsed| RequestError::TimedOut(phase))
    }
}

/// The limits of a request that has been sent, as one alarm.
pub(crate) struct Limiter {
    alarm: Alarm,
    pub(crate) sent: Stamp,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits<'_>, sent: Stamp) -> Self {
        // Made for the soonest limit, so that the timer is never moved forward.
        let (_, first_byte) = limits.due(TimeoutPhase::FirstByte, sent);
        let (_, next) = limits.due(TimeoutPhase::BetweenChunks, sent);
        Self {
            alarm: Alarm::new(limits.clock(), first_byte.min(next)),
            sent,
        }
    }

    /// Ready once a limit that starts at a moment has run out.
    pub(crate) fn poll_phase(
        &mut self,
        limits: &Limits<'_>,
        phase: TimeoutPhase,
        from: Stamp,
        context: &mut Context<'_>,
    ) -> Poll<TimeoutPhase> {
        let (phase, due) = limits.due(phase, from);
        self.alarm.set(due);
        self.alarm.poll_due(context).map(|()| phase)
    }

    /// Ready once the limit has run out.
    pub(crate) fn poll(
        &mut self,
        limits: &Limits<'_>,
        waiting_for: WaitingFor,
        context: &mut Context<'_>,
    ) -> Poll<TimeoutPhase> {
        let next = |from| limits.due(TimeoutPhase::BetweenChunks, from);
        let (phase, due) = match waiting_for {
            WaitingFor::FirstByte => limits.due(TimeoutPhase::FirstByte, self.sent),
            WaitingFor::NextChunk(arrived) => next(arrived),
            WaitingFor::BodyEnd(until) => limits.or_total(TimeoutPhase::BetweenChunks, until),
            WaitingFor::Terminator { complete, arrived } => {
                let (phase, due) = next(arrived);
                let over = after(arrived, GRACE).min(after(complete, GRACE_IN_ALL));
                (phase, over.min(due))
            }
        };
        // The limit between chunks begins where the head arrives, which does not wake this task.
        let (_, soonest) = next(limits.clock().now());
        self.alarm.set(due.min(soonest));
        ready!(self.alarm.poll_due(context));
        if due <= soonest {
            return Poll::Ready(phase);
        }
        // By now another limit may apply.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
