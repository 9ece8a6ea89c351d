//! Errors that stop a sweep. A failed request is no such error: it is a record.

use domain::Nanos;
use domain::exit::{Exit, Fails};
use results::FolderError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("no endpoint; give at least one --endpoint")]
    NoEndpoint,
    #[error(transparent)]
    Plan(#[from] domain::plan::PlanError),
    #[error("the manifest lists {listed} endpoints, the sweep was given {given}")]
    EndpointCount { listed: usize, given: usize },
    #[error("the clock is at {now}, but the sweep continues at {offset}; start it there")]
    ClockBehind { now: Nanos, offset: Nanos },
    #[error("configuration {config} has no agents; give it at least one")]
    NoAgents { config: String },
    #[error("{endpoint} does not have the model {model}; run `ollama pull {model}` there")]
    ModelNotFound { endpoint: String, model: String },
    #[error("the plan has agents with the full workflow, which read benchmark files")]
    Benchmarks(#[source] agents::IngestError),
    #[error(
        "no server could be reached in {arms} consecutive arms (last: {last}); restart it and continue with --resume"
    )]
    Unreachable { arms: u32, last: String },
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
