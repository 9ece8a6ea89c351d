//! The thread that waits for many sockets, and reads them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;

use super::slot::Slot;

/// Events taken from the selector at once.
const EVENTS: usize = 256;

/// Between two turns of a socket that always has more: its own task gets at it meanwhile. At a megabyte a
/// turn it is the other side that waits.
const BREATH: Duration = Duration::from_millis(1);

/// What wakes the thread when it is to end; no socket has this number.
const STOP: Token = Token(usize::MAX);

/// A reactor; its thread ends when this is dropped.
pub(super) struct Reactor {
    ground: Arc<Ground>,
    stop: mio::Waker,
}

/// A socket's slot, which its task and the thread take in turns.
pub(super) type Shared = Arc<Turns>;

/// A lock that the thread leaves to the task whenever that wants it: a mutex alone goes to whoever asks first
/// once it is free, which is the thread of a socket that always has more.
pub(super) struct Turns {
    slot: Mutex<Slot>,
    waiting: AtomicUsize,
}

impl Turns {
    fn new(slot: Slot) -> Self {
        Self {
            slot: Mutex::new(slot),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The slot, for the task.
    pub(super) fn of_task(&self) -> MutexGuard<'_, Slot> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let slot = self.locked();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        slot
    }

    /// The slot, for the thread, once no task waits for it.
    fn of_thread(&self) -> MutexGuard<'_, Slot> {
        while self.waiting.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        self.locked()
    }

    /// A panic of a reader leaves nothing half done in the slot.
    fn locked(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread shares with those whose sockets they are.
struct Ground {
    registry: Registry,
    /// Locked for no longer than it takes to find one: a busy reactor keeps nobody waiting.
    slots: Mutex<Slab<Shared>>,
    /// The thread is to end.
    stops: AtomicBool,
    /// The thread has ended.
    ended: AtomicBool,
}

impl Ground {
    fn slots(&self) -> MutexGuard<'_, Slab<Shared>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a slot that is there still. True when its socket may have more to read.
    fn visit(&self, key: usize, act: impl FnOnce(&mut Slot) -> bool) -> bool {
        let slot = self.slots().get(key).map(Arc::clone);
        slot.is_some_and(|slot| act(&mut slot.of_thread()))
    }
}

impl Reactor {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let stop = mio::Waker::new(poll.registry(), STOP)?;
        let ground = Arc::new(Ground {
            registry: poll.registry().try_clone()?,
            slots: Mutex::default(),
            stops: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let ending = Ending {
            ground: Arc::clone(&ground),
            woken: Vec::new(),
        };
        std::thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || run(poll, ending))?;
        Ok(Self { ground, stop })
    }

    /// True once nobody reads any more: a reader panicked, or the selector does not work.
    pub(super) fn has_ended(&self) -> bool {
        self.ground.ended.load(Ordering::Acquire)
    }

    /// An error once nobody reads any more.
    pub(super) fn is_there(&self) -> io::Result<()> {
        if self.has_ended() {
            return Err(io::Error::other("the thread that reads sockets has ended"));
        }
        Ok(())
    }

    /// How many sockets it has.
    pub(super) fn sockets(&self) -> usize {
        self.ground.slots().len()
    }

    /// Takes a socket on; says its number and its slot.
    pub(super) fn add(
        &self,
        mut socket: TcpStream,
        read_at_once: usize,
    ) -> io::Result<(usize, Shared)> {
        let mut slots = self.ground.slots();
        let entry = slots.vacant_entry();
        let key = entry.key();
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = &self.ground.registry;
        registry.register(&mut socket, Token(key), both)?;
        let slot = Arc::new(Turns::new(Slot::new(socket, read_at_once)));
        entry.insert(Arc::clone(&slot));
        Ok((key, slot))
    }

    /// Lets go of a socket, which is closed with its slot.
    pub(super) fn remove(&self, key: usize) {
        let slot = self.ground.slots().remove(key);
        // Closing it would do, but for a descriptor that somebody had copied.
        let _ = self.ground.registry.deregister(&mut slot.of_task().socket);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.ground.stops.store(true, Ordering::Release);
        // A selector that cannot be woken is woken by nothing else either: its sockets are gone.
        let _ = self.stop.wake();
    }
}

/// However the thread ends, nobody waits for it any longer.
struct Ending {
    ground: Arc<Ground>,
    /// Are to be woken after this turn.
    woken: Vec<Waker>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ground.ended.store(true, Ordering::Release);
        let slots: Vec<_> =
            (self.ground.slots().iter().map(|(_, slot)| Arc::clone(slot))).collect();
        for slot in slots {
            self.woken.extend(slot.of_thread().waiting());
        }
        self.woken.drain(..).for_each(Waker::wake);
    }
}

fn run(mut poll: Poll, mut ending: Ending) {
    let Ending { ground, woken } = &mut ending;
    let mut events = Events::with_capacity(EVENTS);
    // Sockets that had more than is read at a time: a server that never pauses must not keep
    // everybody else waiting.
    let mut unread = Vec::new();
    while !ground.stops.load(Ordering::Acquire) {
        let wait = (!unread.is_empty()).then_some(BREATH);
        match poll.poll(&mut events, wait) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::error!(%error, "sockets cannot be waited for");
                return;
            }
            Ok(()) => {}
        }
        // One that was closed meanwhile is gone.
        unread.retain(|&key| ground.visit(key, |slot| slot.read_on(woken)));
        for event in &events {
            let key = event.token().0;
            let more = ground.visit(key, |slot| slot.happened(event, woken));
            if more && !unread.contains(&key) {
                unread.push(key);
            }
        }
        // First all stamps, then whoever they are for.
        woken.drain(..).for_each(Waker::wake);
    }
}
