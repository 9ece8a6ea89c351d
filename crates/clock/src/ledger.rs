//! Counts what is in flight between parts of one process while time is virtual.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Clock;

/// Units in flight per exchange. A unit is a request, a response head, a body byte or the end of a body; sender and
/// receiver must count alike.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: Mutex<Open>,
    posted: Notify,
}

/// The open exchanges. `in_flight` counts those with units in flight, because the guard asks at every turn of the
/// runtime.
#[derive(Debug, Default)]
struct Open {
    /// Exchanges opened so far; their ids count from 1.
    opened: u64,
    units: HashMap<u64, i64>,
    in_flight: usize,
}

impl Open {
    fn add(&mut self, id: u64, units: i64) {
        let Some(count) = self.units.get_mut(&id) else {
            return;
        };
        let before = *count > 0;
        *count += units;
        match (before, *count > 0) {
            (false, true) => self.in_flight += 1,
            (true, false) => self.in_flight -= 1,
            _ => {}
        }
    }
}

impl Ledger {
    /// Keeps the runtime from idling, and so virtual time from moving, while anything is in flight.
    pub(crate) async fn guard(self: Arc<Self>) {
        loop {
            while self.open.lock().in_flight > 0 {
                // A yield lets tokio poll its I/O driver without parking, and only parking moves a paused clock.
                tokio::task::yield_now().await;
            }
            self.posted.notified().await;
        }
    }
}

/// One side's place in an exchange: one request and its response.
#[derive(Debug)]
pub struct LedgerEntry {
    ledger: Arc<Ledger>,
    id: u64,
    is_client: bool,
}

impl Clock {
    /// The client's side of a new exchange, whose request is put on the wire; `None` unless time is virtual. Dropping
    /// it ends the exchange and drops what is still posted: the client has its answer or has given up.
    pub fn post_request(&self) -> Option<LedgerEntry> {
        let ledger = self.inner.ledger.clone()?;
        let mut open = ledger.open.lock();
        open.opened += 1;
        let id = open.opened;
        open.units.insert(id, 0);
        drop(open);
        let entry = LedgerEntry {
            ledger,
            id,
            is_client: true,
        };
        entry.post(1);
        Some(entry)
    }

    /// The server's side of the exchange that a request's [`LedgerEntry::HEADER`] names, once all of the request is
    /// read; `None` unless time is virtual and the header has an id.
    pub fn take_request(&self, header: &str) -> Option<LedgerEntry> {
        let entry = LedgerEntry {
            ledger: self.inner.ledger.clone()?,
            id: header.parse().ok()?,
            is_client: false,
        };
        entry.take(1);
        Some(entry)
    }
}

impl LedgerEntry {
    /// The header that carries an exchange's id from client to server, so that both post and take
    /// under the same one. Sent only to an embedded simulator.
    pub const HEADER: &str = "x-tandem-exchange";

    pub fn id(&self) -> u64 {
        self.id
    }

    /// Puts units on the wire. Does nothing once the exchange has ended.
    pub fn post(&self, units: u64) {
        self.ledger.open.lock().add(self.id, units.cast_signed());
        self.ledger.posted.notify_one();
    }

    /// Takes units off the wire. Does nothing once the exchange has ended.
    pub fn take(&self, units: u64) {
        self.ledger.open.lock().add(self.id, -units.cast_signed());
    }
}

impl Drop for LedgerEntry {
    fn drop(&mut self) {
        if self.is_client {
            let mut open = self.ledger.open.lock();
            if open.units.remove(&self.id).is_some_and(|count| count > 0) {
                open.in_flight -= 1;
            }
        }
    }
}
