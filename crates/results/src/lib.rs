//! The one writer, reader and resumer of results folders.
//!
//! A folder holds a sweep, a load, a capacity run or a calibration ([`Kind`]); what its files hold is
//! defined in `domain::record`. Files of one JSON value a line are read in blocks, on every core.
//! Figures are computed in `metrics`; tables and other inputs are read in `analysis`.

mod blocks;
pub mod calibration;
pub mod capacity;
mod error;
mod json;
mod kind;
mod lines;
pub mod load;
mod lock;
mod recorded;
pub mod sweep;
mod writer;

pub use error::{FolderError, LeftOut, LoadError, LoadErrorKind, SkippedPart, listed, short};
pub use json::{read_json, read_versioned, write_json, write_new};
pub use kind::Kind;
pub use lock::Lock;
pub use recorded::recorded;
pub use sweep::{ResultsDir, ResumePoint, read_manifest, write_manifest};
pub use writer::{LineWriter, Sink};

#[cfg(test)]
mod tests;
