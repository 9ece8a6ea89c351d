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

    /// One step further, as each signal does; returns the level reached.
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

    /// Takes each Ctrl-C, each SIGTERM and each SIGHUP as a [`Shutdown::request`]; `told` hears the level
    /// reached, to say it on the terminal. Run it beside the sweep and drop it with it: it returns only
    /// when the signal cannot be listened to.
    pub async fn on_signal(&self, told: impl Fn(ShutdownLevel)) -> io::Error {
        // One listener for all of them: one made anew for each could miss a second signal that
        // comes while the first is being told.
        let mut pressed = match Interrupts::new() {
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

/// Waits for the first Ctrl-C, SIGTERM or SIGHUP.
///
/// It listens from the call on, not only once what it returns is polled.
pub fn asked_to_stop() -> impl Future<Output = io::Result<()>> {
    let interrupts = Interrupts::new();
    async {
        match interrupts?.recv().await {
            Some(()) => Ok(()),
            None => Err(io::Error::other("the signal can no longer be listened to")),
        }
    }
}

/// What asks a program to stop: Ctrl-C, and on Unix SIGTERM, which `kill`, service managers and batch
/// systems send, and SIGHUP, which a closed terminal and a lost connection send.
struct Interrupts {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// None where SIGHUP is ignored, as under `nohup`: what ignores it must outlive its terminal.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: (!ignores_hangup())
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        })
    }

    #[cfg(windows)]
    fn new() -> io::Result<Self> {
        let interrupt = tokio::signal::windows::ctrl_c()?;
        Ok(Self { interrupt })
    }

    #[cfg(unix)]
    async fn recv(&mut self) -> Option<()> {
        let Self {
            interrupt,
            terminate,
            hangup,
        } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = interrupt.recv() => asked,
            asked = terminate.recv() => asked,
            asked = hung_up => asked,
        }
    }

    #[cfg(windows)]
    async fn recv(&mut self) -> Option<()> {
        self.interrupt.recv().await
    }
}

/// True when SIGHUP does not end this process. Where the system does not tell, it is taken to be so:
/// SIGHUP then does what it did before.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit is signal 1, SIGHUP.
    ignored.is_none_or(|mask| mask & 1 == 1)
}
