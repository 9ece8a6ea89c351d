//! The types that the other crates share: units, plans, records and outcomes, and the traits that keep the runtime
//! independent of a server or a GPU.
//!
//! This crate holds data and definitions only. It does no I/O beyond parsing text it is given,
//! and it never sees tokio, HTTP, NVML, polars or a terminal.
//!
//! A [`plan::SweepPlan`] is expanded into [`plan::ArmSpec`]s, the runtime executes them through a
//! [`backend::ChatBackend`], and writes every event as a [`record::JournalLine`], from which all figures are derived.

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

/// True for a default value, which records leave out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
