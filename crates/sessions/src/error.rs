//! The error of a file: its path, the line if there is one, the mistake and the fix.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use domain::exit::{Exit, Fails};

use crate::trace::TraceError;

#[derive(Debug, thiserror::Error)]
pub struct FileError {
    pub path: PathBuf,
    /// From 1; `None` for a mistake of the file as a whole.
    pub line: Option<u64>,
    /// The mistake and the fix.
    pub what: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, line: Option<u64>, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }

    pub(crate) fn read(path: &Path, error: &io::Error) -> Self {
        Self::new(path, None, format!("cannot be read: {error}"))
    }

    /// The error of a line, or of a whole file of JSON when the line is `None`.
    pub(crate) fn json(path: &Path, line: Option<u64>, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = text.strip_suffix(&place).unwrap_or(&text);
        let line = line.or((error.line() > 0).then_some(error.line() as u64));
        Self::new(path, line, format!("{what} (column {})", error.column()))
    }

    pub(crate) fn of_trace(error: TraceError) -> Self {
        match error {
            TraceError::Read(path, error) => Self::read(&path, &error),
            TraceError::Line { path, line, what } => Self::new(&path, Some(line), what),
            TraceError::Empty(path) => {
                Self::new(&path, None, "holds no request; give a file with one a line")
            }
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.what)
    }
}

impl Fails for FileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
