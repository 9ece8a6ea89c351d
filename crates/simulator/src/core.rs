//! Ollama's scheduler and a GPU, as one discrete-event machine without I/O.
//!
//! Time comes in as [`domain::Stamp`]; nothing here sleeps, reads a clock or opens a socket. The
//! caller submits [`Work`], asks [`Core::next_event`] when to come back, calls [`Core::advance`]
//! then, and takes the [`Notice`]s out with [`Core::poll`].
//!
//! Everything is decided by content: seeded draws come from hashes, requests that arrive together
//! are ordered by a latency drawn from their own tag, and stamps are whole microseconds.
//!
//! ```
//! use std::sync::Arc;
//! use simulator::core::{Core, Generation, RequestId, RunnerOptions, ServerId, What, Work, WorkKind};
//! use simulator::profile::Profile;
//!
//! let profile = Profile::builtin("instant").expect("it ships");
//! let server = profile.server();
//! let mut core = Core::new(profile, vec![server])?;
//! let generation = Generation {
//!     prompt: simulator::core::tokens::ids("Why is the sky blue?").into(),
//!     output: Arc::from([1, 2, 3]),
//!     num_predict: None,
//! };
//! let work = Work {
//!     id: RequestId(1),
//!     kind: WorkKind::Generate(generation),
//!     model: "gemma3:latest".to_owned(),
//!     runner: RunnerOptions::default(),
//!     keep_alive: None,
//!     tag: 1,
//! };
//! core.submit(domain::Stamp::ZERO, ServerId(0), work);
//! let mut tokens = 0;
//! 'told: while let Some(at) = core.next_event() {
//!     core.advance(at);
//!     while let Some(notice) = core.poll() {
//!         tokens += u32::from(matches!(notice.what, What::Token { .. }));
//!         if notice.what.is_final() {
//!             break 'told;
//!         }
//!     }
//! }
//! assert_eq!(tokens, 3);
//! # Ok::<(), simulator::core::CoreError>(())
//! ```

mod batch;
mod cancel;
mod device;
mod log;
mod machine;
mod placement;
mod reload;
mod runners;
mod scheduler;
mod state;
pub mod tokens;
mod types;

pub use log::{EvictReason, Happened, ReloadReason, SchedulerEvent};
pub(crate) use machine::RUNNER_STOPPED;
pub use machine::{Core, CoreError};
pub use types::{
    Generation, LoadedView, Notice, RequestId, ResolvedOptions, RunnerOptions, ServerId,
    StopReason, Timings, What, Work, WorkKind,
};

#[cfg(test)]
mod tests;
