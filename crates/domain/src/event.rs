//! What the runtime tells whoever watches a sweep. Watching never changes what is recorded.

use crate::plan::ArmSpec;
use crate::record::ArmRecord;
use crate::units::Stamp;

/// Something a watcher may want to show.
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
        /// Which.
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
        /// How many chunks.
        count: u64,
    },
    /// An arm ended.
    ArmEnded {
        /// What was recorded of it.
        record: ArmRecord,
        /// Requests that completed in it.
        completed: u32,
        /// Requests that did not.
        not_completed: u32,
    },
    /// Something the user should know.
    Warning(String),
}

/// Watches a sweep.
pub trait Observer: Send + Sync {
    /// Called from the runtime's task; must not block.
    fn on_event(&self, event: &Event);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on_event(&self, _event: &Event) {}
}
