//! Where the lost seconds went.

use serde::Serialize;

mod loss;
mod waits;

pub use loss::{LossNs, LostSeconds};
pub use waits::{AgentWaits, WhySerial};

/// The causes of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunCause {
    /// Seconds lost by the run, `wall - max(solo)`, and their parts; none without solo times.
    pub lost: Option<LossNs>,
    /// Each agent's loss, `T_i - solo_i`, in agent order; none without solo times.
    pub agents: Option<Vec<AgentLoss>>,
    /// What is known of each agent's waiting even without solo times, in agent order.
    pub waits: Vec<AgentWaits>,
    /// Why the agents ran one after another, when they did and the evidence shows why.
    pub why_serial: Option<WhySerial>,
}

/// One agent's loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentLoss {
    /// The agent.
    pub agent: u32,
    /// `T_i - solo_i` and its parts.
    pub lost: LossNs,
    /// Each of its requests; what they do not explain lies between them.
    pub requests: Vec<LossNs>,
}
