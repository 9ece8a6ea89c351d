//! How the process ends, in one place.

use std::process::ExitCode;

/// Documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All went well.
    Done,
    /// Done, but some requests or arms failed; they are in the data.
    SomeFailed,
    /// A server cannot be reached.
    NotReady,
    /// Interrupted; what was recorded is kept.
    Interrupted,
}

impl ExitStatus {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::NotReady => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// An error that ends the process, with what the user can do about it.
#[derive(Debug)]
pub(crate) struct Fatal {
    code: u8,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Fatal {
    /// Wrong usage, or a plan that is refused: exit code 2.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 2,
            error: error.into(),
            hint: None,
        }
    }

    /// The environment is not ready: exit code 3.
    pub(crate) fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 3,
            error: error.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what else is known about the error, after it.
    pub(crate) fn context(mut self, more: impl std::fmt::Display) -> Self {
        self.error = anyhow::anyhow!("{:#}; {more}", self.error);
        self
    }

    /// True for what the user typed or set wrong.
    pub(crate) fn is_usage(&self) -> bool {
        self.code == 2
    }

    /// What to do about it.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Prints the error and gives its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {:#}", self.error);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}
