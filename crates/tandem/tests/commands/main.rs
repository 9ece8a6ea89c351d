//! The commands as a user meets them: a real binary, the embedded simulator or a server of its own,
//! files on disk, exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod cache;
mod calibrate;
mod capacity;
mod doctor;
#[cfg(unix)]
mod ends;
mod hostile;
mod load;
mod mixed;
mod pinned;
mod proxies;
mod resume;
#[cfg(target_os = "linux")]
mod soak;
mod support;
mod sweep;
