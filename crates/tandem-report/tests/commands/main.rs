//! The program as a user sees it: output, files and exit codes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_tandem-report");

mod cli;
mod fixtures;
mod foreign;
mod gates;
mod pinned;
#[path = "../../../tandem/tests/commands/place.rs"]
#[expect(dead_code, reason = "the tests of the other binary use more of it")]
mod place;
