//! Back pressure for a load whose rows reach the disk more slowly than they are made.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use clock::Clock;
use domain::Nanos;
use domain::record::RequestRecord;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// Memory of the rows that wait for the disk, in bytes. A row is always accepted, so that no running stream waits
/// for the disk; above `limit`, the next request does not start.
#[derive(Debug, Default)]
pub struct Backlog {
    limit: u64,
    bytes: AtomicU64,
    most: AtomicU64,
    waits: AtomicU32,
    waited: AtomicU64,
    freed: Notify,
    /// The same signal for a thread that blocks.
    freed_thread: (Mutex<()>, Condvar),
}

impl Backlog {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The approximate memory of a row, bytes.
    pub fn size_of(record: &RequestRecord) -> u64 {
        /// Bytes of the texts of a row: names, model, digest.
        const TEXTS: usize = 256;
        (size_of::<RequestRecord>() + TEXTS + 8 * record.times.chunks.len()) as u64
    }

    pub fn add(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    /// Removes written rows of this total size.
    pub fn take(&self, bytes: u64) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before > self.limit && before - bytes <= self.limit {
            self.freed.notify_waiters();
            let _guard = self.freed_thread.0.lock();
            self.freed_thread.1.notify_all();
        }
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) > self.limit
    }

    /// Returns when another request may start. Virtual time stands still meanwhile.
    pub(super) async fn room(&self, clock: &Clock) {
        if !self.is_full() {
            return;
        }
        self.waits.fetch_add(1, Ordering::Relaxed);
        if clock.is_virtual() {
            // The only thread waits, and with it the clock.
            let (mutex, freed) = &self.freed_thread;
            freed.wait_while(&mut mutex.lock(), |()| self.is_full());
            return;
        }
        let began = clock.now();
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registers before it checks, so that no notification in between is missed.
            freed.as_mut().enable();
            if !self.is_full() {
                break;
            }
            freed.await;
        }
        let waited = clock.now().since(began);
        self.waited.fetch_add(waited.0, Ordering::Relaxed);
    }

    /// Requests that were held back.
    pub fn waits(&self) -> u32 {
        self.waits.load(Ordering::Relaxed)
    }

    /// How long they were held back in total; always zero in virtual time.
    pub fn waited(&self) -> Nanos {
        Nanos(self.waited.load(Ordering::Relaxed))
    }

    /// The largest size of the backlog, bytes.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}
