//! What stops a sweep. A failed request does not: it is a record.

use std::io;
use std::path::PathBuf;

use domain::Nanos;
use domain::exit::{Exit, Fails};

/// A sweep could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Two sweeps into one folder.
    #[error(
        "{} is in use by another sweep{}; wait for it or give another --out", dir.display(), owner_note(*owner)
    )]
    InUse {
        /// The results folder.
        dir: PathBuf,
        /// The other process, when it said.
        owner: Option<u32>,
    },
    /// A new sweep into a folder that already holds one.
    #[error(
        "{} already holds a sweep; continue it with --resume, or give another --out", dir.display()
    )]
    AlreadyThere {
        /// The results folder.
        dir: PathBuf,
    },
    /// `--resume` of a folder without a manifest.
    #[error("{} holds no sweep to resume: it has no manifest.json", dir.display())]
    NothingThere {
        /// The results folder.
        dir: PathBuf,
    },
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be written. What it held before is still there.
    #[error("failed to write {}; what was recorded before stays, go on with --resume once there is room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A manifest that is not one.
    #[error("{}:{}: {source}", path.display(), source.line())]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A folder written by a newer program.
    #[error(
        "{}: schema {found} is newer than this program understands ({supported}); update tandem", path.display()
    )]
    NewerSchema {
        /// The manifest.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// A folder written by an older program, in lines that new ones cannot follow.
    #[error(
        "{}: schema {found} is older than the one that this program writes ({supported}), so the sweep cannot go on; \
         `report` reads it as it is, or start a new sweep", path.display()
    )]
    OlderSchema {
        /// The manifest.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// A whole journal line that is not a record.
    #[error("{}:{line}: {message}; remove the line, or start a new sweep", path.display())]
    CorruptJournal {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A sweep cannot go on under other conditions than it began under.
    #[error("{} was begun differently, so it cannot be resumed: {}; resume with the same plan and flags, or start a new sweep", dir.display(), differences.join("; "))]
    NotTheSame {
        /// The results folder.
        dir: PathBuf,
        /// What differs, each as `key: there X, here Y`.
        differences: Vec<String>,
    },
    /// Nothing to run on.
    #[error("no endpoint; give at least one --endpoint")]
    NoEndpoint,
    /// The manifest lists other endpoints than the sweep has.
    #[error("the manifest lists {listed} endpoints, the sweep was given {given}")]
    EndpointCount {
        /// In the manifest.
        listed: usize,
        /// Given.
        given: usize,
    },
    /// The clock of a resumed sweep would repeat stamps.
    #[error("the clock is at {now}, but the sweep goes on at {offset}; start it there")]
    ClockBehind {
        /// What the clock says.
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
    Benchmarks {
        /// Why.
        #[source]
        source: agents::IngestError,
    },
    /// The server has been away for too long.
    #[error(
        "no server could be reached in {arms} arms one after another (last: {last}); bring it back and go on with --resume"
    )]
    Unreachable {
        /// How many arms.
        arms: u32,
        /// The last failure, in words.
        last: String,
    },
}

impl Fails for RuntimeError {
    fn exit(&self) -> Exit {
        match self {
            Self::InUse { .. }
            | Self::AlreadyThere { .. }
            | Self::NothingThere { .. }
            | Self::NotTheSame { .. }
            | Self::NewerSchema { .. } => Exit::Usage,
            _ => Exit::Environment,
        }
    }
}

fn owner_note(owner: Option<u32>) -> String {
    owner.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
