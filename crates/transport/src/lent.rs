//! A reader lent to a connection.

use std::any::Any;
use std::io;
use std::task::{Context, Poll};

use crate::connection::Connection;
use crate::wire::{Awaits, Reader};

/// A connection whose bytes go to a reader.
pub(crate) struct Lent<'c, R> {
    connection: &'c mut Connection,
    /// None while the connection's thread has it.
    reader: Option<Box<R>>,
}

impl<'c, R: Reader> Lent<'c, R> {
    pub(crate) fn new(connection: &'c mut Connection, reader: R) -> Self {
        let reader = Box::new(reader);
        let reader = match connection {
            Connection::Wire(wire) => {
                wire.lend(reader);
                None
            }
            Connection::Own(_) => Some(reader),
        };
        Self { connection, reader }
    }

    /// To write to.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection
    }

    /// What is waited for still; nothing when the task can go on.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> io::Result<Option<Awaits>> {
        match (&mut *self.connection, &mut self.reader) {
            (Connection::Own(own), Some(reader)) => loop {
                let Some(awaits) = reader.awaits() else {
                    return Ok(None);
                };
                match own.poll_read(context, |bytes| reader.take(bytes)) {
                    Poll::Pending => return Ok(Some(awaits)),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => reader.broke(error),
                }
            },
            (Connection::Wire(wire), _) => wire.awaits(context),
            (Connection::Own(_), None) => Ok(None),
        }
    }

    /// The reader, with all that it has taken.
    pub(crate) fn take_back(&mut self) -> Option<Box<R>> {
        if let Connection::Wire(wire) = self.connection {
            let reader: Box<dyn Any> = wire.take_back()?;
            return reader.downcast().ok();
        }
        self.reader.take()
    }
}

impl<R> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        if let Connection::Wire(wire) = self.connection {
            wire.take_back();
        }
    }
}
