//! What can be wrong with a claims file or the data it is tested against.

use std::path::{Path, PathBuf};

use domain::exit::{Exit, Fails};

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
    /// Something in a file does not fit.
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where the reader knows it.
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

impl AuditError {
    pub(super) fn refused(
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

    /// The text of a file.
    pub(super) fn read(path: &Path) -> Result<String, Self> {
        std::fs::read_to_string(path).map_err(|source| Self::Read {
            path: path.to_owned(),
            source,
        })
    }

    /// What a TOML text holds.
    pub(super) fn toml<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Self> {
        let refuse = |error: &toml::de::Error, place: String| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Self::refused(path, line, format!("{place}: {}", error.message()))
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

/// A recomputation that cannot be done with the data at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecomputeError {
    /// The data lack what the formula needs: rows, values or a divisor that is not 0.
    #[error("{0}")]
    Lacking(String),
    /// The formula cannot be read, or names what is not there.
    #[error("{0}")]
    Wrong(String),
}

impl RecomputeError {
    pub(super) fn wrong<T>(problem: impl Into<String>) -> Result<T, Self> {
        Err(Self::Wrong(problem.into()))
    }

    pub(super) fn lacking<T>(problem: impl Into<String>) -> Result<T, Self> {
        Err(Self::Lacking(problem.into()))
    }
}
