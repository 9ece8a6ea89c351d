//! A limit that is moved far more often than it runs out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use domain::{Nanos, Stamp};
use tokio::time::{Instant, Sleep};

use crate::Clock;

/// A moment that is put off again and again, once for each chunk of a stream. Putting it off costs
/// nothing: the timer stays where it was, and only when it goes off is it set to the moment that
/// counts by then.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    due: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm that goes off at `due`. Must be made inside a runtime.
    pub fn new(clock: &Clock, due: Stamp) -> Self {
        let due = clock.instant(due);
        Self {
            clock: clock.clone(),
            due,
            timer: Box::pin(tokio::time::sleep_until(due)),
        }
    }

    /// Moves it to another moment, which may have passed.
    pub fn set(&mut self, due: Stamp) {
        self.due = self.clock.instant(due);
        if self.due < self.timer.deadline() {
            self.timer.as_mut().reset(self.due);
        }
    }

    /// Ready once the moment has come.
    pub fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            if self.timer.deadline() >= self.due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.due);
        }
    }
}

impl Clock {
    /// tokio's moment of a stamp.
    pub(crate) fn instant(&self, at: Stamp) -> Instant {
        let after_epoch = Nanos(at.0.saturating_sub(self.inner.offset.0));
        self.inner.epoch + self.to_tokio(after_epoch)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const fn ms(ms: u64) -> Stamp {
        Stamp(ms * 1_000_000)
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_when_it_was_last_set_to() {
        let clock = Clock::start_virtual();
        for (first, last) in [(10, 10), (10, 35), (10, 3), (10, 0)] {
            let began = clock.now();
            let from = |after: u64| began + Nanos::from_millis(after);
            let mut alarm = Alarm::new(&clock, from(first));
            alarm.set(from(last));
            poll_fn(|context| alarm.poll_due(context)).await;
            assert_eq!(clock.now(), from(last), "{first} {last}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn putting_it_off_again_and_again_keeps_it_from_going_off() {
        let clock = Clock::start_virtual_from(Nanos::from_secs(7));
        let mut alarm = Alarm::new(&clock, clock.now() + Nanos::from_millis(700));
        for _ in 0..100 {
            let slept = tokio::select! {
                biased;
                () = clock.sleep(Nanos::from_millis(699)) => true,
                () = poll_fn(|context| alarm.poll_due(context)) => false,
            };
            assert!(slept);
            alarm.set(clock.now() + Nanos::from_millis(700));
        }
        poll_fn(|context| alarm.poll_due(context)).await;
        assert_eq!(clock.now(), ms(7_000 + 100 * 699 + 700));
    }
}
