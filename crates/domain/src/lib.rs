//! The words the other crates meet through: units, plans, records, outcomes, and the traits that
//! keep the runtime from knowing which server or which GPU it talks to.
//!
//! This crate holds data and definitions only. It does no I/O beyond parsing text it is given,
//! and it never sees tokio, HTTP, NVML, polars or a terminal.
//!
//! Data flows one way: a [`plan::SweepPlan`] is expanded into [`plan::ArmSpec`]s, the runtime
//! executes them through a [`backend::ChatBackend`], and everything that happened becomes a
//! [`record::JournalLine`] on disk, from which all else is derived.

pub mod backend;
pub mod cache;
pub mod event;
pub mod exit;
pub mod hash;
pub mod options;
pub mod outcome;
pub mod plan;
pub mod record;
pub mod redact;
#[cfg(test)]
mod schemas;
pub mod telemetry;
pub mod units;
pub mod work;

pub use options::{ModelOptions, OPTIONS, OnV1, OptionKind, OptionSpec, OptionValue};
pub use outcome::{FailureKind, Outcome, OutcomeCounts, TimeoutPhase};
pub use units::{LONGEST_NS, Nanos, Stamp};
