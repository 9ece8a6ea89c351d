//! Errors that stop a sweep. A failed request is no such error: it is a record.

use domain::Nanos;
use domain::exit::{Exit, Fails};
use results::FolderError;

/// Why a sweep could not start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The results folder cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no endpoint.
    #[error("no endpoint; give at least one --endpoint")]
    NoEndpoint,
    /// The plan cannot be run on these endpoints.
    #[error(transparent)]
    Plan(#[from] domain::plan::PlanError),
    /// The manifest lists other endpoints than the sweep has.
    #[error("the manifest lists {listed} endpoints, the sweep was given {given}")]
    EndpointCount {
        /// In the manifest.
        listed: usize,
        /// Given.
        given: usize,
    },
    /// The clock of a resumed sweep would repeat stamps.
    #[error("the clock is at {now}, but the sweep continues at {offset}; start it there")]
    ClockBehind {
        /// The clock's time.
        now: Nanos,
        /// The resume point's offset.
        offset: Nanos,
    },
    /// A configuration without agents.
    #[error("configuration {config} has no agents; give it at least one")]
    NoAgents {
        /// The configuration.
        config: String,
    },
    /// A server lacks the model.
    #[error("{endpoint} does not have the model {model}; run `ollama pull {model}` there")]
    ModelNotFound {
        /// The endpoint.
        endpoint: String,
        /// The model.
        model: String,
    },
    /// The benchmark files that a `full` workflow reads cannot be read.
    #[error("the plan has agents with the full workflow, which read benchmark files")]
    Benchmarks(#[source] agents::IngestError),
    /// No server could be reached for too long.
    #[error(
        "no server could be reached in {arms} consecutive arms (last: {last}); restart it and continue with --resume"
    )]
    Unreachable {
        /// Number of arms.
        arms: u32,
        /// The last failure.
        last: String,
    },
}

impl Fails for RuntimeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(error) => error.exit(),
            Self::Plan(error) => error.exit(),
            _ => Exit::Environment,
        }
    }
}
