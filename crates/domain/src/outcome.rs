//! How a request ended. A request that did not complete is a row in the data, never a silent skip.

use serde::{Deserialize, Serialize};

mod counts;

pub use counts::OutcomeCounts;

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The final object (`done: true`) arrived.
    Completed,
    /// The stream ended too soon and without an error; what it lacks is in the row's
    /// [notes](crate::record::RequestTimes::notes).
    Incomplete,
    /// The request failed.
    Failed {
        /// What kind of failure.
        failure: FailureKind,
        /// The server's or the transport's own words.
        message: String,
    },
    /// We stopped it.
    #[default]
    Cancelled,
    /// One of our own limits ran out.
    TimedOut {
        /// Which limit.
        phase: TimeoutPhase,
    },
}

impl Outcome {
    /// True for [`Outcome::Completed`].
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }

    /// The class used in tables and counts: `completed`, `incomplete`, `failed`, `cancelled`,
    /// `timed_out`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

/// The kinds of failure a client can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// Nobody listens at the endpoint.
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
    Http {
        /// The status code.
        status: u16,
    },
    /// An `{"error": ...}` line after the stream had begun.
    MidStream,
    /// A line that is not what the protocol promises.
    Malformed,
    /// The response is not of the promised content type.
    WrongContentType,
    /// A line, an answer or a reply longer than the client accepts.
    LineTooLong,
    /// The server has no such operation.
    Unsupported,
}

/// Which of our limits ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimeoutPhase {
    /// Making the connection.
    Connect,
    /// From the send to the first byte of the response. Ollama sends nothing, not even headers,
    /// before the first token, so this covers queueing, loading and prefill.
    FirstByte,
    /// Between two chunks.
    BetweenChunks,
    /// The whole request.
    Total,
}
