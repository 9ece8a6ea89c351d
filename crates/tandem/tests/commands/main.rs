//! The commands of the binary: output, files and exit codes, on the embedded simulator or a running server.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_tandem");

mod answering;
mod cache;
mod calibrate;
#[cfg(unix)]
mod ends;
mod hostile;
mod load;
mod pinned;
mod place;
mod resume;
mod serving;
#[cfg(target_os = "linux")]
mod soak;
mod support;
mod sweep;
