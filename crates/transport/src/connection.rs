//! One connection, as the task of whichever request uses it sees it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::buffer::with_buffer;
use crate::wire::Wire;

/// Read from a socket at once, bytes, unless the builder says otherwise.
pub(crate) const READ_AT_ONCE: usize = 64 * 1024;

/// A connection.
pub(crate) enum Connection {
    /// Read by a thread of its own.
    Wire(Wire),
    /// Read by the request's task.
    Own(Own),
}

impl Connection {
    /// Writes some of the bytes.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Wire(wire) => wire.poll_write(context, bytes),
            Self::Own(own) => Pin::new(&mut own.socket).poll_write(context, bytes),
        }
    }

    /// Sees to it that what was written is on its way.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Wire(_) => Poll::Ready(Ok(())),
            Self::Own(own) => Pin::new(&mut own.socket).poll_flush(context),
        }
    }

    /// Looks at what the socket has to say between two requests: whether it is open still, as far
    /// as this side has heard. A server that says anything unasked is not waited for.
    pub(crate) fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        match self {
            Self::Wire(wire) => wire.is_quiet(),
            // The system knows of a closing before the runtime does.
            Self::Own(own) => own.is_quiet() && own.poll_read(context, |_| ()).is_pending(),
        }
    }
}

/// A connection that its request's task reads itself: under TLS, which has its say before anybody reads,
/// and in virtual time, which must not pass while another thread works.
pub(crate) struct Own {
    pub(crate) socket: Socket,
    /// Most bytes that are read at once.
    pub(crate) read_at_once: usize,
}

impl Own {
    /// Reads once, and hands over what there is: nothing when the server has closed the connection.
    /// `take` must not read from a connection.
    pub(crate) fn poll_read<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        with_buffer(self.read_at_once, |buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
            Poll::Ready(Ok(take(read.filled())))
        })
    }

    /// True while it is open and nobody has said anything; under TLS there may be words of TLS's own.
    fn is_quiet(&self) -> bool {
        let (stream, may_talk) = match &self.socket {
            Either::Left(stream) => (stream, false),
            Either::Right(stream) => (stream.get_ref().0, true),
        };
        match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
            Ok(bytes) => bytes > 0 && may_talk,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// What HTTP is spoken over: TCP, or TLS on it.
pub(crate) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;
