//! Our own limit on making a connection and the time that it takes, where reqwest makes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use clock::Clock;
use domain::Nanos;
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Name lookup, TCP and TLS together took longer than the connect limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {limit}")]
pub(crate) struct ConnectTimedOut {
    limit: Nanos,
}

tokio::task_local! {
    /// Where the request that is being sent learns how long its connection took.
    ///
    /// The pool hands the first of two to a request: a connection that has become free, or the one
    /// that it is making, which then goes on in a task of its own and into the pool. So what is
    /// made while the request itself waits is its connection, and what is made elsewhere is not.
    static MADE: Arc<OnceLock<Nanos>>;
}

/// Sends a request; the time that making its connection takes goes into `made`.
pub(crate) async fn timed<F: Future>(made: Arc<OnceLock<Nanos>>, sending: F) -> F::Output {
    MADE.scope(made, sending).await
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
        Box::pin(async move {
            let began = clock.now();
            match clock.timeout(limit, connecting).await {
                Ok(connected) => {
                    // Nothing takes time in virtual time, and which connections happen to be kept is
                    // not simulated: rows must be the same run after run.
                    if connected.is_ok() && !clock.is_virtual() {
                        let took = clock.now().since(began);
                        // Nobody asks when the connection is made for the pool.
                        let _ = MADE.try_with(|made| made.set(took));
                    }
                    connected
                }
                Err(clock::Elapsed) => Err(Box::new(ConnectTimedOut { limit }) as BoxError),
            }
        })
    }
}
