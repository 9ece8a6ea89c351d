//! The thread that waits for many sockets, and reads them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use parking_lot::{FairMutex, FairMutexGuard};
use slab::Slab;

use super::Reader;
use super::slot::{READS_AT_A_TIME, Slot};

/// Most events taken from the selector at once.
const EVENTS: usize = 256;

/// Pause between two visits of a socket that always has more, so that its task can lock it. At up to a
/// megabyte a visit, the server waits for the client, not the other way round.
const YIELD_INTERVAL: Duration = Duration::from_millis(1);

/// The token of the waker that stops the thread; no socket has this number.
const STOP: Token = Token(usize::MAX);

/// A reactor; its thread ends when this is dropped.
pub(super) struct Reactor<R> {
    shared: Arc<Shared<R>>,
    stop: mio::Waker,
}

/// The state that the thread shares with the owners of its sockets.
struct Shared<R> {
    registry: Registry,
    /// One lock for all sockets: the thread takes it once for all events of a wait, and lets others have it between
    /// two sockets. A plain mutex would go to the first that asks once it is free, which is the thread where a socket
    /// always has more.
    slots: FairMutex<Slab<Slot<R>>>,
    /// Asks the thread to end.
    stops: AtomicBool,
    /// The thread has ended.
    ended: AtomicBool,
}

impl<R: Reader> Reactor<R> {
    pub(super) fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let stop = mio::Waker::new(poll.registry(), STOP)?;
        let shared = Arc::new(Shared {
            registry: poll.registry().try_clone()?,
            slots: FairMutex::default(),
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

    /// Adds a socket, and returns its number.
    pub(super) fn add(
        &self,
        mut socket: TcpStream,
        read_at_once: usize,
    ) -> io::Result<(usize, Arc<TcpStream>)> {
        let mut slots = self.shared.slots.lock();
        let entry = slots.vacant_entry();
        let key = entry.key();
        let both = Interest::READABLE | Interest::WRITABLE;
        (self.shared.registry).register(&mut socket, Token(key), both)?;
        let socket = Arc::new(socket);
        entry.insert(Slot::new(Arc::clone(&socket), read_at_once));
        Ok((key, socket))
    }

    /// Forgets a socket. It is closed when its owner drops it.
    pub(super) fn remove(&self, key: usize) {
        self.shared.slots.lock().remove(key);
    }

    /// Lends a socket's slot.
    pub(super) fn with_slot<T>(&self, key: usize, take: impl FnOnce(&mut Slot<R>) -> T) -> T {
        take(&mut self.shared.slots.lock()[key])
    }
}

impl<R> Drop for Reactor<R> {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        // A selector that cannot be woken has no sockets any more.
        let _ = self.stop.wake();
    }
}

/// Wakes every waiting task when the thread ends for any reason.
struct ThreadEnd<R: Reader>(Arc<Shared<R>>);

impl<R: Reader> Drop for ThreadEnd<R> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        let mut slots = self.0.slots.lock();
        let wakers: Vec<_> = (slots.iter_mut().filter_map(|(_, slot)| slot.take_waker())).collect();
        drop(slots);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn run<R: Reader>(mut poll: Poll, shared: &Shared<R>) {
    let mut events = Events::with_capacity(EVENTS);
    let mut wakers = Vec::new();
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
        let mut slots = shared.slots.lock();
        // The processor's cache has lost since their last tokens what the streams need. Asked for here, it comes while the
        // system reads the sockets.
        (events.iter().filter_map(|event| slots.get(event.token().0))).for_each(Slot::prefetch);
        unread.retain(|&key| {
            let slot = slots.get_mut(key);
            let has_more = slot.is_some_and(|slot| slot.read_on(READS_AT_A_TIME, &mut wakers));
            FairMutexGuard::bump(&mut slots);
            has_more
        });
        for event in &events {
            let key = event.token().0;
            let slot = slots.get_mut(key);
            let has_more = slot.is_some_and(|slot| slot.on_event(event, &mut wakers));
            if has_more && !unread.contains(&key) {
                unread.push(key);
            }
            FairMutexGuard::bump(&mut slots);
        }
        drop(slots);
        // All sockets are read and stamped before the tasks are woken.
        wakers.drain(..).for_each(Waker::wake);
    }
}
