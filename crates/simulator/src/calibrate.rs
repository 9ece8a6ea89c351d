//! Fits a profile to recorded runs, and says how well it fits.
//!
//! The machine learns nothing it could not be told: [`fit()`] turns medians of recorded durations
//! into the profile's few constants, and [`replay()`] runs the same requests through the core, in the
//! order in which the recording served them and from the state it left, so that [`FitReport`]
//! can set every recorded figure beside the simulated one.
//!
//! `tandem calibrate-profile` is this on the command line. It stays because the profile that ships
//! is its result, which its tests find again from TR113's figures, and because another machine's
//! profile is made in the same way.

mod figures;
mod fit;
mod replay;
mod report;

pub use figures::{AgentRun, CalibrateError, RecordedRun, read_figures};
pub use fit::{Fitted, fit};
pub use replay::{ReplayedAgent, ReplayedRun, Start, replay};
pub use report::{ErrorRow, FitReport};

#[cfg(test)]
mod tests;
