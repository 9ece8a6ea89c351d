//! Sockets that a thread of their own reads.
//!
//! A stream's tokens are a few dozen bytes each. What an async runtime does to wake the task of a request,
//! and what the task does to find the way down to its socket, touches far more memory than reading them,
//! and after each pause all of it is cold. So one thread, the reactor, waits for all sockets and itself
//! takes what they bring to their [`Reader`]s; the request's task sleeps until its reader has enough.
//! Bytes are stamped there, too: a busy runtime delays no stamp.

use std::any::Any;
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use domain::Stamp;
use socket2::SockRef;
use tokio::runtime::Handle;

mod reactor;
mod slot;

use reactor::{Reactor, Shared};

/// What takes a connection's bytes as they arrive.
pub(crate) trait Reader: Any + Send {
    /// Takes what was read at once: nothing when the server has closed the connection, and then this is
    /// enough. Must not read from a connection.
    fn take(&mut self, bytes: &[u8]) -> Took;

    /// The socket cannot be read.
    fn broke(&mut self, error: io::Error);

    /// What is being waited for; nothing when the task can go on.
    fn awaits(&self) -> Option<Awaits>;
}

/// What some bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    /// More is wanted.
    More,
    /// More is wanted, and something else is waited for from now on.
    Turned,
    /// No more is wanted.
    Enough,
}

/// Which limit holds while more is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The one from the send to the first sign of an answer.
    First,
    /// The one from this arrival to the next.
    After(Stamp),
    /// The grace after the arrival of all of the answer, and after the last arrival.
    End(Stamp, Stamp),
}

/// Sockets of one reactor, before another is started where the runtime has more threads.
const SOCKETS: usize = 512;

/// The reactors of one transport.
#[derive(Default)]
pub(crate) struct Reactors(Mutex<Vec<Arc<Reactor>>>);

/// Another reactor is worth its thread.
fn is_worth_another(reactors: usize, least_sockets: usize, threads: usize) -> bool {
    reactors < threads && least_sockets >= SOCKETS
}

impl Reactors {
    /// Takes a connected socket on, which does not block. Must be called inside a runtime.
    pub(crate) fn take_on(&self, socket: TcpStream, read_at_once: usize) -> io::Result<Wire> {
        let socket = mio::net::TcpStream::from_std(socket);
        let reactor = self.least_busy()?;
        let (key, slot) = reactor.add(socket, read_at_once)?;
        Ok(Wire { reactor, key, slot })
    }

    fn least_busy(&self) -> io::Result<Arc<Reactor>> {
        let threads = Handle::current().metrics().num_workers();
        let mut reactors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reactors.retain(|reactor| !reactor.has_ended());
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

/// A socket at its reactor; closed when dropped.
pub(crate) struct Wire {
    reactor: Arc<Reactor>,
    key: usize,
    slot: Shared,
}

impl Wire {
    /// True while it is open and nobody has said anything.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(&self.slot.of_task().socket).peek(&mut [MaybeUninit::uninit()]);
        !self.reactor.has_ended()
            && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Hands everything that arrives to `reader`, from now until it is taken back.
    pub(crate) fn lend(&self, reader: Box<dyn Reader>) {
        self.slot.of_task().lend(reader);
    }

    /// Takes the reader back.
    pub(crate) fn take_back(&self) -> Option<Box<dyn Reader>> {
        self.slot.of_task().take_back()
    }

    /// What the reader waits for: the task is woken when that changes. Nothing once the task can go on.
    pub(crate) fn awaits(&self, context: &mut Context<'_>) -> io::Result<Option<Awaits>> {
        let awaits = self.slot.of_task().awaits(context);
        match awaits {
            // Looked at after the waker is known, so that an end meanwhile wakes it.
            Some(_) => self.reactor.is_there().map(|()| awaits),
            None => Ok(None),
        }
    }

    /// Writes some of the bytes.
    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.slot.of_task().poll_write(context, bytes);
        match (&written, self.reactor.is_there()) {
            (Poll::Pending, Err(ended)) => Poll::Ready(Err(ended)),
            _ => written,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reactor.remove(self.key);
    }
}

#[cfg(test)]
mod tests;
