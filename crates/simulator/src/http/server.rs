//! Listeners and connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use clock::Clock;
use domain::Nanos;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::exchange::Control;

#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    /// Accept no new connections, and let exchanges in progress end.
    pub(crate) graceful: CancellationToken,
    pub(crate) now: CancellationToken,
}

/// Accepts connections until stopped. `listener` is `None` while the server refuses them.
pub(crate) async fn listen(
    app: Arc<App>,
    server: usize,
    address: SocketAddr,
    mut listener: Option<TcpListener>,
    stops: Stops,
    connections: TaskTracker,
) -> io::Result<()> {
    let clock = app.world.clock().clone();
    let mut open = stops.graceful.child_token();
    loop {
        let now = clock.now();
        if app.faults.refuses(server, now) {
            if listener.take().is_some() {
                open.cancel();
                open = stops.graceful.child_token();
            }
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(address).await?);
        }
        let edge = app.faults.next_refusal_edge(server, now);
        tokio::select! {
            () = stops.graceful.cancelled() => return Ok(()),
            accepted = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            } => match accepted {
                Ok((stream, _)) => {
                    let serving = serve(Arc::clone(&app), server, stream, open.clone());
                    connections.spawn(stops.now.clone().run_until_cancelled_owned(serving));
                }
                // For example too many open files: wait, because trying at once would spin.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(Nanos::from_millis(10)).await;
                }
            },
            () = clock.sleep_until(edge.unwrap_or_default()), if edge.is_some() => {}
        }
    }
}

async fn serve(app: Arc<App>, server: usize, stream: TcpStream, close: CancellationToken) {
    // Each token is sent at once; without this they wait for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let is_virtual = app.world.clock().is_virtual();
    let control = Arc::new(Control::default());
    let io = TokioIo::new(Wire {
        stream,
        control: Arc::clone(&control),
        patience: app.patience.map(|time| (app.world.clock().clone(), time)),
        deadline: None,
    });
    let service =
        service_fn(move |request| Arc::clone(&app).handle(server, Arc::clone(&control), request));
    let connection = http1::Builder::new()
        // hyper's own would close idle connections, too, which Ollama keeps.
        .header_read_timeout(None)
        // Objects are small: copying them into one write is cheaper than a vectored write.
        .writev(false)
        // A date from the wall clock would make responses differ from run to run.
        .auto_date_header(!is_virtual)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A socket that can be closed with a reset and that limits the time of a request's head.
struct Wire {
    stream: TcpStream,
    control: Arc<Control>,
    /// The longest time from the first byte of a head to its end; `None` for no limit.
    patience: Option<(Clock, Nanos)>,
    /// The number of heads before this one, and its deadline.
    deadline: Option<(u64, Sleep)>,
}

impl Wire {
    /// Starts the deadline of a head whose first bytes were read.
    fn begin_head(&mut self) {
        let Some(((clock, time), heads)) = self.patience.as_ref().zip(self.control.awaits_head())
        else {
            return;
        };
        if self.deadline.as_ref().is_none_or(|(of, _)| *of != heads) {
            let (clock, time) = (clock.clone(), *time);
            self.deadline = Some((heads, Box::pin(async move { clock.sleep(time).await })));
        }
    }

    /// True when a head has started and its deadline has passed.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let awaited = self.control.awaits_head();
        match &mut self.deadline {
            Some((heads, deadline)) if awaited == Some(*heads) => {
                deadline.as_mut().poll(cx).is_ready()
            }
            _ => false,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.is_reset() {
            // Closing with a linger of zero sends a reset instead of an orderly end.
            let socket = socket2::SockRef::from(&self.stream);
            if let Err(error) = socket.set_linger(Some(std::time::Duration::ZERO)) {
                tracing::warn!(%error, "a connection could not be reset");
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() > before {
            self.begin_head();
        }
        if read.is_pending() && self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
