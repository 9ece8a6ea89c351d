//! Reading benchmark files.

use std::path::PathBuf;

/// Benchmark files could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The folder or a file in it could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No CSV file in the folder.
    #[error("no CSV file in {}; put benchmark tables there, or name another folder", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is not a table of figures.
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}
