//! Reads a response off a connection: its head, then its body.

use std::io;

use clock::Clock;
use domain::Stamp;

use super::http1::{Framing, HeadSearch};
use super::reactor::{ReadOutcome, Reader};
use crate::body::{Incoming, Sink, WaitingFor};
use crate::connection_error::{BEFORE_ANSWER, broken, closed};
use crate::prefetch::prefetch;
use crate::request_error::RequestError;

/// Takes the bytes of one connection as they arrive. What every token touches comes first: see
/// [`Answer`](crate::recorder::Answer).
#[repr(C, align(64))]
pub(super) struct ResponseReader<S> {
    framing: Framing,
    clock: Clock,
    pub(super) incoming: Incoming<S>,
    /// More than the body has arrived.
    has_trailing_bytes: bool,
    search: HeadSearch,
}

impl<S: Sink> ResponseReader<S> {
    pub(super) fn new(incoming: Incoming<S>, clock: &Clock) -> Self {
        Self {
            incoming,
            framing: Framing::default(),
            clock: clock.clone(),
            has_trailing_bytes: false,
            search: HeadSearch::default(),
        }
    }

    /// True while nothing has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.search.is_empty()
    }

    /// True when the response has ended and the connection can carry another.
    pub(super) fn leaves_a_free_connection(&self) -> bool {
        let has_ended = self.incoming.has_head() && self.framing.is_done();
        has_ended && self.incoming.is_reusable() && !self.has_trailing_bytes
    }

    fn head(&mut self, bytes: &[u8], at: Stamp) -> Result<(), RequestError> {
        if let Some((head, framing, behind)) = self.search.push(bytes)? {
            self.framing = framing;
            self.incoming.head(head, at);
            self.body(&behind, at)?;
        }
        Ok(())
    }

    #[inline]
    fn body(&mut self, mut bytes: &[u8], at: Stamp) -> Result<(), RequestError> {
        while !self.incoming.is_over()
            && let Some(data) = self.framing.next(&mut bytes)?
        {
            self.incoming.data(data, at);
        }
        if self.framing.is_done() {
            self.has_trailing_bytes = !bytes.is_empty();
            self.incoming.body_end();
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<(), RequestError> {
        if !self.incoming.has_head() {
            return Err(closed(BEFORE_ANSWER));
        }
        self.framing.closed()?;
        self.incoming.body_end();
        Ok(())
    }
}

impl<S: Sink + Send + 'static> Reader for ResponseReader<S> {
    fn take(&mut self, bytes: &[u8]) -> ReadOutcome {
        // Stamped before they are decoded.
        let at = self.clock.now();
        let read = if bytes.is_empty() {
            self.closed()
        } else if self.incoming.has_head() {
            self.body(bytes, at)
        } else {
            self.head(bytes, at)
        };
        if let Err(error) = read {
            self.incoming.fail(error);
        }
        if self.incoming.is_over() {
            ReadOutcome::Done
        } else if self.incoming.ends_soon() {
            ReadOutcome::LimitChanged
        } else {
            ReadOutcome::NeedMore
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.incoming.fail(broken(error));
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        self.incoming.waiting_for()
    }

    fn prefetch(&self) {
        prefetch(&self.framing);
        self.incoming.prefetch();
    }
}
