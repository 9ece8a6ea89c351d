//! How a command ends: one table of exit codes for all binaries, and the errors that end a command.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::FromRepr, strum::VariantArray)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// It ran to its end, but a request, an arm, a check or a gate failed. Results are kept.
    SomeFailed = 1,
    /// Wrong usage, or an input that cannot be used.
    Usage = 2,
    /// The environment is not ready: no server, no model, a full disk, no permission.
    Environment = 3,
    /// The data do not decide a gate.
    Undecided = 4,
    /// Ctrl-C, SIGTERM or SIGHUP. Records are kept.
    Interrupted = 130,
}

/// The text that the `--help` of every binary shows.
pub const EXIT_CODES: &str = "Exit codes: 0 done; 1 done, but a request, an arm, a check or a gate failed; 2 wrong usage, or \
     an input that cannot be used; 3 the environment is not ready (no server, no model, disk full, no \
     permission); 4 the data do not decide a gate; 130 interrupted (Ctrl-C, SIGTERM or SIGHUP).";

impl Exit {
    pub const fn code(self) -> u8 {
        self as u8
    }

    pub const fn of_run(interrupted: bool, some_failed: bool) -> Self {
        match (interrupted, some_failed) {
            (true, _) => Self::Interrupted,
            (false, true) => Self::SomeFailed,
            (false, false) => Self::Done,
        }
    }

    /// The end of a command with this exit code; an unknown code is a failure.
    pub fn of_code(code: i32) -> Self {
        let known = u8::try_from(code).ok().and_then(Self::from_repr);
        known.unwrap_or(Self::SomeFailed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error with the exit code of a command that fails with it.
pub trait Fails: Error + Send + Sync + 'static {
    fn exit(&self) -> Exit;

    fn hint(&self) -> Option<String> {
        None
    }
}

impl Fails for io::Error {
    fn exit(&self) -> Exit {
        Exit::Environment
    }
}

impl Fails for serde_json::Error {
    fn exit(&self) -> Exit {
        if self.is_io() {
            Exit::Environment
        } else {
            Exit::Usage
        }
    }
}

type AnyError = Box<dyn Error + Send + Sync>;

/// An error that ends a command, with advice for the user.
#[derive(Debug)]
pub struct Fatal {
    exit: Exit,
    /// The operation that failed, if the error does not name it.
    doing: Option<String>,
    error: AnyError,
    hint: Option<String>,
}

impl Fatal {
    fn new(exit: Exit, error: impl Into<AnyError>) -> Self {
        Self {
            exit,
            doing: None,
            error: error.into(),
            hint: None,
        }
    }

    /// Wrong usage, or an input that cannot be used.
    pub fn usage(error: impl Into<AnyError>) -> Self {
        Self::new(Exit::Usage, error)
    }

    pub fn environment(error: impl Into<AnyError>) -> Self {
        Self::new(Exit::Environment, error)
    }

    fn doing(mut self, doing: impl Into<String>) -> Self {
        self.doing = Some(doing.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a further fact after the error.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.error = format!("{self}; {more}").into();
        self.doing = None;
        self
    }

    pub fn is_usage(&self) -> bool {
        self.exit == Exit::Usage
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The error and the hint, one line each.
    pub fn lines(&self) -> String {
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}\n"));
        format!("error: {self}\n{}", hint.collect::<String>())
    }
}

/// An error and its causes, outermost first.
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        (*error).source()
    })
}

/// A text with the messages of an error and its causes, but for those that it repeats already.
pub fn with_causes(mut text: String, error: &(dyn Error + 'static)) -> String {
    for cause in causes(error) {
        let words = cause.to_string();
        if !text.contains(&words) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{words}");
        }
    }
    text
}

impl fmt::Display for Fatal {
    /// The error with its causes; a cause that the error repeats in its own text is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = self.doing.clone().unwrap_or_default();
        f.write_str(&with_causes(doing, self.error.as_ref()))
    }
}

impl<E: Fails> From<E> for Fatal {
    fn from(error: E) -> Self {
        let (exit, hint) = (error.exit(), error.hint());
        Self {
            hint,
            ..Self::new(exit, error)
        }
    }
}

/// Converts a failure to a [`Fatal`] with the operation that failed.
pub trait OrFatal<T> {
    /// Ends the command as wrong usage.
    fn or_usage(self, doing: impl Into<String>) -> Result<T, Fatal>;

    /// Ends the command because the environment is not ready.
    fn or_environment(self, doing: impl Into<String>) -> Result<T, Fatal>;
}

pub trait Hint<T> {
    fn hint(self, hint: impl Into<String>) -> Result<T, Fatal>;
}

impl<T, E: Into<Fatal>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> Result<T, Fatal> {
        self.map_err(|error| error.into().hint(hint))
    }
}

impl<T, E: Into<AnyError>> OrFatal<T> for Result<T, E> {
    fn or_usage(self, doing: impl Into<String>) -> Result<T, Fatal> {
        self.map_err(|error| Fatal::usage(error).doing(doing))
    }

    fn or_environment(self, doing: impl Into<String>) -> Result<T, Fatal> {
        self.map_err(|error| Fatal::environment(error).doing(doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("plan.toml could not be read: {0}")]
    struct Repeats(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("no report")]
    struct Wraps(#[source] Repeats);

    #[test]
    fn an_error_shows_each_cause_once_and_its_hint() {
        let error = || Wraps(Repeats(io::Error::other("disk full")));
        let fatal = Fatal::environment(error()).hint("make room");
        let words = "no report: plan.toml could not be read: disk full";
        assert_eq!(fatal.lines(), format!("error: {words}\nhint: make room\n"));
        let failed: Result<(), _> = Err(error());
        let fatal = failed.or_usage("sweep").unwrap_err();
        assert_eq!((fatal.exit().code(), fatal.is_usage()), (2, true));
        let expected = format!("sweep: {words}; really");
        assert_eq!(fatal.and("really").to_string(), expected);
        assert_eq!(Fatal::usage("just words").lines(), "error: just words\n");
    }

    #[test]
    fn typed_errors_bring_their_exit_code() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Fatal::from(full()).exit(), Exit::Environment);
        let bad = serde_json::from_str::<u8>("x").unwrap_err();
        assert_eq!(Fatal::from(bad).exit(), Exit::Usage);
    }

    #[test]
    fn the_table_names_every_code() {
        for exit in <Exit as strum::VariantArray>::VARIANTS {
            assert!(EXIT_CODES.contains(&format!("{} ", exit.code())));
            assert_eq!(Exit::of_code(exit.code().into()), *exit);
        }
    }
}
