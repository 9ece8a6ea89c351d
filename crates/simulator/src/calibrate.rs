//! Fits a profile to recorded runs, and reports how well it fits.
//!
//! [`fit()`] sets the profile's few constants from medians of recorded durations. [`replay()`] runs
//! the same requests through the core, in the order in which the recording served them and from
//! the state it left, and [`FitReport`] compares every recorded figure with the simulated one.
//!
//! `tandem calibrate-profile` is the command. The built-in TR113 profile is made with it.

mod figures;
mod fit;
mod replay;
mod report;

pub use figures::{AgentRun, CalibrateError, RecordedRun, read_figures};
pub use fit::{Fitted, fit};
pub use replay::{ReplayedRun, Service, Start, replay};
pub use report::{ErrorRow, FitReport};

#[cfg(test)]
mod tests;
