//! Dropping what is in flight.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use tokio_util::sync::CancellationToken;

/// Says that what runs is to be dropped. A token says so, too, but is locked each time it is asked,
/// which here would be for every token of every stream: this one is asked once, and then only a flag.
#[derive(Debug, Default)]
pub(super) struct Dropping {
    /// Set before the token wakes those who wait for it.
    begun: AtomicBool,
    token: CancellationToken,
}

impl Dropping {
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.token.cancel();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Runs a future to its end, or drops it: then there is nothing.
    pub(super) async fn unless<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut dropped = pin!(self.token.cancelled());
        let mut known: Option<Waker> = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let knows = (known.as_ref()).is_some_and(|known| known.will_wake(context.waker()));
            if knows && !self.has_begun() {
                return Poll::Pending;
            }
            known = Some(context.waker().clone());
            dropped.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_runs_is_dropped_and_what_has_ended_is_not() {
        let dropping = Arc::new(Dropping::default());
        assert_eq!(dropping.unless(std::future::ready(1)).await, Some(1));
        let forever = tokio::spawn({
            let dropping = Arc::clone(&dropping);
            async move {
                let busy = async {
                    loop {
                        tokio::task::yield_now().await;
                    }
                };
                dropping.unless(busy).await
            }
        });
        let asleep = tokio::spawn({
            let dropping = Arc::clone(&dropping);
            async move { dropping.unless(std::future::pending::<()>()).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!dropping.has_begun() && !forever.is_finished() && !asleep.is_finished());
        dropping.begin();
        assert_eq!(forever.await.unwrap(), None);
        assert_eq!(asleep.await.unwrap(), None);
        assert_eq!(dropping.unless(std::future::ready(1)).await, Some(1));
        assert_eq!(dropping.unless(std::future::pending::<()>()).await, None);
    }
}
