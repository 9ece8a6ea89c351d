//! The kinds of faults. `docs/faults.md` has the outcome that a client should report for each.

use serde::{Deserialize, Serialize};

/// What happens on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No process listens on the port.
    Refuse,
    /// The connection is reset before a byte of the response.
    ResetBeforeHeaders,
    /// Half an object, then a reset.
    ResetMidToken,
    /// Nothing more is sent; the connection stays open.
    Stall,
    /// One byte of body every 20 ms.
    SlowDrip,
    /// Half of the last object, then the body ends in good order (on /v1, without `[DONE]`).
    TruncatedFinal,
    /// An object that is not JSON.
    MalformedJson,
    /// An object whose text is not UTF-8.
    InvalidUtf8,
    /// An error line ends the stream; whole answers are status 500. /v1 swallows it: an empty chunk
    /// and no `[DONE]`.
    ErrorLine,
    /// The body ends in good order without its last object; whole answers say `done: false`. /v1
    /// leaves `finish_reason` and `[DONE]` out.
    EofWithoutDone,
    /// The model says one word over and over; after 31 of them the server ends the body in good
    /// order, without its last object. Whole answers say `done: false`.
    Repetition,
    /// Status 503.
    Busy,
    /// Status 404, no such model.
    NotFound,
    /// Status 200 and a web page.
    WrongContentType,
    /// An object of 16 MiB.
    HugeLine,
    /// The model does not fit into memory: status 500 when this request has to load it.
    OomOnLoad,
    /// The runner dies: an error line, or status 500 when nothing has been sent. Others on it die
    /// too.
    RunnerCrash,
    /// The last object twice; a client is done with the first, unless it takes the whole body for
    /// one value.
    DuplicateFinal,
    /// Durations off by an hour; the client's own clock is not. /v1 has no durations.
    ClockJump,
}
