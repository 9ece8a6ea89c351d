//! Misbehaviour on demand: which request is hit, by what, and what a client should make of it.

mod engine;
mod rules;
mod table;

use serde::{Deserialize, Serialize};

pub(crate) use engine::{Engine, Seen};
pub use rules::{FaultRule, FaultRules, FaultRulesError};
pub use table::{ClientPath, Expected, FAULTS, FaultRow, markdown};

/// The ways to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nobody listens on the port.
    Refuse,
    /// The connection is reset before a byte of the response.
    ResetBeforeHeaders,
    /// The connection is reset in the middle of an object.
    ResetMidToken,
    /// Nothing more is sent and the connection stays open.
    Stall,
    /// The response leaves a few bytes at a time.
    SlowDrip,
    /// The final object is cut in half, then the body ends in good order.
    TruncatedFinal,
    /// An object that is not JSON.
    MalformedJson,
    /// An object whose text is not UTF-8.
    InvalidUtf8,
    /// An error line ends the stream.
    ErrorLine,
    /// The body ends in good order without its final object.
    EofWithoutDone,
    /// The model says one word over and over until the server hangs up.
    Repetition,
    /// 503, the queue is full.
    Busy,
    /// 404, no such model.
    NotFound,
    /// 200 and a web page instead of JSON.
    WrongContentType,
    /// An object longer than any client should accept.
    HugeLine,
    /// The model does not fit into memory.
    OomOnLoad,
    /// The runner dies.
    RunnerCrash,
    /// The final object is sent twice.
    DuplicateFinal,
    /// The server's clock steps while it measures, so its durations are wrong.
    ClockJump,
}
