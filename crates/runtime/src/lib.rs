//! The concurrent executor: arms, admission, cancellation, journal.

mod error;
mod manifest;
mod results;
mod shutdown;
mod sweep;

pub use error::RuntimeError;
pub use manifest::{read_manifest, write_manifest};
pub use results::{ResultsDir, ResumePoint};
pub use shutdown::{Shutdown, ShutdownLevel};
pub use sweep::{DEFAULT_DEAD_ARMS, OutcomeCounts, SweepSetup, SweepSummary, run_sweep};
