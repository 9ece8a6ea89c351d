//! One socket of a reactor.

use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};

use mio::event::Event;
use mio::net::TcpStream;
#[cfg(unix)]
use rustix::net::RecvFlags;

use super::{ReadOutcome, Reader, WaitingFor};
use crate::direct::buffer::with_buffer;
use crate::prefetch::prefetch;

/// Most reads in a row of a socket that always has more, by the thread.
pub(super) const READS_AT_A_TIME: usize = 16;

/// Whether a socket has something to read. The selector reports only changes, so its last report holds until the
/// socket would block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    No,
    Yes,
    /// The server has closed its side, or the connection broke: reading goes on until a read reports it.
    ToTheEnd,
}

/// One socket: its state, its reader, and the waker of the task that waits for it.
pub(in crate::direct) struct Slot<R> {
    pub(super) socket: Arc<TcpStream>,
    readable: Readable,
    writable: bool,
    /// The reader wants no more.
    is_done: bool,
    reader: Option<Box<R>>,
    waker: Option<Waker>,
    /// Most bytes that are read at once.
    read_at_once: usize,
}

/// Calls the system directly: the C library's function also looks whether another thread cancels this one, for as long
/// as reading a few bytes takes.
#[cfg(unix)]
fn read(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (_, count) = rustix::net::recv(socket, buffer, RecvFlags::empty())?;
    Ok(count)
}

#[cfg(not(unix))]
fn read(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    io::Read::read(&mut socket, buffer)
}

impl<R: Reader> Slot<R> {
    pub(super) fn new(socket: Arc<TcpStream>, read_at_once: usize) -> Self {
        Self {
            socket,
            readable: Readable::No,
            writable: true,
            is_done: true,
            reader: None,
            waker: None,
            read_at_once,
        }
    }

    /// Records an event, and reads. True when there may be more to read now. Wakers go to `wakers`, to
    /// be used when the slot is no longer locked.
    pub(super) fn on_event(&mut self, event: &Event, wakers: &mut Vec<Waker>) -> bool {
        let closed = event.is_read_closed() || event.is_error();
        if !self.writable && (event.is_writable() || closed) {
            self.writable = true;
            wakers.extend(self.waker.take());
        }
        if closed {
            self.readable = Readable::ToTheEnd;
        } else if event.is_readable() && self.readable == Readable::No {
            self.readable = Readable::Yes;
        }
        self.read_on(READS_AT_A_TIME, wakers)
    }

    /// Asks the processor for the memory that a token needs.
    pub(super) fn prefetch(&self) {
        prefetch(&*self.socket);
        self.reader.iter().for_each(|reader| reader.prefetch());
    }

    /// Passes the available bytes of at most this many reads to the reader, if there is one. True when there may be more.
    pub(super) fn read_on(&mut self, reads: usize, wakers: &mut Vec<Waker>) -> bool {
        if !self.wants_to_read() {
            return false;
        }
        with_buffer(self.read_at_once, |buffer| {
            for _ in 0..reads {
                self.read_once(buffer, wakers);
                if !self.wants_to_read() {
                    return false;
                }
            }
            true
        })
    }

    fn wants_to_read(&self) -> bool {
        self.readable != Readable::No && !self.is_done
    }

    fn read_once(&mut self, buffer: &mut [u8], wakers: &mut Vec<Waker>) {
        let Some(reader) = &mut self.reader else {
            self.is_done = true;
            return;
        };
        let outcome = match read(&self.socket, buffer) {
            Ok(count) => {
                // A short read has emptied the socket; later bytes are a new event.
                if count == 0 {
                    self.readable = Readable::ToTheEnd;
                } else if count < buffer.len() && self.readable == Readable::Yes {
                    self.readable = Readable::No;
                }
                reader.take(&buffer[..count])
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = Readable::No;
                return;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return,
            Err(e) => {
                reader.fail(&e);
                ReadOutcome::Done
            }
        };
        if outcome != ReadOutcome::NeedMore {
            self.is_done |= outcome == ReadOutcome::Done;
            wakers.extend(self.waker.take());
        }
    }

    /// Passes everything that arrives to `reader`, from now until it is detached.
    pub(in crate::direct) fn attach(&mut self, reader: Box<R>) {
        self.is_done = reader.waiting_for().is_none();
        self.reader = Some(reader);
    }

    pub(in crate::direct) fn detach(&mut self) -> Option<Box<R>> {
        self.waker = None;
        self.is_done = true;
        self.reader.take()
    }

    pub(super) fn waiting_for(&mut self, context: &mut Context<'_>) -> Option<WaitingFor> {
        // Bytes that had arrived before the reader was attached cause no event. No other task waits for them. One read,
        // because the thread waits for the lock meanwhile.
        if self.read_on(1, &mut Vec::new()) {
            context.waker().wake_by_ref();
        }
        let waiting_for = self.reader.as_ref()?.waiting_for()?;
        self.store_waker(context);
        Some(waiting_for)
    }

    fn store_waker(&mut self, context: &Context<'_>) {
        if !(self.waker.as_ref()).is_some_and(|known| known.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
        }
    }

    /// True when a write may be tried. The task is woken when there is room that this write does not find.
    pub(super) fn begin_write(&mut self, context: &Context<'_>) -> bool {
        self.store_waker(context);
        std::mem::take(&mut self.writable)
    }

    /// The write that was begun found room.
    pub(super) fn has_written(&mut self) {
        self.writable = true;
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}
