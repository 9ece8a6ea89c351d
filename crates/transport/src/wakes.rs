//! Wake-ups between two parts of one task.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Nobody is polling: a wake-up is for the task.
const RESTING: u8 = 0;
/// The task is polling the parts.
const POLLING: u8 = 1;
/// The task is polling the parts, and one of them has something for another.
const AGAIN: u8 = 2;

/// The waker that a task polls its parts with. A part that wakes another while the task polls them
/// makes it poll once more instead of being scheduled anew, which would cost a turn of the runtime
/// for each chunk. Any other wake-up is passed on to the task.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Wakes {
    fn task(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that polls from now on.
    pub(crate) fn begin(&self, task: &Waker) {
        let mut known = self.task();
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
        drop(known);
        self.state.store(POLLING, Ordering::SeqCst);
    }

    /// The parts have been polled. False when one of them was woken meanwhile and all are to be
    /// polled again.
    pub(crate) fn rest(&self) -> bool {
        let rests =
            self.state
                .compare_exchange(POLLING, RESTING, Ordering::SeqCst, Ordering::SeqCst);
        if rests.is_err() {
            self.state.store(POLLING, Ordering::SeqCst);
        }
        rests.is_ok()
    }

    /// The task stops polling whatever wakes have come: it polls again before it waits.
    pub(crate) fn end(&self) {
        self.state.store(RESTING, Ordering::SeqCst);
    }

    /// No task waits any longer.
    pub(crate) fn forget(&self) {
        *self.task() = None;
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let polling =
            self.state
                .compare_exchange(POLLING, AGAIN, Ordering::SeqCst, Ordering::SeqCst);
        if polling == Err(RESTING) {
            let task = self.task().clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakes_go_to_the_task_unless_it_is_polling() {
        let count = Arc::new(Count::default());
        let woken = || count.0.load(Ordering::SeqCst);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        waker.wake_by_ref();
        wakes.begin(&Waker::from(Arc::clone(&count)));
        assert!(wakes.rest());
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        wakes.begin(&Waker::from(Arc::clone(&count)));
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert!(!wakes.rest());
        assert!(wakes.rest());
        assert_eq!(woken(), 1);
        waker.wake_by_ref();
        assert_eq!(woken(), 2);
        wakes.forget();
        waker.wake_by_ref();
        assert_eq!(woken(), 2);
    }
}
