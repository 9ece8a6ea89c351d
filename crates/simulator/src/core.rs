//! Ollama's scheduler and a GPU, as one discrete-event machine without I/O.
//!
//! Time comes in as [`domain::Stamp`]; nothing here sleeps, reads a clock or opens a socket. The
//! caller submits [`Work`], asks [`Core::next_event`] when to come back, calls [`Core::advance`]
//! then, and takes the [`Notice`]s out with [`Core::poll`].
//!
//! Everything is decided by content: seeded draws come from hashes, requests that arrive together
//! are ordered by a latency drawn from their own tag, and stamps are whole microseconds.

mod batch;
mod device;
mod host_cache;
mod log;
mod machine;
mod placement;
mod reload;
mod runners;
mod scheduler;
mod slots;
mod state;
pub(crate) mod tokens;
mod types;

pub(crate) use log::{Happened, SchedulerEvent};
pub(crate) use machine::{Core, RUNNER_STOPPED};
pub use types::RunnerOptions;
pub(crate) use types::{Generation, Notice, NoticeKind, RequestId, Timings, Work, WorkKind};

#[cfg(test)]
mod tests;
