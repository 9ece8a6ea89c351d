//! The thread that waits for many sockets, and reads them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use parking_lot::Mutex;
use slab::Slab;

use super::slot::{SharedSlot, Slot};

/// Most events taken from the selector at once.
const EVENTS: usize = 256;

/// Pause between two visits of a socket that always has more, so that its task can lock it. At up to a
/// megabyte a visit, the server waits for the client, not the other way round.
const YIELD_INTERVAL: Duration = Duration::from_millis(1);

/// The token of the waker that stops the thread; no socket has this number.
const STOP: Token = Token(usize::MAX);

/// A reactor; its thread ends when this is dropped.
pub(super) struct Reactor {
    shared: Arc<Shared>,
    stop: mio::Waker,
}

/// The state that the thread shares with the owners of its sockets.
struct Shared {
    registry: Registry,
    /// Locked only to find a slot.
    slots: Mutex<Slab<Arc<SharedSlot>>>,
    /// `slots` has changed since the thread copied it.
    has_changed: AtomicBool,
    /// Asks the thread to end.
    stops: AtomicBool,
    /// The thread has ended.
    ended: AtomicBool,
}

impl Reactor {
    pub(super) fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let stop = mio::Waker::new(poll.registry(), STOP)?;
        let shared = Arc::new(Shared {
            registry: poll.registry().try_clone()?,
            slots: Mutex::default(),
            has_changed: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let end = ThreadEnd(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || run(poll, &end.0))?;
        Ok(Self { shared, stop })
    }

    /// Fails once the thread has ended: a reader panicked, or the selector failed.
    pub(super) fn ensure_running(&self) -> io::Result<()> {
        if self.shared.ended.load(Ordering::Acquire) {
            return Err(io::Error::other("the thread that reads sockets has ended"));
        }
        Ok(())
    }

    pub(super) fn sockets(&self) -> usize {
        self.shared.slots.lock().len()
    }

    /// Adds a socket, and returns its number and its slot.
    pub(super) fn add(
        &self,
        mut socket: TcpStream,
        read_at_once: usize,
    ) -> io::Result<(usize, Arc<SharedSlot>)> {
        let mut slots = self.shared.slots.lock();
        // Set before the socket can have an event; the thread then waits for the lock.
        self.shared.has_changed.store(true, Ordering::Release);
        let entry = slots.vacant_entry();
        let key = entry.key();
        let both = Interest::READABLE | Interest::WRITABLE;
        self.shared
            .registry
            .register(&mut socket, Token(key), both)?;
        let slot = Arc::new(SharedSlot::new(Slot::new(socket, read_at_once)));
        entry.insert(Arc::clone(&slot));
        Ok((key, slot))
    }

    /// Removes a socket and closes it.
    pub(super) fn remove(&self, key: usize) {
        let slot = self.shared.slots.lock().remove(key);
        self.shared.has_changed.store(true, Ordering::Release);
        // The thread may keep the slot until its next event, but not the socket.
        if let Some(mut socket) = slot.lock().socket.take() {
            // Closing it would suffice, unless its descriptor was duplicated.
            let _ = self.shared.registry.deregister(&mut socket);
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        // A selector that cannot be woken has no sockets any more.
        let _ = self.stop.wake();
    }
}

/// Wakes every waiting task when the thread ends for any reason.
struct ThreadEnd(Arc<Shared>);

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        let slots: Vec<_> =
            (self.0.slots.lock().iter().map(|(_, slot)| Arc::clone(slot))).collect();
        let wakers = slots.iter().filter_map(|slot| slot.lock().take_waker());
        wakers.for_each(Waker::wake);
    }
}

fn run(mut poll: Poll, shared: &Shared) {
    let mut events = Events::with_capacity(EVENTS);
    let mut wakers = Vec::new();
    // A copy, so that an event needs only the lock of its slot, and no reference count.
    let mut slots: Vec<Option<Arc<SharedSlot>>> = Vec::new();
    // Sockets with more than is read in a row: a server that never pauses must not delay the others.
    let mut unread = Vec::new();
    while !shared.stops.load(Ordering::Acquire) {
        let wait = (!unread.is_empty()).then_some(YIELD_INTERVAL);
        match poll.poll(&mut events, wait) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::error!(%error, "sockets cannot be waited for");
                return;
            }
            Ok(()) => {}
        }
        let has_changed = shared.has_changed.load(Ordering::Acquire);
        if has_changed && shared.has_changed.swap(false, Ordering::AcqRel) {
            let known = shared.slots.lock();
            slots.clear();
            for (key, slot) in &*known {
                slots.resize(key, None);
                slots.push(Some(Arc::clone(slot)));
            }
        }
        let slot = |key: usize| slots.get(key).and_then(Option::as_deref);
        unread.retain(|&key| slot(key).is_some_and(|slot| slot.lock().read_on(&mut wakers)));
        for event in &events {
            let key = event.token().0;
            let has_more = slot(key).is_some_and(|slot| slot.lock().on_event(event, &mut wakers));
            if has_more && !unread.contains(&key) {
                unread.push(key);
            }
        }
        // All sockets are read and stamped before the tasks are woken.
        wakers.drain(..).for_each(Waker::wake);
    }
}
