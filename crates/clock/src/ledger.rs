//! Counts what is in flight between parts of one process while time is virtual.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One request and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// Units in flight per exchange. A unit is a request, a response head, a body byte or the end of a body; sender and
/// receiver must count alike.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Open>,
    posted: Notify,
}

/// The open exchanges. `in_flight` counts those with units in flight, because the guard asks at every turn of the
/// runtime.
#[derive(Debug, Default)]
struct Open {
    /// Exchanges opened so far; their ids count from 1.
    opened: u64,
    units: HashMap<ExchangeId, i64>,
    in_flight: usize,
}

impl Open {
    fn add(&mut self, id: ExchangeId, units: i64) {
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

    fn remove(&mut self, id: ExchangeId) {
        if self.units.remove(&id).is_some_and(|count| count > 0) {
            self.in_flight -= 1;
        }
    }
}

impl Ledger {
    /// The header that carries an exchange's id from client to server, so that both post and take
    /// under the same one. Sent only to an embedded simulator.
    pub const HEADER: &str = "x-tandem-exchange";

    fn entries(&self) -> MutexGuard<'_, Open> {
        let open = self.shared.open.lock();
        open.unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open(&self) -> ExchangeId {
        let mut open = self.entries();
        open.opened += 1;
        let id = ExchangeId(open.opened);
        open.units.insert(id, 0);
        id
    }

    /// Puts units on the wire. Does nothing for a closed exchange.
    pub fn post(&self, id: ExchangeId, units: u64) {
        self.entries().add(id, units.cast_signed());
        self.shared.posted.notify_one();
    }

    /// Takes units off the wire. Does nothing for a closed exchange.
    pub fn take(&self, id: ExchangeId, units: u64) {
        self.entries().add(id, -units.cast_signed());
    }

    /// Ends an exchange and drops what is still posted: the client has its answer or has given up.
    pub fn close(&self, id: ExchangeId) {
        self.entries().remove(id);
    }

    /// Keeps the runtime from idling, and so virtual time from moving, while anything is in flight.
    pub(crate) async fn guard(self) {
        loop {
            while self.entries().in_flight > 0 {
                // A yield lets tokio poll its I/O driver without parking, and only parking moves a paused clock.
                tokio::task::yield_now().await;
            }
            self.shared.posted.notified().await;
        }
    }
}
