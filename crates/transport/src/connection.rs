//! One HTTP/1.1 connection, run by the task of whichever request uses it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::connect::Socket;
use crate::http::TellingBody;
use crate::wakes::Wakes;

/// How often the parts may wake each other before other tasks get their turn.
const ROUNDS: u32 = 64;

/// A connection and its way to send requests. hyper means the connection to run in a task of its
/// own, which is woken for each chunk and wakes the request's; here the request's task polls it.
pub(crate) struct Connection {
    sender: SendRequest<TellingBody>,
    /// None once it has ended.
    io: Option<http1::Connection<TokioIo<Socket>, TellingBody>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// HTTP/1.1 over a socket.
    pub(crate) async fn over(socket: Socket, http: &http1::Builder) -> hyper::Result<Box<Self>> {
        let (sender, io) = http.handshake(TokioIo::new(socket)).await?;
        let wakes = Arc::new(Wakes::default());
        Ok(Box::new(Self {
            sender,
            io: Some(io),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
        }))
    }

    pub(crate) fn sender(&mut self) -> &mut SendRequest<TellingBody> {
        &mut self.sender
    }

    /// Runs the connection until something comes of it: `wanted` is asked before the socket is, and
    /// again whenever the socket had something.
    pub(crate) fn poll_for<T>(
        &mut self,
        context: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.wakes.begin(context.waker());
        let mut inside = Context::from_waker(&self.waker);
        for _ in 0..ROUNDS {
            if let Poll::Ready(found) = wanted(&mut inside) {
                self.wakes.end();
                return Poll::Ready(found);
            }
            let Some(io) = &mut self.io else {
                // It has told all it knows; what is wanted now will not come from here.
                self.wakes.end();
                return Poll::Pending;
            };
            if Pin::new(io).poll(&mut inside).is_ready() {
                // Dropping it tells whoever still waits.
                self.io = None;
            } else if self.wakes.rest() {
                return Poll::Pending;
            }
        }
        self.wakes.end();
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks at what the socket has to say between two requests: whether it is open still, as far as
    /// this side has heard, and free for another request.
    pub(crate) fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        let _ = self.poll_for(context, |_| Poll::<()>::Pending);
        self.io.is_some() && self.sender.is_ready()
    }

    /// Nobody uses it now.
    pub(crate) fn rest(&self) {
        self.wakes.forget();
    }
}
