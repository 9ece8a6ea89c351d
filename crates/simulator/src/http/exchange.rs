//! One HTTP exchange from the server's side: its place in the virtual-time ledger and its line in
//! the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clock::LedgerEntry;

use crate::driver::{RequestLog, World};

/// State that a connection and its exchanges share.
#[derive(Debug, Default)]
pub(crate) struct Control {
    reset: AtomicBool,
    /// Requests whose heads were read, and those of them that have ended.
    heads: AtomicU64,
    ended: AtomicU64,
}

impl Control {
    pub(crate) fn head_read(&self) {
        self.heads.fetch_add(1, Ordering::AcqRel);
    }

    /// Heads read so far, while no request is in progress: later bytes belong to the next head.
    pub(crate) fn awaits_head(&self) -> Option<u64> {
        let heads = self.heads.load(Ordering::Acquire);
        (self.ended.load(Ordering::Acquire) == heads).then_some(heads)
    }

    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }
}

/// One exchange. It is logged when it is dropped, however it ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(super) world: Arc<World>,
    pub(super) control: Arc<Control>,
    pub(super) ledger_entry: Option<LedgerEntry>,
    pub(crate) line: RequestLog,
}

impl Exchange {
    fn post(&self, units: u64) {
        if let Some(entry) = &self.ledger_entry {
            entry.post(units);
        }
    }

    /// The head is about to be sent.
    pub(crate) fn responded(&mut self, status: u16) {
        self.line.status = Some(status);
        self.line.responded = Some(self.world.clock().now());
        self.post(1);
    }

    /// Bytes of the body are about to be sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.line.bytes += bytes as u64;
        self.post(bytes as u64);
    }

    /// The end of the body is about to be sent.
    pub(crate) fn whole(&mut self) {
        self.line.whole = true;
        self.post(1);
    }

    /// Resets the connection. The unit posted here is never taken: virtual time stops until the
    /// client has closed its exchange.
    pub(crate) fn reset(&mut self) {
        self.control.reset();
        self.post(1);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.control.ended.fetch_add(1, Ordering::AcqRel);
        let now = self.world.clock().now();
        self.line.ended = now;
        self.line.took = now.since(self.line.received);
        self.world.log_request(self.line.clone());
    }
}
