//! A reader attached to a connection.

use std::any::Any;
use std::io;
use std::task::{Context, Poll};

use super::connection::{Connection, poll_read};
use super::reactor::Reader;
use crate::body::WaitingFor;

/// A connection whose bytes go to a reader until it is detached.
pub(super) struct AttachedReader<'c, R> {
    connection: &'c mut Connection,
    /// `None` while the reactor has it.
    reader: Option<Box<R>>,
}

impl<'c, R: Reader> AttachedReader<'c, R> {
    pub(super) fn new(connection: &'c mut Connection, reader: R) -> Self {
        let reader = Box::new(reader);
        let reader = match connection {
            Connection::Reactor(socket) => {
                socket.attach(reader);
                None
            }
            Connection::Task(_) => Some(reader),
        };
        Self { connection, reader }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection
    }

    /// The limit that applies; `None` when the task can go on.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> io::Result<Option<WaitingFor>> {
        match (&mut *self.connection, &mut self.reader) {
            (Connection::Task(stream), Some(reader)) => loop {
                let Some(waiting_for) = reader.waiting_for() else {
                    return Ok(None);
                };
                match poll_read(stream, context, |bytes| reader.take(bytes)) {
                    Poll::Pending => return Ok(Some(waiting_for)),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => reader.fail(error),
                }
            },
            (Connection::Reactor(socket), _) => socket.waiting_for(context),
            (Connection::Task(_), None) => Ok(None),
        }
    }

    /// The reader, with everything that it has taken.
    pub(super) fn detach(&mut self) -> Option<Box<R>> {
        if let Connection::Reactor(socket) = self.connection {
            let reader: Box<dyn Any> = socket.detach()?;
            return reader.downcast().ok();
        }
        self.reader.take()
    }
}

impl<R> Drop for AttachedReader<'_, R> {
    fn drop(&mut self) {
        if let Connection::Reactor(socket) = self.connection {
            socket.detach();
        }
    }
}
