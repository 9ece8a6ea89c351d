//! One connection, read and written by the task of whichever request uses it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Socket;

/// Read from a socket at once, bytes, unless the builder says otherwise.
pub(crate) const READ_AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// What sockets are read into. One buffer for all connections of a thread stays in its cache,
    /// which thousands of buffers would not; what must outlast a read is copied out of it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    /// Most bytes that are read at once.
    read_at_once: usize,
}

impl Connection {
    /// Over a socket that is connected.
    pub(crate) fn over(socket: Socket, read_at_once: usize) -> Self {
        Self {
            socket,
            read_at_once: read_at_once.max(1),
        }
    }

    /// Reads once, and hands over what there is: nothing when the server has closed the connection.
    /// `take` must not read from a connection.
    pub(crate) fn poll_read<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < self.read_at_once {
                buffer.resize(self.read_at_once, 0);
            }
            let mut read = ReadBuf::new(&mut buffer[..self.read_at_once]);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
            Poll::Ready(Ok(take(read.filled())))
        })
    }

    /// Writes some of the bytes.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    /// Sees to it that what was written is on its way.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Looks at what the socket has to say between two requests: whether it is open still, as far
    /// as this side has heard. A server that says anything unasked is not waited for.
    pub(crate) fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        // The system knows of a closing before the runtime does.
        self.socket.is_quiet() && self.poll_read(context, |_| ()).is_pending()
    }
}
