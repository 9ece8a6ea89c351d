//! Where one request's notices wait for the connection that asked for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::core::{Notice, What};

/// A queue with one reader. It holds at most one notice per token of its request, so a client that
/// does not read costs a bounded amount.
#[derive(Debug)]
pub(crate) struct Outlet {
    /// False when only the final notice matters.
    streams: bool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    notices: VecDeque<Notice>,
    waker: Option<Waker>,
}

impl Outlet {
    pub(crate) fn new(streams: bool) -> Self {
        Self {
            streams,
            queue: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, notice: Notice) {
        if !self.streams && matches!(notice.what, What::Token { .. }) {
            return;
        }
        let mut queue = self.lock();
        queue.notices.push_back(notice);
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Notice> {
        let mut queue = self.lock();
        if let Some(notice) = queue.notices.pop_front() {
            return Poll::Ready(notice);
        }
        let known = queue
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if !known {
            queue.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
