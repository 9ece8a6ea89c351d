//! One socket at its reactor.

use std::io::{self, Read as _, Write as _};
use std::task::{Context, Poll, Waker};

use mio::event::Event;
use mio::net::TcpStream;

use super::{Awaits, Reader, Took};
use crate::buffer::with_buffer;

/// Reads at a time of a socket that always has more.
const READS_AT_A_TIME: usize = 16;

/// One socket: what is known of it, and who waits for it.
pub(super) struct Slot {
    pub(super) socket: TcpStream,
    /// Most bytes that are read at once.
    read_at_once: usize,
    /// The selector tells changes alone, so what it said last holds until the socket says otherwise.
    readable: bool,
    writable: bool,
    /// The server has closed its side, or the connection broke: it is read until it says so.
    closed: bool,
    lent: Option<Lent>,
    /// Waits for what the reader waits for.
    reads: Option<Waker>,
    writes: Option<Waker>,
}

/// Who takes what arrives.
struct Lent {
    reader: Box<dyn Reader>,
    /// It wants no more.
    enough: bool,
}

impl Slot {
    pub(super) fn new(socket: TcpStream, read_at_once: usize) -> Self {
        Self {
            socket,
            read_at_once,
            readable: false,
            writable: true,
            closed: false,
            lent: None,
            reads: None,
            writes: None,
        }
    }

    /// Takes note of what the selector says, and reads. True when there may be more to read now. Whoever is
    /// to be woken comes to `woken`: the slot is not to be locked any more then.
    pub(super) fn happened(&mut self, event: &Event, woken: &mut Vec<Waker>) -> bool {
        let closed = event.is_read_closed() || event.is_error();
        if event.is_writable() || closed {
            self.writable = true;
            woken.extend(self.writes.take());
        }
        if event.is_readable() || closed {
            self.readable = true;
            self.closed |= closed;
        }
        self.read_on(woken)
    }

    /// Lets the reader have what there is, if there is one. True when there may be more.
    pub(super) fn read_on(&mut self, woken: &mut Vec<Waker>) -> bool {
        if !self.wants_to_read() {
            return false;
        }
        with_buffer(self.read_at_once, |buffer| {
            for _ in 0..READS_AT_A_TIME {
                self.read_once(buffer, woken);
                if !self.wants_to_read() {
                    return false;
                }
            }
            true
        })
    }

    fn wants_to_read(&self) -> bool {
        self.readable && self.lent.as_ref().is_some_and(|lent| !lent.enough)
    }

    fn read_once(&mut self, buffer: &mut [u8], woken: &mut Vec<Waker>) {
        let Some(lent) = &mut self.lent else {
            return;
        };
        let took = match self.socket.read(buffer) {
            Ok(count) => {
                self.closed |= count == 0;
                // A short read has emptied the socket, and what comes later is told.
                if count < buffer.len() && !self.closed {
                    self.readable = false;
                }
                lent.reader.take(&buffer[..count])
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return,
            Err(e) => {
                lent.reader.broke(e);
                Took::Enough
            }
        };
        if took != Took::More {
            lent.enough |= took == Took::Enough;
            woken.extend(self.reads.take());
        }
    }

    /// Everything that arrives is the reader's from now on, until it is taken back.
    pub(super) fn lend(&mut self, reader: Box<dyn Reader>) {
        let enough = reader.awaits().is_none();
        self.lent = Some(Lent { reader, enough });
    }

    pub(super) fn take_back(&mut self) -> Option<Box<dyn Reader>> {
        self.reads = None;
        self.lent.take().map(|lent| lent.reader)
    }

    /// What the reader waits for.
    pub(super) fn awaits(&mut self, context: &mut Context<'_>) -> Option<Awaits> {
        // What had come before the reader did is not told again. Nobody else waits for it.
        if self.read_on(&mut Vec::new()) {
            context.waker().wake_by_ref();
        }
        let awaits = self.lent.as_ref()?.reader.awaits()?;
        await_with(&mut self.reads, context);
        Some(awaits)
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        while self.writable {
            match self.socket.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
        await_with(&mut self.writes, context);
        Poll::Pending
    }

    /// Everybody who waits.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.reads.take().into_iter().chain(self.writes.take())
    }
}

fn await_with(waker: &mut Option<Waker>, context: &Context<'_>) {
    if !(waker.as_ref()).is_some_and(|known| known.will_wake(context.waker())) {
        *waker = Some(context.waker().clone());
    }
}
