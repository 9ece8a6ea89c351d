//! Errors of inputs and results folders. Each names the file, the line if there is one, and the fix.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Component, Path, PathBuf};

use domain::exit::{Exit, Fails};
use domain::record::Provenance;

#[derive(Debug, thiserror::Error)]
pub struct LoadError {
    pub path: PathBuf,
    /// The line in the file, from 1, when known.
    pub line: Option<u64>,
    #[source]
    pub kind: LoadErrorKind,
    /// Whether the rest can be read without this part, if `keep_going` is set.
    pub can_be_left_out: bool,
}

impl Fails for LoadError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint =
            "correct it, or leave it out with --keep-going; the report says what was left out";
        self.can_be_left_out.then(|| hint.to_owned())
    }
}

impl LoadError {
    /// For a file as a whole.
    pub fn new(path: &Path, kind: LoadErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            kind,
            can_be_left_out: false,
        }
    }

    /// For a line, counted from 1.
    pub fn at(path: &Path, line: u64, kind: LoadErrorKind) -> Self {
        Self {
            line: Some(line),
            ..Self::new(path, kind)
        }
    }

    /// Marks the error as one of a part without which the rest can be read.
    #[must_use]
    pub fn of_a_part(mut self) -> Self {
        self.can_be_left_out = true;
        self
    }

    /// An I/O error. A missing file has its own kind.
    pub fn io(path: &Path, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => LoadErrorKind::NotFound,
            _ => LoadErrorKind::Io(error),
        };
        Self::new(path, kind)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadErrorKind {
    #[error("no such file or folder")]
    NotFound,
    #[error("cannot be read: {0}")]
    Io(io::Error),
    #[error("the file is empty")]
    Empty,
    #[error(
        "not a kind of input that is understood; give a sweep's folder (manifest.json), a load's (load.json), a capacity run's \
         (capacity.json), a calibration's (calibration.json), a folder of recorded runs (<config>/run_1/metrics.json), a figures table or a published table (.csv)"
    )]
    NotUnderstood,
    #[error("{what}: {message}")]
    Json { what: &'static str, message: String },
    #[error("not a well-formed table: {0}")]
    Csv(String),
    #[error("the table has no column `{column}`; it has: {}", known.join(", "))]
    MissingColumn { column: String, known: Vec<String> },
    #[error("column `{column}` holds `{value}`, which is not {expected}")]
    BadCell {
        column: String,
        value: String,
        expected: &'static str,
    },
    #[error("`{0}` cannot be a configuration id; use letters, digits, `.`, `_` and `-`")]
    BadConfigId(String),
    #[error("schema {found} is newer than this program understands ({supported}); update tandem")]
    NewerSchema { found: u64, supported: u32 },
    #[error(
        "schema {found} is older than this program reads ({supported}); measure again, or use the tandem that wrote it"
    )]
    OlderSchema { found: u64, supported: u32 },
    #[error("this is {what}, which stands alone; report it by `report --input FOLDER`")]
    CannotPool { what: &'static str },
    #[error("nothing in it could be loaded")]
    NothingLoaded,
    #[error("this is given twice, and a run counts once")]
    GivenTwice,
    #[error("this is {found} and an earlier input is {other}; give inputs of one kind")]
    MixedKinds {
        found: &'static str,
        other: &'static str,
    },
    #[error(
        "{found} data cannot be pooled with {other} data in one report; \
         use `tandem-report compare` to set them side by side"
    )]
    MixedProvenance {
        found: Provenance,
        other: Provenance,
    },
}

/// Why a results folder cannot be written, or a run cannot be resumed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    #[error(
        "{} is in use by another run{}; wait for it or give another --out", dir.display(), owner_note(*owner)
    )]
    InUse {
        dir: PathBuf,
        /// Id of the other process, if known.
        owner: Option<u32>,
    },
    #[error("{} already holds a sweep; continue it with --resume, or give another --out", .0.display())]
    AlreadyThere(PathBuf),
    #[error("nothing to resume: no file {}; name the folder of a run, or start a new one with --out", .0.display())]
    NothingThere(PathBuf),
    #[error("failed to read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("failed to write {}; earlier records are kept, continue with --resume once there is room", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("failed to write {}; nothing was recorded: make room or give another --out, and start again", .0.display())]
    Begin(PathBuf, #[source] io::Error),
    #[error(
        "{} was removed or moved during the run, which stopped; a folder that was moved can be continued with --resume at its new place", .0.display()
    )]
    Gone(PathBuf),
    #[error("{} is a link, which a results folder may not contain; replace it by the file, or give another --out", .0.display())]
    Link(PathBuf),
    #[error(transparent)]
    BadManifest(LoadError),
    #[error(
        "{}: schema {found} is older than the one that this program writes ({supported}), so the sweep cannot be resumed; \
         `report` reads it as it is, or start a new sweep", path.display()
    )]
    OlderSchema {
        path: PathBuf,
        found: u64,
        supported: u32,
    },
    #[error("{}:{line}: {message}; remove the line, or start a new sweep", path.display())]
    CorruptJournal {
        path: PathBuf,
        line: u64,
        message: String,
    },
    #[error("{} was started with other settings, so it cannot be resumed: {}; resume with the same plan and flags, or start a new sweep", dir.display(), differences.join("; "))]
    NotTheSame {
        dir: PathBuf,
        /// Each as `key: recorded X, now Y`.
        differences: Vec<String>,
    },
}

impl FolderError {
    pub(crate) fn ensure_exists(path: &Path) -> Result<(), Self> {
        let path = path.to_owned();
        if path.exists() {
            Ok(())
        } else {
            Err(Self::NothingThere(path))
        }
    }

    /// The error of a failed write to `path`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Gone(path),
            _ => Self::Write(path, source),
        }
    }

    /// The error of a failed write to `path` at the start of a new run.
    pub fn begin(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Begin(path, source)
    }

    /// The same error if nothing has been recorded yet, so that there is nothing to resume.
    #[must_use]
    pub fn before_anything(self) -> Self {
        match self {
            Self::Write(path, source) => Self::Begin(path, source),
            other => other,
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Read(path, source)
    }
}

impl Fails for FolderError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(..)
            | Self::Write(..)
            | Self::Begin(..)
            | Self::Gone(_)
            | Self::OlderSchema { .. }
            | Self::CorruptJournal { .. } => Exit::Environment,
            _ => Exit::Usage,
        }
    }
}

fn owner_note(owner: Option<u32>) -> String {
    owner.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// What is left out of inputs while they are read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Whether parts that cannot be read are left out. Without it, they are errors.
    pub keep_going: bool,
    pub skipped: Vec<SkippedPart>,
    /// Such as last lines that were cut off, which are left out in any case.
    pub warnings: Vec<String>,
}

impl LeftOut {
    pub fn new(keep_going: bool) -> Self {
        Self {
            keep_going,
            ..Self::default()
        }
    }

    /// A part of an input; `None` for one that cannot be read and is skipped. Without `keep_going`, its error.
    pub fn or_skip<T>(&mut self, part: Result<T, LoadError>) -> Result<Option<T>, LoadError> {
        match part {
            Err(LoadError {
                path, line, kind, ..
            }) if self.keep_going => {
                let reason = kind.to_string();
                self.skipped.push(SkippedPart { path, line, reason });
                Ok(None)
            }
            part => part.map(Some).map_err(LoadError::of_a_part),
        }
    }
}

/// A part of an input that was left out because `keep_going` was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedPart {
    pub path: PathBuf,
    pub line: Option<u64>,
    pub reason: String,
}

impl SkippedPart {
    /// One line with the last two parts of the path.
    pub fn line(&self) -> String {
        let line = self.line.map_or(String::new(), |n| format!(" line {n}"));
        format!("skipped {}{line}: {}", short(&self.path), self.reason)
    }
}

/// The last two parts of a path, with forward slashes.
pub fn short(path: &Path) -> String {
    let parts = path.components().filter_map(|c| match c {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    let parts: Vec<_> = parts.collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

/// The first few of `items`, and how many more.
pub fn listed(items: &[String], most: usize) -> String {
    let mut text = items[..items.len().min(most)].join(", ");
    if items.len() > most {
        let _ = write!(text, " and {} more", items.len() - most);
    }
    text
}
