//! A reader attached to a connection.

use std::io;
use std::task::{Context, Poll};

use domain::TimeoutPhase;
use domain::backend::Exchange;

use super::connection::{Connection, poll_read};
use super::reactor::{Reader, Slot};
use super::response_reader::ResponseReader;
use crate::body::WaitingFor;
use crate::recorder::Recorder;

/// A connection whose bytes go to a reader, which has the caller's recorder meanwhile. When this is dropped, the recorder
/// is moved back with everything that has arrived.
pub(super) struct AttachedReader<'c, R: Recorder> {
    pub(super) connection: &'c mut Connection<R>,
    /// `None` while the reactor has it.
    reader: Option<Box<ResponseReader<R>>>,
    recorder: &'c mut R,
    exchange: &'c mut Exchange,
}

impl<'c, R: Recorder> AttachedReader<'c, R> {
    pub(super) fn new(
        connection: &'c mut Connection<R>,
        reader: ResponseReader<R>,
        recorder: &'c mut R,
        exchange: &'c mut Exchange,
    ) -> Self {
        let reader = Box::new(reader);
        let reader = match connection {
            Connection::Reactor(socket) => {
                socket.with_slot(|slot| slot.attach(reader));
                None
            }
            Connection::Task(_) => Some(reader),
        };
        Self {
            connection,
            reader,
            recorder,
            exchange,
        }
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
                    Poll::Ready(Err(error)) => reader.fail(&error),
                }
            },
            (Connection::Reactor(socket), _) => socket.waiting_for(context),
            (Connection::Task(_), None) => Ok(None),
        }
    }

    /// Takes the reader back, with an empty recorder, after the limit of a phase has run out if one has. `None` when it
    /// has been taken back before.
    pub(super) fn detach(&mut self, over: Option<TimeoutPhase>) -> Option<Box<ResponseReader<R>>> {
        let mut reader = match self.connection {
            Connection::Reactor(socket) => socket.with_slot(Slot::detach)?,
            Connection::Task(_) => self.reader.take()?,
        };
        if let Some(phase) = over {
            reader.incoming.time_out(phase);
        }
        *self.recorder = std::mem::take(&mut reader.incoming.sink);
        self.exchange.times.headers = reader.incoming.headers;
        Some(reader)
    }
}

impl<R: Recorder> Drop for AttachedReader<'_, R> {
    fn drop(&mut self) {
        self.detach(None);
    }
}
