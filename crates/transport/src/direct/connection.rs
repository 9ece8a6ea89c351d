//! Makes connections, and reads and writes them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use clock::Clock;
use domain::Nanos;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use url::Host;

use super::buffer::with_buffer;
use super::reactor::{ReactorSocket, Reactors, is_quiet};
use super::response_reader::ResponseReader;
use crate::bounds::KEEPALIVE;
use crate::connection_error::not_connected;
use crate::recorder::Recorder;
use crate::request_error::RequestError;

/// Most bytes read from a socket at once.
const READ_AT_ONCE: usize = 64 * 1024;

pub(super) enum Connection<R: Recorder> {
    /// Read by the reactor's thread.
    Reactor(ReactorSocket<ResponseReader<R>>),
    /// Read by the request's task, in virtual time, which must not pass while another thread works.
    Task(TcpStream),
}

impl<R: Recorder> Connection<R> {
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Reactor(socket) => socket.poll_write(context, bytes),
            Self::Task(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    /// True while the connection is open, as far as this side knows, and the server has sent nothing since the
    /// last response.
    pub(super) fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        match self {
            Self::Reactor(socket) => socket.is_quiet(),
            // The system learns of a closing before the runtime does.
            Self::Task(stream) => {
                is_quiet(&SockRef::from(&*stream))
                    && poll_read(stream, context, |_| ()).is_pending()
            }
        }
    }
}

/// Reads once and passes on the bytes; an empty slice when the server has closed the connection. `take` must
/// not read from a connection.
pub(super) fn poll_read<T>(
    stream: &mut TcpStream,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    with_buffer(READ_AT_ONCE, |buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(context, &mut read))?;
        Poll::Ready(Ok(take(read.filled())))
    })
}

/// How to connect to one server.
pub(crate) struct Connector<R: Recorder> {
    host: Host,
    port: u16,
    reactors: Reactors<ResponseReader<R>>,
}

impl<R: Recorder> Connector<R> {
    pub(crate) fn new(host: Host, port: u16) -> Self {
        let reactors = Reactors::default();
        Self {
            host,
            port,
            reactors,
        }
    }

    /// Connects. The caller enforces `limit`; here it is divided among the addresses.
    pub(super) async fn connect(
        &self,
        clock: &Clock,
        limit: Nanos,
    ) -> Result<Connection<R>, RequestError> {
        let stream = self.tcp(clock, limit).await?;
        if clock.is_virtual() {
            return Ok(Connection::Task(stream));
        }
        let socket = stream
            .into_std()
            .and_then(|socket| self.reactors.register(socket, READ_AT_ONCE));
        let socket = socket.map_err(|e| not_connected("tcp connect error: ", &e))?;
        Ok(Connection::Reactor(socket))
    }

    async fn tcp(&self, clock: &Clock, limit: Nanos) -> Result<TcpStream, RequestError> {
        let began = clock.now();
        let addresses = self.addresses().await?;
        let mut failed = None;
        for (nth, address) in addresses.iter().enumerate() {
            let left = addresses.len() - nth;
            let time = limit.0.saturating_sub(clock.now().since(began).0);
            // An address that does not answer must leave time for the others; the last is limited only by the
            // caller.
            let share = if left == 1 {
                u64::MAX
            } else {
                time / left as u64
            };
            match clock
                .timeout(Nanos(share), TcpStream::connect(address))
                .await
            {
                Ok(Ok(stream)) => {
                    set_up(&stream);
                    return Ok(stream);
                }
                Ok(Err(e)) => failed = Some(e),
                Err(clock::Elapsed) => {}
            }
        }
        let failed = failed.unwrap_or_else(|| io::Error::other("the name has no address"));
        Err(not_connected("tcp connect error: ", &failed))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, RequestError> {
        let ip = match &self.host {
            Host::Ipv4(ip) => IpAddr::from(*ip),
            Host::Ipv6(ip) => IpAddr::from(*ip),
            Host::Domain(name) => {
                return tokio::net::lookup_host((name.as_str(), self.port))
                    .await
                    .map(Iterator::collect)
                    .map_err(|e| not_connected("dns error: ", &e));
            }
        };
        Ok(vec![SocketAddr::new(ip, self.port)])
    }
}

/// Sends small requests at once, and notices a server that has vanished. A socket that refuses
/// these options is broken, and fails when it is used.
fn set_up(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(2 * KEEPALIVE));
}
