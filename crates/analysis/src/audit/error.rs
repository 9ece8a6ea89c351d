//! What can be wrong with a claims file or the data it is tested against.

use domain::exit::{Exit, Fails};
use std::path::{Path, PathBuf};

/// A claims file, a table file or a data file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file could not be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not TOML, or an entry of it does not fit.
    #[error("{path}:{line}: {entry}: {problem}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// Line of the entry, from 1.
        line: usize,
        /// Which claim, cell or quantity, and the key inside it.
        entry: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A row of a data table does not fit.
    #[error("{path}:{line}: {problem}")]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A figures file holds something that is neither a number nor text.
    #[error("{path}: key `{key}`: {problem}")]
    Figure {
        /// The file.
        path: PathBuf,
        /// The dotted key.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl Fails for AuditError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl AuditError {
    /// An entry of a file that does not fit.
    pub(super) fn entry(
        path: &Path,
        line: usize,
        entry: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Entry {
            path: path.to_owned(),
            line,
            entry: entry.into(),
            problem: problem.into(),
        }
    }

    /// A text that is not TOML.
    pub(super) fn toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Self::entry(path, line, "not TOML", error.message())
    }

    /// The text of a file.
    pub(super) fn read(path: &Path) -> Result<String, Self> {
        std::fs::read_to_string(path).map_err(|source| Self::Read {
            path: path.to_owned(),
            source,
        })
    }
}

/// The line of a byte of a text, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count() + 1
}

/// A recomputation that cannot be done with the data at hand.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecomputeError {
    /// There is no such set of rows.
    #[error("no rows named `{name}`; there are {known}")]
    UnknownRows {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The rows have no such column.
    #[error("rows `{rows}` have no column `{column}`; they have {known}")]
    UnknownColumn {
        /// The rows.
        rows: String,
        /// The column asked for.
        column: String,
        /// Those there are.
        known: String,
    },
    /// No row was left to compute with.
    #[error("no row of `{rows}` has a value of `{column}` where {condition}")]
    NoRows {
        /// The rows.
        rows: String,
        /// The column asked for.
        column: String,
        /// The condition, as written.
        condition: String,
    },
    /// More rows are needed.
    #[error("{needs} needs at least {least} values, rows `{rows}` give {have}")]
    TooFew {
        /// What was to be computed.
        needs: &'static str,
        /// How many it takes.
        least: usize,
        /// The rows.
        rows: String,
        /// How many there are.
        have: usize,
    },
    /// There is no such figure.
    #[error("no figure or quantity `{key}`{}", nearest(.near.as_deref()))]
    UnknownFigure {
        /// The key asked for.
        key: String,
        /// A known key that looks like it.
        near: Option<String>,
    },
    /// A number was needed and a text was found, or the other way round.
    #[error("`{key}` is {found}, {wanted} is needed")]
    Kind {
        /// Where.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A division by zero.
    #[error("division by zero in {what}")]
    Zero {
        /// The computation.
        what: String,
    },
    /// A quantity refers to itself.
    #[error("quantity `{key}` refers to itself")]
    Circular {
        /// The quantity.
        key: String,
    },
}

fn nearest(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; is `{near}` meant?"))
}
