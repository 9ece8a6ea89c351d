//! The limits of one call.

use std::future::Future;

use clock::Clock;
use domain::plan::Timeouts;
use domain::{Nanos, Stamp, TimeoutPhase};

use crate::error::Trouble;

/// The limits of one call. The total limit runs from the moment this is made.
#[derive(Debug)]
pub struct Limits<'a> {
    clock: &'a Clock,
    timeouts: &'a Timeouts,
    deadline: Stamp,
}

/// A limit may be longer than time can be told.
pub(crate) fn after(at: Stamp, limit: Nanos) -> Stamp {
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

    /// The clock they run on.
    pub fn clock(&self) -> &'a Clock {
        self.clock
    }

    /// The limit that runs from the send to the first sign of an answer, or the total if that is
    /// sooner.
    pub(crate) fn first_byte(&self, sent: Stamp) -> (TimeoutPhase, Stamp) {
        let due = after(sent, self.timeouts.first_byte);
        self.or_total(TimeoutPhase::FirstByte, due)
    }

    /// The limit that runs from one arrival to the next, or the total if that is sooner.
    pub(crate) fn between_chunks(&self, arrived: Stamp) -> (TimeoutPhase, Stamp) {
        let due = after(arrived, self.timeouts.between_chunks);
        self.or_total(TimeoutPhase::BetweenChunks, due)
    }

    /// A limit, or the total if that is sooner.
    pub(crate) fn or_total(&self, phase: TimeoutPhase, due: Stamp) -> (TimeoutPhase, Stamp) {
        if self.deadline < due {
            (TimeoutPhase::Total, self.deadline)
        } else {
            (phase, due)
        }
    }

    /// Runs a future within a limit and within what is left of the total.
    pub async fn within<F: Future>(
        &self,
        phase: TimeoutPhase,
        limit: Nanos,
        future: F,
    ) -> Result<F::Output, Trouble> {
        let now = self.clock.now();
        let (phase, due) = self.or_total(phase, after(now, limit));
        self.clock
            .timeout(due.since(now), future)
            .await
            .map_err(|clock::Elapsed| Trouble::TimedOut(phase))
    }

    /// Runs a future within what is left of the total.
    pub async fn within_total<F: Future>(&self, future: F) -> Result<F::Output, Trouble> {
        self.within(TimeoutPhase::Total, Nanos(u64::MAX), future)
            .await
    }
}
