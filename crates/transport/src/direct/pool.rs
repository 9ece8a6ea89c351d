//! Connections that wait for their next request.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use parking_lot::Mutex;

use super::connection::Connection;
use crate::recorder::Recorder;

/// The kept connections of one transport. The one that was used last is used next, so that a server
/// sees no more of them than are needed.
pub(super) struct Pool<R: Recorder> {
    idle: Mutex<VecDeque<Connection<R>>>,
}

impl<R: Recorder> Default for Pool<R> {
    fn default() -> Self {
        let idle = Mutex::default();
        Self { idle }
    }
}

impl<R: Recorder> Pool<R> {
    /// A connection that is open as far as this side knows. Closed ones are
    /// dropped.
    pub(super) fn take(&self, context: &mut Context<'_>) -> Option<Connection<R>> {
        loop {
            let mut connection = self.idle.lock().pop_back()?;
            if connection.is_free(context) {
                return Some(connection);
            }
        }
    }

    /// Keeps a free connection. Drops the one that has waited longest if it is closed, so that it does not hold its
    /// descriptor.
    pub(super) fn put(&self, connection: Connection<R>) {
        let longest = {
            let mut idle = self.idle.lock();
            idle.push_back(connection);
            (idle.len() > 1).then(|| idle.pop_front()).flatten()
        };
        if let Some(mut longest) = longest
            && longest.is_free(&mut Context::from_waker(Waker::noop()))
        {
            self.idle.lock().push_front(longest);
        }
    }
}
