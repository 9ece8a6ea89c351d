//! Our own limit on making a connection, where reqwest makes it.

use std::future::Future;
use std::pin::Pin;
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

/// Adds the limit to a connector.
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
            match clock.timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(clock::Elapsed) => Err(Box::new(ConnectTimedOut { limit }) as BoxError),
            }
        })
    }
}
