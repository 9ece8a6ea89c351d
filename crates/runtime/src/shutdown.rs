//! Stopping a sweep in two levels.

use std::io;

use domain::Nanos;
use tokio_util::sync::CancellationToken;

/// Stops a sweep. Clones act as one.
///
/// - Level one ([`Shutdown::stop`]): nothing new begins. Requests in flight may still end within
///   the grace period, then they are cancelled.
/// - Level two ([`Shutdown::abort`]): requests in flight are cancelled now.
///
/// Either way every request that was begun leaves its row, and the arm is recorded as not complete.
#[derive(Debug, Clone)]
pub struct Shutdown {
    stop: CancellationToken,
    abort: CancellationToken,
    grace: Nanos,
}

/// How far a shutdown has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownLevel {
    /// Not asked for.
    Running,
    /// Nothing new begins.
    Stopping,
    /// What runs is cancelled.
    Aborted,
}

impl Shutdown {
    /// `grace` is the clock time that requests in flight get after [`Shutdown::stop`]; with zero
    /// they are cancelled at once.
    pub fn new(grace: Nanos) -> Self {
        Self {
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            grace,
        }
    }

    /// One step further, as each Ctrl-C does; returns the level reached.
    pub fn request(&self) -> ShutdownLevel {
        match self.level() {
            ShutdownLevel::Running => self.stop(),
            ShutdownLevel::Stopping | ShutdownLevel::Aborted => self.abort(),
        }
        self.level()
    }

    /// Nothing new begins; requests in flight have the grace period.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Cancels what runs.
    pub fn abort(&self) {
        self.stop.cancel();
        self.abort.cancel();
    }

    /// How far it has gone.
    pub fn level(&self) -> ShutdownLevel {
        if self.abort.is_cancelled() {
            ShutdownLevel::Aborted
        } else if self.stop.is_cancelled() {
            ShutdownLevel::Stopping
        } else {
            ShutdownLevel::Running
        }
    }

    /// Takes each Ctrl-C as a [`Shutdown::request`]; `told` hears the level reached, to say it on
    /// the terminal. Run it beside the sweep and drop it with it: it returns only when the signal
    /// cannot be listened to.
    pub async fn on_ctrl_c(&self, told: impl Fn(ShutdownLevel)) -> io::Error {
        // One listener for all of them: one made anew for each could miss a second Ctrl-C that
        // comes while the first is being told.
        let mut pressed = match interrupts() {
            Ok(pressed) => pressed,
            Err(e) => return e,
        };
        while pressed.recv().await.is_some() {
            told(self.request());
        }
        io::Error::other("the signal can no longer be listened to")
    }

    /// Begin nothing new once this is cancelled.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Drop what runs once this is cancelled.
    pub(crate) fn aborted(&self) -> &CancellationToken {
        &self.abort
    }

    pub(crate) fn grace(&self) -> Nanos {
        self.grace
    }
}

#[cfg(unix)]
fn interrupts() -> io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(windows)]
fn interrupts() -> io::Result<tokio::signal::windows::CtrlC> {
    tokio::signal::windows::ctrl_c()
}
