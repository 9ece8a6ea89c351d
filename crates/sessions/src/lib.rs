//! Recorded agent sessions: their file format, importers, and what a recording holds.
//!
//! A [`Workload`] is a graph of model calls. A session is one agent's conversation, a chain of calls. It may be started
//! after a call of another session, a later call of which waits for it. `docs/sessions.md` describes the file and the
//! importers. Traces, which have only starts and lengths of requests, are read in [`trace`].

mod detect;
mod error;
mod file;
mod graph;
mod import;
pub mod measure;
mod read;
mod seconds;
pub mod trace;
mod write;

pub use detect::{open, parse};
pub use error::FileError;
pub use file::{
    Call, FORMAT, GapKind, Header, Line, Parent, SessionLine, Source, SourceFile, SourceKind,
    StopReason, VERSION,
};
pub use graph::{Session, Workload};
pub use seconds::Seconds;

#[cfg(test)]
mod tests;
