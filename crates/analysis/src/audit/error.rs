//! Errors of a claims file and of the data that it is tested against.

use std::path::{Path, PathBuf};

use domain::exit::{Exit, Fails};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::load::LoadError;

/// The version of claims files and table files that this crate reads.
const SCHEMA: i64 = 2;

/// A claims file, a table file or a data file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    #[error("{path}: cannot be read: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Refused {
        path: PathBuf,
        /// From 1; `None` where the line is unknown.
        line: Option<usize>,
        /// Which entry and key, what is wrong, and what would be right.
        problem: String,
    },
}

impl Fails for AuditError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl From<LoadError> for AuditError {
    fn from(error: LoadError) -> Self {
        let line = error.line.map(|line| line as usize);
        Self::invalid(&error.path, line, error.kind.to_string())
    }
}

impl AuditError {
    /// The error of a file that was read and is wrong; `line` counts from 1.
    pub(super) fn invalid(
        path: &Path,
        line: impl Into<Option<usize>>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Refused {
            path: path.to_owned(),
            line: line.into(),
            problem: problem.into(),
        }
    }

    /// The text of a file. Fails when it cannot be read.
    pub(super) fn read(path: &Path) -> Result<String, Self> {
        std::fs::read_to_string(path).map_err(|source| Self::Read {
            path: path.to_owned(),
            source,
        })
    }

    /// Parses a TOML text. Also fails when its `schema` is not [`SCHEMA`].
    pub(super) fn versioned<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Self> {
        #[derive(Deserialize)]
        struct Head {
            schema: toml::Spanned<i64>,
        }
        let Head { schema } = Self::toml(path, text)?;
        let problem = match schema.get_ref() {
            &SCHEMA => return Self::toml(path, text),
            1 => "1 is the layout with formulas; rewrite each `recompute` as a SQL query, as in fixtures/tr113/claims.toml, and set the schema to 2".to_owned(),
            other => format!("{other} is unknown; this version reads 2"),
        };
        let line = line_of(text, schema.span().start);
        let problem = format!("key `schema`: {problem}");
        Err(Self::invalid(path, line, problem))
    }

    /// Parses a TOML text. Fails with the line and the key that do not fit `T`.
    pub(super) fn toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Self> {
        let refuse = |error: &toml::de::Error, place: String| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            Self::invalid(path, line, format!("{place}: {}", error.message()))
        };
        let parsed = toml::Deserializer::parse(text)
            .map_err(|error| refuse(&error, "not TOML".to_owned()))?;
        serde_path_to_error::deserialize(parsed).map_err(|error| {
            let place = match error.path().to_string().as_str() {
                "." => "the file".to_owned(),
                path => format!("key `{path}`"),
            };
            refuse(error.inner(), place)
        })
    }
}

/// The line number, from 1, of a byte offset.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Why a recomputation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecomputeError {
    /// The data lack what the query needs: rows, values, or a divisor that is not 0.
    #[error("{0}")]
    MissingData(String),
    /// The query is not allowed, cannot be run, or gives another shape than expected.
    #[error("{0}")]
    InvalidQuery(String),
}

impl RecomputeError {
    pub(super) fn wrong<T>(problem: impl Into<String>) -> Result<T, Self> {
        Err(Self::InvalidQuery(problem.into()))
    }

    pub(super) fn lacking<T>(problem: impl Into<String>) -> Result<T, Self> {
        Err(Self::MissingData(problem.into()))
    }
}
