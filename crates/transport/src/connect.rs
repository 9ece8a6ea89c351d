//! Our own limit on making a connection and the time that it takes, where reqwest makes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use clock::Clock;
use domain::{Nanos, Stamp};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Name lookup, TCP and TLS together took longer than the connect limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {limit}")]
pub(crate) struct ConnectTimedOut {
    limit: Nanos,
}

/// What a request learns about its connection.
#[derive(Debug, Default)]
pub(crate) struct Connecting {
    began: OnceLock<Stamp>,
    took: OnceLock<Nanos>,
}

impl Connecting {
    /// How long a request that was sent at `sent` waited for a connection. The pool hands a request
    /// that found none free the first of two: the one that is being made for it, or another
    /// request's that has become free. None when one was free at once.
    pub(crate) fn until(&self, sent: Option<Stamp>) -> Option<Nanos> {
        let waited = || Some(sent?.since(*self.began.get()?));
        self.took.get().copied().or_else(waited)
    }
}

tokio::task_local! {
    /// The request that is being sent. A connection that the pool goes on making in a task of its
    /// own, because the request has another one by then, is nobody's.
    static CONNECTING: Arc<Connecting>;
}

/// Sends a request, which learns about its connection.
pub(crate) async fn timed<F: Future>(connecting: Arc<Connecting>, sending: F) -> F::Output {
    CONNECTING.scope(connecting, sending).await
}

/// Adds the limit to a connector, and tells how long a connection took.
#[derive(Debug, Clone)]
pub(crate) struct ConnectLimit {
    pub(crate) clock: Clock,
    pub(crate) limit: Nanos,
}

impl<S> Layer<S> for ConnectLimit {
    type Service = LimitedConnect<S>;

    fn layer(&self, connector: S) -> Self::Service {
        LimitedConnect {
            connector,
            rule: self.clone(),
        }
    }
}

/// A connector under a limit.
#[derive(Debug, Clone)]
pub(crate) struct LimitedConnect<S> {
    connector: S,
    rule: ConnectLimit,
}

impl<S, R> Service<R> for LimitedConnect<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.connector.call(target);
        let ConnectLimit { clock, limit } = self.rule.clone();
        let began = clock.now();
        // Nothing takes time in virtual time, and which connections happen to be free is not
        // simulated: rows must be the same run after run. Outside a request nobody asks.
        let timed = !clock.is_virtual();
        if timed {
            let _ = CONNECTING.try_with(|request| request.began.set(began));
        }
        Box::pin(async move {
            match clock.timeout(limit, connecting).await {
                Ok(connected) => {
                    if timed && connected.is_ok() {
                        let took = clock.now().since(began);
                        let _ = CONNECTING.try_with(|request| request.took.set(took));
                    }
                    connected
                }
                Err(clock::Elapsed) => Err(Box::new(ConnectTimedOut { limit }) as BoxError),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_took_anothers_connection_waited_until_it_was_sent() {
        let connecting = Connecting::default();
        assert_eq!(connecting.until(Some(Stamp(900))), None);
        connecting.began.set(Stamp(200)).unwrap();
        assert_eq!(connecting.until(Some(Stamp(900))), Some(Nanos(700)));
        assert_eq!(connecting.until(None), None);
        connecting.took.set(Nanos(400)).unwrap();
        assert_eq!(connecting.until(Some(Stamp(900))), Some(Nanos(400)));
    }
}
