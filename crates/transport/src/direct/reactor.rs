//! Sockets that are read by a thread of their own.
//!
//! A stream's tokens are a few dozen bytes each. To wake a request's task and to find the way down to its
//! socket, an async runtime touches far more memory than reading them does,
//! and after each pause that memory is cold. So one thread, the reactor, waits for all sockets and passes what
//! arrives to their [`Reader`]s; the request's task sleeps until its reader has enough.
//! Bytes are stamped there, too, so a busy runtime delays no stamp.

use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::runtime::Handle;

use crate::body::WaitingFor;

mod slot;
mod thread;

pub(super) use slot::Slot;
use thread::Reactor;

/// Takes a connection's bytes as they arrive.
pub(super) trait Reader: Send + 'static {
    /// Takes the bytes of one read; none when the server has closed the connection, which must give `Done`.
    /// Must not read from a connection.
    fn take(&mut self, bytes: &[u8]) -> ReadOutcome;

    /// Takes the error of a socket that cannot be read.
    fn fail(&mut self, error: &io::Error);

    /// The limit that applies; `None` when the task can go on.
    fn waiting_for(&self) -> Option<WaitingFor>;

    /// Asks the processor for the memory that [`take`](Self::take) will need.
    fn prefetch(&self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    NeedMore,
    /// More is needed, and another limit applies from now on.
    LimitChanged,
    Done,
}

/// Sockets of one reactor, from which on another is started where the runtime has more threads.
const SOCKETS: usize = 512;

/// The reactors of one client.
pub(super) struct Reactors<R: Reader>(Mutex<Vec<Arc<Reactor<R>>>>);

impl<R: Reader> Default for Reactors<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// True when another reactor should be started.
fn is_worth_another(reactors: usize, least_sockets: usize, threads: usize) -> bool {
    reactors < threads && least_sockets >= SOCKETS
}

impl<R: Reader> Reactors<R> {
    /// Registers a connected, non-blocking socket. Must be called inside a runtime.
    pub(super) fn register(
        &self,
        socket: TcpStream,
        read_at_once: usize,
    ) -> io::Result<ReactorSocket<R>> {
        let socket = mio::net::TcpStream::from_std(socket);
        let reactor = self.least_busy()?;
        let (key, socket) = reactor.add(socket, read_at_once)?;
        Ok(ReactorSocket {
            reactor,
            key,
            socket,
        })
    }

    fn least_busy(&self) -> io::Result<Arc<Reactor<R>>> {
        let threads = Handle::current().metrics().num_workers();
        let mut reactors = self.0.lock();
        reactors.retain(|reactor| reactor.ensure_running().is_ok());
        let least = reactors.iter().min_by_key(|reactor| reactor.sockets());
        if let Some(least) = least
            && !is_worth_another(reactors.len(), least.sockets(), threads)
        {
            return Ok(Arc::clone(least));
        }
        let reactor = Arc::new(Reactor::start()?);
        reactors.push(Arc::clone(&reactor));
        Ok(reactor)
    }
}

pub(super) fn is_quiet(socket: &SockRef<'_>) -> bool {
    let peeked = socket.peek(&mut [MaybeUninit::uninit()]);
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// A socket that a reactor reads; closed when dropped.
pub(super) struct ReactorSocket<R: Reader> {
    reactor: Arc<Reactor<R>>,
    key: usize,
    /// Written and peeked at without the lock of all sockets.
    socket: Arc<mio::net::TcpStream>,
}

impl<R: Reader> ReactorSocket<R> {
    /// True while it is open and has nothing to read.
    pub(super) fn is_quiet(&self) -> bool {
        is_quiet(&SockRef::from(&*self.socket)) && self.reactor.ensure_running().is_ok()
    }

    /// Lends the socket's slot, to attach a reader to it and to take that back.
    pub(super) fn with_slot<T>(&self, take: impl FnOnce(&mut Slot<R>) -> T) -> T {
        self.reactor.with_slot(self.key, take)
    }

    /// The limit that applies; `None` once the task can go on. The task is woken when that changes.
    pub(super) fn waiting_for(&self, context: &mut Context<'_>) -> io::Result<Option<WaitingFor>> {
        let waiting_for = self.with_slot(|slot| slot.waiting_for(context));
        match waiting_for {
            // Checked after the waker is stored, so that an end in between wakes the task.
            Some(_) => self.reactor.ensure_running().map(|()| waiting_for),
            None => Ok(None),
        }
    }

    pub(super) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        while self.with_slot(|slot| slot.begin_write(context)) {
            match (&*self.socket).write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                written => {
                    self.with_slot(Slot::has_written);
                    if !matches!(&written, Err(e) if e.kind() == io::ErrorKind::Interrupted) {
                        return Poll::Ready(written);
                    }
                }
            }
        }
        match self.reactor.ensure_running() {
            Ok(()) => Poll::Pending,
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }
}

impl<R: Reader> Drop for ReactorSocket<R> {
    fn drop(&mut self) {
        self.reactor.remove(self.key);
    }
}

#[cfg(test)]
mod tests;
