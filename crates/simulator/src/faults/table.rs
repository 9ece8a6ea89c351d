//! The outcome a correct client reports for each fault: both the documentation and the test.

use std::fmt::Write as _;

use domain::{FailureKind, TimeoutPhase};
use serde::{Deserialize, Serialize};

/// The ways a client asks for a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientPath {
    GenerateStream,
    GenerateWhole,
    ChatStream,
    ChatWhole,
    V1Stream,
    V1Whole,
}

impl ClientPath {
    /// All of them, in the table's order.
    pub const ALL: [Self; 6] = [
        Self::GenerateStream,
        Self::GenerateWhole,
        Self::ChatStream,
        Self::ChatWhole,
        Self::V1Stream,
        Self::V1Whole,
    ];

    pub fn heading(self) -> &'static str {
        match self {
            Self::GenerateStream => "generate, streamed",
            Self::GenerateWhole => "generate, whole",
            Self::ChatStream => "chat, streamed",
            Self::ChatWhole => "chat, whole",
            Self::V1Stream => "/v1 chat, streamed",
            Self::V1Whole => "/v1 chat, whole",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Completed,
    /// The answer ended without a final object.
    Incomplete,
    Failed(FailureKind),
    /// One of the client's own limits ran out.
    TimedOut(TimeoutPhase),
}

#[derive(Debug, Clone, Copy)]
pub struct FaultRow {
    pub kind: FaultKind,
    /// What happens on the wire.
    pub what: &'static str,
    /// The outcome for each of [`ClientPath::ALL`].
    pub expected: [Expected; 6],
}

use Expected::{Completed, Failed, Incomplete, TimedOut};

const BROKEN: Expected = Failed(FailureKind::Malformed);
const RESET: Expected = Failed(FailureKind::ConnectionReset);
const SERVER_ERROR: Expected = Failed(FailureKind::Http { status: 500 });
const ERROR_LINE: Expected = Failed(FailureKind::MidStream);
const NO_BYTE: Expected = TimedOut(TimeoutPhase::FirstByte);
const STALLED: Expected = TimedOut(TimeoutPhase::BetweenChunks);
const TOO_LONG: Expected = Failed(FailureKind::LineTooLong);

const fn everywhere(expected: Expected) -> [Expected; 6] {
    [expected; 6]
}

/// Declares the kinds and the table from one list: kind, what happens on the wire, outcomes.
macro_rules! faults {
    ($($kind:ident, $what:literal, $expected:expr;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $(#[doc = $what] $kind,)*
        }

        /// Faults as a rule plays them by default: after three objects with text were sent.
        pub const FAULTS: &[FaultRow] = &[
            $(FaultRow { kind: FaultKind::$kind, what: $what, expected: $expected },)*
        ];
    };
}

faults! {
    Refuse, "no process listens on the port",
        everywhere(Failed(FailureKind::ConnectionRefused));
    ResetBeforeHeaders, "the connection is reset before a byte of the response",
        everywhere(RESET);
    ResetMidToken, "half an object, then a reset",
        everywhere(RESET);
    Stall, "nothing more is sent; the connection stays open",
        [STALLED, NO_BYTE, STALLED, NO_BYTE, STALLED, NO_BYTE];
    SlowDrip, "one byte of body every 20 ms",
        everywhere(Completed);
    TruncatedFinal, "half of the last object, then the body ends in good order (on /v1, without \
        `[DONE]`)",
        everywhere(Incomplete);
    MalformedJson, "an object that is not JSON",
        everywhere(BROKEN);
    InvalidUtf8, "an object whose text is not UTF-8",
        everywhere(BROKEN);
    ErrorLine, "an error line ends the stream; whole answers are status 500. /v1 swallows it: an \
        empty chunk and no `[DONE]`",
        [ERROR_LINE, SERVER_ERROR, ERROR_LINE, SERVER_ERROR, Incomplete, SERVER_ERROR];
    EofWithoutDone, "the body ends in good order without its last object; whole answers say `done: \
        false`. /v1 leaves `finish_reason` and `[DONE]` out",
        everywhere(Incomplete);
    Repetition, "the model says one word over and over; after 31 of them the server ends the body in \
        good order, without its last object. Whole answers say `done: false`",
        everywhere(Incomplete);
    Busy, "status 503",
        everywhere(Failed(FailureKind::Busy));
    NotFound, "status 404, no such model",
        everywhere(Failed(FailureKind::ModelNotFound));
    WrongContentType, "status 200 and a web page",
        everywhere(Failed(FailureKind::WrongContentType));
    HugeLine, "an object of 16 MiB",
        everywhere(TOO_LONG);
    OomOnLoad, "the model does not fit into memory: status 500 when this request has to load it",
        everywhere(SERVER_ERROR);
    RunnerCrash, "the runner dies: an error line, or status 500 when nothing has been sent. Others on \
        it die too",
        [ERROR_LINE, SERVER_ERROR, ERROR_LINE, SERVER_ERROR, Incomplete, SERVER_ERROR];
    DuplicateFinal, "the last object twice; a client is done with the first, unless it takes the whole \
        body for one value",
        [Completed, Completed, Completed, Completed, Completed, BROKEN];
    ClockJump, "durations off by an hour; the client's own clock is not. /v1 has no durations",
        everywhere(Completed);
}

fn words(expected: Expected) -> String {
    match expected {
        Completed => "completed".to_owned(),
        Incomplete => "incomplete".to_owned(),
        Failed(FailureKind::Http { status }) => format!("failed: HTTP {status}"),
        Failed(kind) => format!("failed: {}", snake(&format!("{kind:?}"))),
        TimedOut(phase) => format!("timed out: {}", snake(&format!("{phase:?}"))),
    }
}

fn snake(camel: &str) -> String {
    let mut words = String::new();
    for c in camel.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The table as the last section of `docs/faults.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "## What the simulator plays\n\n\
         `tandem serve` and simulated sweeps play these with `--fault KIND=RATE`, or by rules in TOML \
         (`[[fault]]`; see\n`simulator::faults::FaultRule` for their keys). Every cell is what a client should \
         report.\n\n\
         This section is rendered from `crates/simulator/src/faults/table.rs`: change that instead.\n\n",
    );
    page.push_str("| `kind` | on the wire |");
    for path in ClientPath::ALL {
        let _ = write!(page, " {} |", path.heading());
    }
    page.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for row in FAULTS {
        let name = snake(&format!("{:?}", row.kind)).replace(' ', "_");
        let _ = write!(page, "| `{name}` | {} |", row.what);
        for expected in row.expected {
            let _ = write!(page, " {} |", words(expected));
        }
        page.push('\n');
    }
    page
}
