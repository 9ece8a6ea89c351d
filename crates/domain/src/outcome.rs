//! Outcomes of requests. A request that did not complete is a row in the data like any other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The final object (`done: true`) arrived.
    Completed,
    /// The stream ended early without an error. The row's [notes](crate::record::RequestTimes::notes) have what
    /// is missing.
    Incomplete,
    /// The request failed.
    Failed {
        failure: FailureKind,
        /// Message of the server or the transport.
        message: String,
    },
    /// The client cancelled it.
    #[default]
    Cancelled,
    /// A time limit of the client was exceeded.
    TimedOut { phase: TimeoutPhase },
}

impl Outcome {
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }

    /// The class used in tables and counts.
    pub fn class(&self) -> &'static str {
        self.into()
    }
}

/// The kinds of failure that a client distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The connection was refused: no server listens at the endpoint.
    ConnectionRefused,
    /// The connection could not be made for another reason (name, route, TLS).
    Connect,
    /// This system has no local port left to connect from, or no address that reaches the server's.
    NoLocalPort,
    /// This process has as many open files as it may have.
    FileLimit,
    /// The connection broke before the response was complete.
    ConnectionReset,
    /// The server has no such model.
    ModelNotFound,
    /// 503: the server's queue is full.
    Busy,
    /// Any other HTTP status that is not a success.
    Http { status: u16 },
    /// An `{"error": ...}` line after the stream had started.
    MidStream,
    /// A line that violates the protocol.
    Malformed,
    /// The response has the wrong content type.
    WrongContentType,
    /// A line, an answer or a reply longer than the client accepts.
    LineTooLong,
    /// The server has no such operation.
    Unsupported,
}

/// A time limit of the client.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutPhase {
    /// Making the connection.
    #[strum(to_string = "while connecting")]
    Connect,
    /// From the send to the first byte of the response. Ollama sends no bytes before the first token, so this
    /// includes queueing, loading and prefill.
    #[strum(to_string = "before the first byte")]
    FirstByte,
    /// Between two chunks.
    #[strum(to_string = "between two chunks")]
    BetweenChunks,
    /// The whole request.
    #[strum(to_string = "before the answer was complete")]
    Total,
}

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
