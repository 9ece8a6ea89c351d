//! The program as a user sees it: output, files and exit codes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cli;
mod foreign;
mod gates;
mod pinned;
mod place;
