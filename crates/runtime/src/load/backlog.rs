//! What holds a load back when its rows reach the disk slower than they are made.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use clock::Clock;
use domain::Nanos;
use domain::record::RequestRecord;
use tokio::sync::Notify;

/// Rows that wait for the disk, in bytes of memory. A row is always taken, so that no stream that
/// runs ever waits for a disk; while there are more than `limit`, the next request does not begin.
#[derive(Debug)]
pub struct Backlog {
    limit: u64,
    bytes: AtomicU64,
    most: AtomicU64,
    waits: AtomicU32,
    waited: AtomicU64,
    freed: Notify,
    /// The same signal for whoever waits with a thread.
    freed_thread: (Mutex<()>, Condvar),
}

impl Backlog {
    /// Holds back above so many bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            bytes: AtomicU64::new(0),
            most: AtomicU64::new(0),
            waits: AtomicU32::new(0),
            waited: AtomicU64::new(0),
            freed: Notify::new(),
            freed_thread: (Mutex::new(()), Condvar::new()),
        }
    }

    /// What a row takes in memory, about.
    pub fn size_of(record: &RequestRecord) -> u64 {
        /// The texts of a row besides its stamps: names, model, digest.
        const TEXTS: usize = 256;
        (size_of::<RequestRecord>() + TEXTS + 8 * record.times.chunks.len()) as u64
    }

    /// A row of this size waits for the disk.
    pub fn add(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    /// Rows of this size together no longer do.
    pub fn take(&self, bytes: u64) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before > self.limit && before - bytes <= self.limit {
            self.freed.notify_waiters();
            let _held = self
                .freed_thread
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.freed_thread.1.notify_all();
        }
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) > self.limit
    }

    /// Returns when another request may begin. Virtual time stands still for it.
    pub(super) async fn room(&self, clock: &Clock) {
        if !self.is_full() {
            return;
        }
        self.waits.fetch_add(1, Ordering::Relaxed);
        if clock.is_virtual() {
            // The one thread waits, and with it the clock.
            let mut held = self
                .freed_thread
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            while self.is_full() {
                held = self
                    .freed_thread
                    .1
                    .wait(held)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            return;
        }
        let began = clock.now();
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Listens before it looks, so that what happens between the two is not missed.
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

    /// For how long, all together. None of it in virtual time.
    pub fn waited(&self) -> Nanos {
        Nanos(self.waited.load(Ordering::Relaxed))
    }

    /// The most bytes that waited at one time.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}
