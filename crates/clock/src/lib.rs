//! The one clock of a sweep. Everything that is stamped or slept goes through it.
//!
//! Three kinds of time, one type:
//! - [`Clock::real`]: simulated seconds are real seconds. For real servers.
//! - [`Clock::scaled`]: clock seconds pass faster or slower than real ones. For a simulator with external clients.
//! - [`Clock::start_virtual`]: nothing is waited for. tokio's paused clock jumps to the next timer
//!   whenever nothing else can run, so a simulated hour takes as long as its events take to
//!   process, and durations do not depend on the host's load.
//!
//! Virtual time is only sound while nothing is on its way that the runtime cannot see. Bytes in a loopback socket are
//! such a thing: tokio may find its tasks idle, jump ahead, and only then see the readable socket. A ledger
//! closes that gap ([`LedgerEntry`]). A sender posts what it puts on the wire, a receiver takes it off, and while anything is posted a
//! guard task keeps the runtime busy so that time stands still.

mod alarm;
mod ledger;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{Nanos, Stamp};
use tokio::time::Instant;

pub use alarm::Alarm;
use ledger::Ledger;
pub use ledger::LedgerEntry;

/// tokio nanoseconds per clock nanosecond in virtual time. tokio's timers tick in whole
/// milliseconds; stretching time a thousandfold makes that one microsecond of clock time.
const VIRTUAL_STRETCH: u64 = 1000;

/// The runtime that virtual time needs: one thread, and paused from before its timers exist, so that clock time
/// falls on whole timer ticks. Fails when the system gives the runtime no timer or poll.
pub fn virtual_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
}

/// A handle on the sweep's clock; clones share the clock.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    epoch: Instant,
    /// Clock time that had passed at `epoch`: not zero when a stopped sweep goes on.
    offset: Nanos,
    rate: Rate,
    ledger: Option<Arc<Ledger>>,
}

/// How clock time runs against tokio's.
#[derive(Debug, Clone, Copy)]
enum Rate {
    Real,
    /// Clock nanoseconds per tokio nanosecond.
    Scaled(f64),
    Virtual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    fn new(rate: Rate, ledger: Option<Arc<Ledger>>, offset: Nanos) -> Self {
        Self {
            inner: Arc::new(Inner {
                epoch: Instant::now(),
                offset,
                rate,
                ledger,
            }),
        }
    }

    /// Real time, starting now at `offset`.
    pub fn real_from(offset: Nanos) -> Self {
        Self::new(Rate::Real, None, offset)
    }

    pub fn real() -> Self {
        Self::real_from(Nanos::ZERO)
    }

    /// `scale` clock seconds per real second, starting now. `scale` must be finite and above zero.
    pub fn scaled(scale: f64) -> Self {
        assert!(
            scale.is_finite() && scale > 0.0,
            "a time scale is a finite number above zero"
        );
        Self::new(Rate::Scaled(scale), None, Nanos::ZERO)
    }

    /// Virtual time, starting now at `offset`. Starts the guard task, so it must be called once,
    /// inside a runtime like [`virtual_runtime`]'s (or `#[tokio::test(start_paused = true)]`).
    pub fn start_virtual_from(offset: Nanos) -> Self {
        let ledger = Arc::new(Ledger::default());
        tokio::spawn(Arc::clone(&ledger).guard());
        Self::new(Rate::Virtual, Some(ledger), offset)
    }

    /// Virtual time, starting now. See [`Clock::start_virtual_from`].
    pub fn start_virtual() -> Self {
        Self::start_virtual_from(Nanos::ZERO)
    }

    /// Holds virtual time down to `scale` clock seconds per real second, for people who want to
    /// watch. Runs until dropped; does nothing on a clock that is not virtual.
    pub async fn pace(self, scale: f64) {
        if !self.is_virtual() {
            return;
        }
        #[expect(
            clippy::disallowed_types,
            reason = "pacing is against real time by definition"
        )]
        let started = std::time::Instant::now();
        let from = self.now();
        loop {
            self.sleep(Nanos::from_millis_f64(20.0 * scale)).await;
            let due = Duration::from_secs_f64(self.now().since(from).as_secs_f64() / scale);
            if let Some(wait) = due.checked_sub(started.elapsed()) {
                // While a blocking task runs, tokio's paused clock does not advance by itself.
                let _ = tokio::task::spawn_blocking(move || std::thread::sleep(wait)).await;
            }
        }
    }

    /// True when time is skipped rather than waited for.
    pub fn is_virtual(&self) -> bool {
        self.inner.ledger.is_some()
    }

    pub fn now(&self) -> Stamp {
        let elapsed = u64::try_from(self.inner.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let elapsed = match self.inner.rate {
            Rate::Real => elapsed,
            Rate::Scaled(scale) => (elapsed as f64 * scale).round() as u64,
            Rate::Virtual => elapsed / VIRTUAL_STRETCH,
        };
        Stamp(self.inner.offset.0 + elapsed)
    }

    fn to_tokio(&self, d: Nanos) -> Duration {
        Duration::from_nanos(match self.inner.rate {
            Rate::Real => d.0,
            Rate::Scaled(scale) => (d.0 as f64 / scale).round() as u64,
            Rate::Virtual => d.0.saturating_mul(VIRTUAL_STRETCH),
        })
    }

    pub async fn sleep(&self, d: Nanos) {
        tokio::time::sleep(self.to_tokio(d)).await;
    }

    /// Returns at once if `at` has passed.
    pub async fn sleep_until(&self, at: Stamp) {
        tokio::time::sleep_until(self.instant(at)).await;
    }

    /// Runs a future for at most `limit` of this clock. Fails when it has not ended by then.
    pub async fn timeout<F: Future>(&self, limit: Nanos, future: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.to_tokio(limit), future)
            .await
            .map_err(|_| Elapsed)
    }

    /// Runs CPU-bound work off the runtime's own threads. In virtual time the work takes the modelled time instead
    /// of the host's, so that a loaded host changes no duration. Fails when the work panics.
    pub async fn compute<T: Send + 'static>(
        &self,
        modelled: Nanos,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let result = tokio::task::spawn_blocking(work).await;
        if self.is_virtual() {
            self.sleep(modelled).await;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_is_exact_to_the_microsecond_and_waits_for_nothing() {
        let clock = Clock::start_virtual_from(Nanos::from_secs(5));
        assert_eq!(clock.now(), Stamp(5_000_000_000));
        clock.sleep(Nanos(10_017_000)).await;
        assert_eq!(clock.now(), Stamp(5_010_017_000));
        clock.sleep_until(Stamp(3_600_000_000_000)).await;
        assert_eq!(clock.now(), Stamp(3_600_000_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_posted_unit_holds_virtual_time_until_it_is_taken() {
        let clock = Clock::start_virtual();
        let entry = clock.post_request().expect("virtual");
        entry.post(1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Nanos::from_millis(1)).await }
        });
        for left in [1, 0] {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            assert_eq!(clock.now(), Stamp::ZERO, "time moved, {left} units to go");
            assert!(!sleeper.is_finished());
            entry.take(1);
        }
        sleeper.await.expect("not cancelled");
        assert_eq!(clock.now(), Stamp(1_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_exchange_holds_nothing() {
        let clock = Clock::start_virtual();
        let client = clock.post_request().expect("virtual");
        let server = clock.take_request(&client.id().to_string());
        let server = server.expect("virtual");
        server.post(5);
        drop(client);
        server.post(7);
        clock.sleep(Nanos::from_secs(1)).await;
        assert_eq!(clock.now(), Stamp(1_000_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn computed_work_takes_its_modelled_time_in_virtual_time() {
        let clock = Clock::start_virtual();
        let sum = clock
            .compute(Nanos::from_millis(7), || (1..=10).sum::<u32>())
            .await;
        assert_eq!(sum.expect("ran"), 55);
        assert_eq!(clock.now(), Stamp(7_000_000));
    }
}
