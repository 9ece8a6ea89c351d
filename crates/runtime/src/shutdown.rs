//! Stopping a sweep in two levels.

use std::io;
use std::task::Poll;

use clock::Clock;
use domain::Nanos;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

/// Stops a sweep or a load. Clones share their state.
///
/// - Level one ([`Shutdown::stop`]): nothing new starts. Requests in flight may end within the grace period and
///   are cancelled after it.
/// - Level two ([`Shutdown::abort`]): requests in flight are cancelled now.
///
/// Either way every request that was started leaves its row, and the arm is recorded as not complete.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    abort: CancellationToken,
    grace: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownLevel {
    Running,
    /// Nothing new starts.
    Stopping,
    /// Requests in flight are cancelled.
    Aborted,
}

impl Shutdown {
    /// `grace` is the time, on the sweep's clock, that requests in flight have after [`Shutdown::stop`].
    pub fn new(grace: Nanos) -> Self {
        Self {
            grace,
            ..Self::default()
        }
    }

    /// Goes to the next level, as each signal does, and returns it.
    pub fn request(&self) -> ShutdownLevel {
        match self.level() {
            ShutdownLevel::Running => self.stop(),
            ShutdownLevel::Stopping | ShutdownLevel::Aborted => self.abort(),
        }
        self.level()
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub fn abort(&self) {
        self.stop.cancel();
        self.abort.cancel();
    }

    pub fn level(&self) -> ShutdownLevel {
        if self.abort.is_cancelled() {
            ShutdownLevel::Aborted
        } else if self.stop.is_cancelled() {
            ShutdownLevel::Stopping
        } else {
            ShutdownLevel::Running
        }
    }

    /// Handles each Ctrl-C, SIGTERM and SIGHUP as a [`Shutdown::request`] and calls `on_level` with the level
    /// reached. Runs until it is dropped; returns only when signals cannot be received.
    pub async fn on_signal(&self, on_level: impl Fn(ShutdownLevel)) -> io::Error {
        // One listener for all signals: a new one for each could miss a signal that comes meanwhile.
        let mut interrupts = match interrupts() {
            Ok(interrupts) => interrupts,
            Err(e) => return e,
        };
        while interrupts.next().await.is_some() {
            on_level(self.request());
        }
        ended()
    }

    /// Aborts when the grace period after [`Shutdown::stop`] is over. Never returns.
    pub(crate) async fn abort_after_grace(&self, clock: &Clock) -> std::convert::Infallible {
        self.stop.cancelled().await;
        clock.sleep(self.grace).await;
        self.abort();
        std::future::pending().await
    }

    /// Cancelled when nothing new may start.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when requests in flight are to be dropped.
    pub(crate) fn aborted(&self) -> &CancellationToken {
        &self.abort
    }
}

/// The future's output, or `None` once the token is cancelled, even if both are ready.
pub(crate) async fn unless<F: Future>(token: &CancellationToken, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        () = token.cancelled() => None,
        output = future => Some(output),
    }
}

/// Waits for the first Ctrl-C, SIGTERM or SIGHUP after this call, even one that comes before the future is polled.
/// Fails when signals cannot be received.
pub fn asked_to_stop() -> impl Future<Output = io::Result<()>> {
    let interrupts = interrupts();
    async { interrupts?.next().await.ok_or_else(ended) }
}

fn ended() -> io::Error {
    io::Error::other("signals can no longer be received")
}

/// The signals that ask a program to stop: Ctrl-C, and on Unix SIGTERM (`kill`, service managers, batch systems)
/// and SIGHUP (a closed terminal, a lost connection), unless it is ignored, as under `nohup`: the process must then
/// outlive its terminal. Fails when signals cannot be received; ends when they no longer can.
fn interrupts() -> io::Result<impl Stream<Item = ()> + Unpin> {
    #[cfg(unix)]
    let mut signals = {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        kinds.extend((!ignores_hangup()).then(SignalKind::hangup));
        let signals: io::Result<Vec<_>> = kinds.into_iter().map(signal).collect();
        signals?
    };
    #[cfg(windows)]
    let mut signals = [tokio::signal::windows::ctrl_c()?];
    Ok(stream::poll_fn(move |cx| {
        let mut polled = signals.iter_mut().map(|signal| signal.poll_recv(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    }))
}

/// True if SIGHUP is ignored, and where the system does not say: SIGHUP then keeps its effect.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit is signal 1, SIGHUP.
    ignored.is_none_or(|mask| mask & 1 == 1)
}
