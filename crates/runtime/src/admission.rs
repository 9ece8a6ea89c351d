//! A backend that lets only so many generations through at once.

use std::sync::Arc;

use clock::Clock;
use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, LoadedModel, ModelIdentity, ServerIdentity,
};
use domain::{ModelOptions, Nanos, Outcome, TimeoutPhase};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Waits for a permit before each generation, first come first served, and holds the generation
/// to the plan's total limit. The wait lies before `sent`, so it is part of the client's queue; the
/// exchange says how much of it.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) inner: Arc<dyn ChatBackend>,
    /// Shared by the backends of a sweep; `None` lets everything through.
    pub(crate) permits: Option<Arc<Semaphore>>,
    pub(crate) clock: Clock,
    pub(crate) total: Nanos,
    /// Once cancelled, who still waits for a permit gets none.
    pub(crate) stop: CancellationToken,
}

impl ChatBackend for Admitted {
    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }

    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            let _permit = match &self.permits {
                None => None,
                Some(permits) => {
                    let asked = self.clock.now();
                    let permit = tokio::select! {
                        biased;
                        () = self.stop.cancelled() => None,
                        permit = permits.acquire() => {
                            Some(permit.expect("the semaphore is never closed"))
                        }
                    };
                    exchange.times.admission_wait = Some(self.clock.now().since(asked));
                    if permit.is_none() {
                        return Outcome::Cancelled;
                    }
                    permit
                }
            };
            // The client keeps this limit too; a backend that does not still ends.
            self.clock
                .timeout(self.total, self.inner.generate(call, exchange))
                .await
                .unwrap_or(Outcome::TimedOut {
                    phase: TimeoutPhase::Total,
                })
        }
        .boxed()
    }

    fn identify(&self) -> BoxFuture<'_, Result<ServerIdentity, BackendError>> {
        self.inner.identify()
    }

    fn find_model<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<ModelIdentity>, BackendError>> {
        self.inner.find_model(model)
    }

    fn loaded(&self) -> BoxFuture<'_, Result<Vec<LoadedModel>, BackendError>> {
        self.inner.loaded()
    }

    fn preload<'a>(
        &'a self,
        model: &'a str,
        options: &'a ModelOptions,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        self.inner.preload(model, options)
    }

    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), BackendError>> {
        self.inner.unload(model)
    }
}
