//! What a client ran on.

use serde::{Deserialize, Serialize};

/// The async runtime that a client ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuntimeFacts {
    /// Which one.
    pub flavour: RuntimeFlavour,
    /// Threads that run tasks.
    pub workers: u32,
    /// The CPUs that the process was held to, in order; empty when it was free to run on any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<u32>,
}

/// Flavours of the async runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuntimeFlavour {
    /// Threads that take tasks from each other.
    Multi,
    /// One thread.
    Current,
}
