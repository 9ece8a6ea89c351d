//! A time limit that is moved far more often than it runs out.

use std::pin::Pin;
use std::task::{Context, Poll};

use domain::{Nanos, Stamp};
use tokio::time::{Instant, Sleep};

use crate::Clock;

/// A time limit that is moved for each chunk of a stream. Moving it later costs nothing: the timer stays as it is, and
/// when it fires too early it is set again.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    due: Stamp,
    timer: Pin<Box<Sleep>>,
    timer_due: Stamp,
}

impl Alarm {
    /// Must be called inside a tokio runtime.
    pub fn new(clock: &Clock, due: Stamp) -> Self {
        Self {
            clock: clock.clone(),
            due,
            timer: Box::pin(tokio::time::sleep_until(clock.instant(due))),
            timer_due: due,
        }
    }

    /// Moves it to another moment, which may have passed.
    pub fn set(&mut self, due: Stamp) {
        self.due = due;
        if self.due < self.timer_due {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.timer.as_mut().reset(self.clock.instant(self.due));
        self.timer_due = self.due;
    }

    /// Ready once the moment has come.
    pub fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.timer_due >= self.due {
                return Poll::Ready(());
            }
            self.reset();
        }
    }
}

impl Clock {
    pub(crate) fn instant(&self, at: Stamp) -> Instant {
        let after_epoch = Nanos(at.0.saturating_sub(self.inner.offset.0));
        self.inner.epoch + self.to_tokio(after_epoch)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;

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
    async fn it_goes_off_in_a_task_that_is_woken_for_other_things() {
        let clock = Clock::start_virtual();
        let mut alarm = Alarm::new(&clock, ms(20));
        let mut other = pin!(clock.sleep(Nanos::ZERO));
        poll_fn(|context| {
            while other.as_mut().poll(context).is_ready() {
                other.set(clock.sleep(Nanos(300_000)));
            }
            alarm.set(ms(7));
            alarm.poll_due(context)
        })
        .await;
        assert_eq!(clock.now(), ms(7));
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
