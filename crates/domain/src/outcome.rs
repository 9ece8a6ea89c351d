//! Outcomes of requests. A request that did not complete is a row in the data like any other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod counts;

pub use counts::OutcomeCounts;

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
        /// Kind of failure.
        failure: FailureKind,
        /// Message of the server or the transport.
        message: String,
    },
    /// The client cancelled it.
    #[default]
    Cancelled,
    /// A time limit of the client was exceeded.
    TimedOut {
        /// The limit.
        phase: TimeoutPhase,
    },
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
    Http {
        /// The status code.
        status: u16,
    },
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
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::Display,
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
