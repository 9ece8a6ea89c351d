//! A body that is being read.

use std::io;
use std::task::Context;

use clock::{Clock, ExchangeId, Ledger};
use domain::Stamp;

use crate::answer::Early;
use crate::broken::Broken;
use crate::connection::Connection;
use crate::error::Trouble;
use crate::http1::Body;
use crate::lent::Lent;
use crate::wire::{Awaits, Reader, Took};

/// What reads a body as it arrives. While it does, it is where the bytes are, and a default one in its
/// place.
pub trait Sink: Default + Send + 'static {
    /// Takes bytes that arrived at `at`. True once the protocol's last word was among them: whatever
    /// follows is passed over. Must not send requests.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, Trouble>;

    /// How far the answer has come, which says what it is waited for by.
    fn stage(&self) -> Stage {
        Stage::Middle
    }
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it has, though the head may have: some servers answer with a head at once, and queue behind
    /// it. The limit from the send to the first sign of an answer goes on.
    First,
    /// Some of it has. The limit from one arrival to the next holds.
    Middle,
    /// All of it has, at this moment, but for what says so. The stream is over when that does not come soon.
    Last(Stamp),
}

/// This exchange in the ledger; closed when dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) ledger: Ledger,
    pub(crate) id: ExchangeId,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.ledger.close(self.id);
    }
}

/// What is to come of a body.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) body: Body,
    pub(crate) in_flight: Option<InFlight>,
    /// When the last bytes of the body arrived, or those of the head as long as there are none.
    pub(crate) arrived: Stamp,
}

/// What some bytes came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// The protocol's last word was among them.
    pub(crate) said: bool,
    /// None of them lay behind the body's end.
    pub(crate) clean: bool,
}

impl Unread {
    /// Nothing.
    fn none() -> Self {
        Self {
            body: Body::of_length(0),
            in_flight: None,
            arrived: Stamp::ZERO,
        }
    }

    /// Takes the framing off some bytes, and hands them on until the protocol's last word.
    fn take(&mut self, mut bytes: &[u8], at: Stamp, sink: &mut impl Sink) -> Result<Came, Trouble> {
        let mut said = false;
        while let Some(data) = self.body.next(&mut bytes).map_err(Broken::from)? {
            self.arrived = at;
            self.took(data.len() as u64);
            if !said {
                said = sink.take(data, at)?;
            }
        }
        if self.body.is_done() {
            self.took(1);
        }
        Ok(Came {
            said,
            clean: bytes.is_empty(),
        })
    }

    /// The server has closed the connection.
    fn closed(&mut self) -> Result<Came, Trouble> {
        self.body.closed().map_err(Broken::from)?;
        self.took(1);
        Ok(Came {
            said: false,
            clean: true,
        })
    }

    pub(crate) fn took(&self, units: u64) {
        if let Some(flight) = &self.in_flight {
            flight.ledger.take(flight.id, units);
        }
    }
}

/// A body on its way to a sink.
#[derive(Debug)]
struct Flow<S> {
    unread: Unread,
    sink: S,
    clock: Clock,
    /// How it ended: with the body's end, the protocol's last word, or in trouble.
    ended: Option<Result<Came, Trouble>>,
}

impl<S: Sink> Flow<S> {
    /// Takes bytes that arrived at `at`.
    fn bytes(&mut self, bytes: &[u8], at: Stamp) -> Took {
        let before = self.sink.stage();
        let came = self.unread.take(bytes, at, &mut self.sink);
        if matches!(came, Ok(Came { said: false, .. })) && !self.unread.body.is_done() {
            return if self.sink.stage() == before {
                Took::More
            } else {
                Took::Turned
            };
        }
        self.ended = Some(came);
        Took::Enough
    }
}

impl<S: Sink> Reader for Flow<S> {
    fn take(&mut self, bytes: &[u8]) -> Took {
        // Stamped before they are looked at.
        let at = self.clock.now();
        if !bytes.is_empty() {
            return self.bytes(bytes, at);
        }
        self.ended = Some(self.unread.closed());
        Took::Enough
    }

    fn broke(&mut self, error: io::Error) {
        self.ended = Some(Err(Broken::Io(error).into()));
    }

    fn awaits(&self) -> Option<Awaits> {
        if self.ended.is_some() {
            return None;
        }
        Some(match self.sink.stage() {
            Stage::First => Awaits::First,
            Stage::Middle => Awaits::After(self.unread.arrived),
            Stage::Last(at) => Awaits::End(at, self.unread.arrived),
        })
    }
}

/// A sink and the body that it reads, taken from their places for as long as this lives: whatever ends
/// it, they are back in place then, with all that has arrived.
pub(crate) struct Reading<'r, S: Sink> {
    lent: Lent<'r, Flow<S>>,
    unread: &'r mut Unread,
    sink: &'r mut S,
}

impl<'r, S: Sink> Reading<'r, S> {
    /// `early`: what of the body came with the head, or behind it before there was a sink. What the sink
    /// does not want stays there.
    pub(crate) fn new(
        connection: &'r mut Connection,
        unread: &'r mut Unread,
        sink: &'r mut S,
        early: &mut Early,
        clock: &Clock,
    ) -> Self {
        let mut flow = Flow {
            unread: std::mem::replace(unread, Unread::none()),
            sink: std::mem::take(sink),
            clock: clock.clone(),
            ended: None,
        };
        if flow.unread.body.is_done() {
            // There was to be none.
            let arrived = flow.unread.arrived;
            flow.bytes(&[], arrived);
        }
        while flow.ended.is_none()
            && let Some((bytes, at)) = early.next()
        {
            flow.bytes(bytes, at);
        }
        if flow.ended.is_none()
            && let Some(error) = early.broke.take()
        {
            flow.broke(error);
        }
        Self {
            lent: Lent::new(connection, flow),
            unread,
            sink,
        }
    }

    /// What is waited for still; nothing once it has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> io::Result<Option<Awaits>> {
        self.lent.poll(context)
    }

    /// Puts everything back, and says how it ended; nothing when it has not.
    pub(crate) fn end(&mut self) -> Option<Result<Came, Trouble>> {
        let flow = self.lent.take_back()?;
        *self.unread = flow.unread;
        *self.sink = flow.sink;
        flow.ended
    }
}

impl<S: Sink> Drop for Reading<'_, S> {
    fn drop(&mut self) {
        self.end();
    }
}
