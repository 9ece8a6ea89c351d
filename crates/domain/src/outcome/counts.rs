//! Requests counted by how they ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// Requests by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeCounts {
    /// The final object arrived.
    pub completed: u32,
    /// The stream ended without its final object.
    pub incomplete: u32,
    /// Refused, broken off or malformed.
    pub failed: u32,
    /// Stopped by this side.
    pub cancelled: u32,
    /// A limit of ours ran out.
    pub timed_out: u32,
}

impl OutcomeCounts {
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            counts.count(outcome);
        }
        counts
    }

    pub fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::Incomplete => &mut self.incomplete,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::TimedOut { .. } => &mut self.timed_out,
        } += 1;
    }

    pub fn total(&self) -> u32 {
        self.completed + self.not_completed()
    }

    pub fn not_completed(&self) -> u32 {
        self.incomplete + self.failed + self.cancelled + self.timed_out
    }

    /// The counts with the words of the outcomes, completed first.
    pub fn in_words(&self) -> [(&'static str, u32); 5] {
        [
            ("completed", self.completed),
            ("incomplete", self.incomplete),
            ("failed", self.failed),
            ("cancelled", self.cancelled),
            ("timed out", self.timed_out),
        ]
    }
}

impl std::ops::AddAssign for OutcomeCounts {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.incomplete += other.incomplete;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.timed_out += other.timed_out;
    }
}
