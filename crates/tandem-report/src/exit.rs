//! How the program ends, and how an error is told.

use std::fmt::{self, Write as _};
use std::io;

use analysis::audit::AuditError;
use analysis::load::LoadError;
use analysis::report::ReportError;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All is well.
    Ok = 0,
    /// A check or a gate failed.
    Failed = 1,
    /// Wrong usage, or an input that cannot be used.
    BadInput = 2,
    /// The machine would not: a disk that is full, a folder that cannot be written.
    Environment = 3,
}

/// An error with the exit code it leads to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    error: anyhow::Error,
    hint: Option<&'static str>,
}

impl Failure {
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error
            .chain()
            .filter_map(|e| e.downcast_ref::<io::Error>())
            .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::BadInput,
            error: error.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (depth, cause) in self.error.chain().enumerate() {
            let cause = cause.to_string();
            // Some errors repeat their source in their own text.
            if !text.contains(&cause) {
                let separator = if depth == 0 { "error: " } else { ": " };
                let _ = write!(text, "{separator}{cause}");
            }
        }
        f.write_str(&text)?;
        if let Some(hint) = self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let can_be_left_out = error.can_be_left_out;
        let failure = Self::bad_input(error);
        if can_be_left_out {
            return failure.hint(
                "mend it, or leave it out with --keep-going; the report says what was left out",
            );
        }
        failure
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::bad_input(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        let exit = match &error {
            ReportError::Write { .. } | ReportError::Read { .. } => Exit::Environment,
            _ => Exit::BadInput,
        };
        Self {
            exit,
            error: error.into(),
            hint: None,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            exit: Exit::Environment,
            error: error.into(),
            hint: None,
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            return io::Error::from(error).into();
        }
        Self::bad_input(error)
    }
}
