//! The journal: one line a record, on disk as soon as the record exists.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::record::JournalLine;

use crate::error::RuntimeError;

/// File name inside a results folder.
pub(crate) const JOURNAL_FILE: &str = "journal.jsonl";

/// What a journal is written to.
pub(crate) trait Sink: Write + Send {
    /// Makes what was written survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Appends lines. After the first failure it takes no more, because what follows a half-written
/// line would be lost with it.
pub(crate) struct Journal {
    path: PathBuf,
    sink: Box<dyn Sink>,
    line: Vec<u8>,
    failed: bool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.path)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) fn new(path: PathBuf, sink: Box<dyn Sink>) -> Self {
        Self {
            path,
            sink,
            line: Vec::new(),
            failed: false,
        }
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line, in one write, and flushes it.
    pub(crate) fn append(&mut self, line: &JournalLine) -> Result<(), RuntimeError> {
        self.attempt(|journal| {
            journal.line.clear();
            serde_json::to_writer(&mut journal.line, line).map_err(io::Error::from)?;
            journal.line.push(b'\n');
            journal.sink.write_all(&journal.line)?;
            journal.sink.flush()
        })
    }

    /// Makes what was appended survive a loss of power.
    pub(crate) fn sync(&mut self) -> Result<(), RuntimeError> {
        self.attempt(|journal| journal.sink.sync())
    }

    fn attempt(
        &mut self,
        action: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> Result<(), RuntimeError> {
        let result = if self.failed {
            Err(io::Error::other("an earlier write failed"))
        } else {
            action(self)
        };
        result.map_err(|source| {
            self.failed = true;
            RuntimeError::Write {
                path: self.path.clone(),
                source,
            }
        })
    }
}
