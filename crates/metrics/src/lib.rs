//! The contract as code: what every published number means and how it is computed.
//!
//! Input is a [`Dataset`] of [`RunObservation`]s, whether they come from a sweep's journal or from
//! records of another program. Output is per request, per run, per configuration, each number with
//! its `n` and, where the repetitions carry one, its interval.
//!
//! What it does not know: files, polars, charts, servers, tokio.

pub mod advice;
mod arms;
pub mod budget;
#[cfg(test)]
mod by_hand;
pub mod capacity;
pub mod cause;
pub mod compare;
pub mod conditions;
pub mod energy;
pub mod from_records;
pub mod limit;
pub mod load;
pub mod notes;
pub mod observation;
mod order;
pub mod request;
pub mod run;
mod spans;
pub mod stats;
pub mod summary;
pub mod throttle;
pub mod timeline;

pub use advice::{EvidenceRef, Finding};
pub use observation::{
    AgentObservation, ArmObservation, Dataset, PublishedRow, RequestTimes, RunObservation,
    StampSource, WarmLoad,
};
pub use order::grouped_in_order;
pub use request::RequestMetrics;
pub use run::RunMetrics;
pub use stats::Estimate;
pub use summary::{ConfigSummary, Decoding, Gain, Summary, Verdict};
