//! Readings that are expensive, and therefore taken less often.

use domain::{Nanos, Stamp};

/// Processes are listed this often.
pub(crate) const PROCESSES: Every = Every::new(Nanos::from_secs(1));

/// Decides when something is to be read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Every {
    length: Nanos,
    due: Option<Stamp>,
}

impl Every {
    pub(crate) const fn new(length: Nanos) -> Self {
        Self { length, due: None }
    }

    /// True when it is to be read now, and then not again for that long; always without a moment.
    pub(crate) fn is_due(&mut self, at: Option<Stamp>) -> bool {
        let is_due = at.is_none_or(|at| self.due.is_none_or(|due| at >= due));
        if is_due {
            self.due = at.map(|at| at + self.length);
        }
        is_due
    }
}
