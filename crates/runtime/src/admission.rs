//! A backend for generations alone, with a limit on how many run at once.

use std::sync::Arc;

use async_trait::async_trait;
use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::{Nanos, Outcome, TimeoutPhase};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::shutdown::unless;

/// Waits for a permit before each generation, in order, and applies the plan's total time limit. The wait lies before
/// `sent` and is recorded as `admission_wait`.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) inner: Arc<dyn ChatBackend>,
    /// Shared by the backends of a sweep; `None` for no limit.
    pub(crate) permits: Option<Arc<Semaphore>>,
    pub(crate) clock: Clock,
    pub(crate) total: Nanos,
    /// Once cancelled, generations that wait for a permit are cancelled.
    pub(crate) stop: CancellationToken,
}

#[async_trait]
impl ChatBackend for Admitted {
    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }

    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        let mut _permit = None;
        if let Some(permits) = &self.permits {
            let asked = self.clock.now();
            let permit = unless(&self.stop, permits.acquire()).await;
            exchange.times.admission_wait = Some(self.clock.now().since(asked));
            let Some(permit) = permit else {
                return Outcome::Cancelled;
            };
            _permit = Some(permit.expect("the semaphore is never closed"));
        }
        // Clients apply this limit too; this one also ends a backend that does not.
        let phase = TimeoutPhase::Total;
        let generating = self.inner.generate(call, exchange);
        let outcome = self.clock.timeout(self.total, generating).await;
        outcome.unwrap_or(Outcome::TimedOut { phase })
    }
}
