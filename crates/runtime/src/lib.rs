//! The concurrent executor: arms, admission, cancellation, journal.
//!
//! [`run_sweep`] takes a plan through its arms. For each it sets the servers' state by the plan's
//! rule, runs the agents one after another or all at once, and records everything as it ends into
//! the results folder that a [`ResultsDir`](results::ResultsDir) holds. [`Shutdown`] stops it in two
//! levels, and a folder that is resumed goes on where a stopped or killed sweep left off.
//!
//! [`load::run_load`] runs a fixed amount of work in a closed or an open loop instead of a plan.
//!
//! What it does not know: which server or which device it talks to (it sees the traits of `domain`
//! alone), what the figures mean, and who watches.

mod admission;
mod arm;
mod book;
mod context;
mod error;
mod live;
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
