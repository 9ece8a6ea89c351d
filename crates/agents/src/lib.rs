//! Agents and their workflows: ingest, generate, think, write.
//!
//! An [`AgentJob`] is one agent's part in one arm of a sweep. [`run_agent`] takes it through its
//! workflow, step by step, and hands a record of each step and each request to a [`Recorder`].
//! Agents are known by name: `collector` and `insight` have prompts of their own, any other name
//! gets a general analyst's prompt, and any number of agents may run at once.
//!
//! What this crate does not know: which server it talks to, how many other agents run, where
//! records end up.

mod analyse;
mod ingest;
mod job;
mod prompts;
mod work;
mod write;

use domain::record::{RequestRecord, StepRecord};

pub use ingest::{Column, Figures, IngestError, Table, read_tables, tables_sha256};
pub use job::{AgentEnd, AgentJob, ProbeEnd, run_agent, run_probe};
pub use prompts::nonce;
pub use work::{WorkError, WorkPool};

/// Takes the records as things end. One that cannot keep a record must cancel the job's tokens:
/// work that leaves no trace is wasted.
pub trait Recorder: Send + Sync + std::fmt::Debug {
    /// A request ended.
    fn request(&self, record: RequestRecord);

    /// A step ended.
    fn step(&self, record: StepRecord);
}

#[cfg(test)]
mod tests;
