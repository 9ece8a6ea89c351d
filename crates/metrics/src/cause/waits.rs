//! Waiting that the stamps and counters show by themselves, without solo times.

use domain::Nanos;
use serde::Serialize;

/// What one agent is known to have waited for in the together arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AgentWaits {
    /// The agent.
    pub agent: u32,
    /// The part of its `load` in which a request of an agent with other runner options was ahead
    /// of it on the same server; none without a `load` counter.
    pub wait_other_config: Option<Nanos>,
    /// The rest of its `load`: reloading and what a ready model costs, not told apart.
    pub load_after_wait: Option<Nanos>,
    /// Its time in the queue for a slot while others were in flight on the same server; none
    /// without the server's total.
    pub slot_queue: Option<Nanos>,
}

/// Why agents ran one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum WhySerial {
    /// An agent's `load` covers another agent's stay on the server, because the server had to
    /// reload the model with other options.
    OtherConfig {
        /// The agent that waited longest.
        waiting: u32,
        /// The agent it waited for longest.
        behind: u32,
        /// How long it waited.
        waited: Nanos,
        /// What was left of its `load` after the waiting: the reload.
        load_after_wait: Nanos,
    },
    /// An agent stood in the queue for a slot while another was served.
    SlotQueue {
        /// The agent that waited longest.
        waiting: u32,
        /// The agent that was in flight longest meanwhile.
        behind: u32,
        /// How long it waited.
        waited: Nanos,
    },
}
