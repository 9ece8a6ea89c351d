//! Events of a running sweep for an observer. Observing never changes what is recorded.

use crate::plan::ArmSpec;
use crate::record::ArmRecord;
use crate::units::Stamp;

/// An event of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The sweep begins.
    SweepStarted {
        /// Arms still to run.
        arms: usize,
        /// Arms already complete, in a resumed sweep.
        already_complete: usize,
    },
    /// An arm begins.
    ArmStarted {
        /// The arm.
        spec: ArmSpec,
        /// When.
        at: Stamp,
    },
    /// Text arrived.
    Tokens {
        /// The agent.
        agent: u32,
        /// When.
        at: Stamp,
        /// Number of chunks.
        count: u64,
    },
    /// An arm ended.
    ArmEnded {
        /// Its record.
        record: ArmRecord,
        /// Requests that completed in it.
        completed: u32,
        /// Requests that did not.
        not_completed: u32,
    },
    /// A warning for the user.
    Warning(String),
}

/// Receives the events of a sweep.
pub trait Observer: Send + Sync {
    /// Called on the runtime's task; must not block.
    fn on_event(&self, event: &Event);
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on_event(&self, _event: &Event) {}
}
