//! The concurrent executor: arms, admission, cancellation, journal.
//!
//! [`run_sweep`] runs the arms of a plan. For each it sets the state of the servers, runs the agents one after another
//! or all at once, and records everything as it ends into a [`ResultsDir`](results::ResultsDir). [`Shutdown`] stops
//! it in two levels, and a resumed sweep continues where a stopped or killed one ended.
//!
//! [`load::run_load`] runs a fixed number of requests in a closed or an open loop instead of a plan.
//!
//! Each sweep has a tracing span `sweep` with a span `arm` for each arm (level info), and in it spans `step` and
//! `request` for each agent (level debug).
//!
//! This crate does not know servers or GPUs (it uses the traits of `domain`), nor what the figures mean.

mod admission;
mod arm;
mod context;
mod error;
mod journal;
pub mod load;
mod probe;
mod sampling;
mod shutdown;
mod state;
mod sweep;

pub use error::RuntimeError;
pub use shutdown::{Shutdown, ShutdownLevel, asked_to_stop};
pub use sweep::{DEFAULT_DEAD_ARMS, SweepSetup, SweepSummary, run_sweep};

#[cfg(test)]
mod tests;
