//! Agents and their workflows: ingest, generate, think, write.
//!
//! An [`AgentJob`] is one agent's part in one arm of a sweep. [`run_agent`] runs its workflow and gives a record of each
//! step and each request to a [`Recorder`]. The agents `collector` and `insight` have prompts of their own; any other
//! name gets the prompt of a general analyst.

mod analyse;
mod ingest;
mod job;
mod prompts;
mod run;
mod work;
mod write;

use domain::record::{RequestRecord, StepRecord};

pub use ingest::{Column, Figures, IngestError, Table, read_tables, tables_sha256};
pub use job::AgentJob;
pub use prompts::nonce;
pub use run::{AgentEnd, run_agent, run_probe};
pub use work::{WorkError, WorkPool};

/// Receives the records of steps and requests. A recorder that cannot keep a record must cancel the job's tokens.
pub trait Recorder: Send + Sync + std::fmt::Debug {
    fn request(&self, record: RequestRecord);

    fn step(&self, record: StepRecord);
}

#[cfg(test)]
mod tests;
