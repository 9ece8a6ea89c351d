//! Events of a running sweep for an observer. Observing never changes what is recorded.

use crate::plan::ArmSpec;
use crate::record::ArmRecord;
use crate::units::Stamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    SweepStarted {
        /// Arms still to run.
        arms: usize,
        /// Arms already complete, in a resumed sweep.
        already_complete: usize,
    },
    ArmStarted {
        spec: ArmSpec,
        at: Stamp,
    },
    Tokens {
        agent: u32,
        at: Stamp,
        /// Chunks with text.
        count: u64,
    },
    ArmEnded {
        record: ArmRecord,
        completed: u32,
        not_completed: u32,
    },
    Warning(String),
}

/// Receives the events of a sweep.
pub trait Observer: Send + Sync {
    /// Called on the runtime's task; must not block.
    fn on_event(&self, event: &Event);
}
