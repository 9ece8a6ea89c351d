//! A response as it is read, which both HTTP clients share: its head, and its body as it arrives.

use clock::LedgerEntry;
use domain::{FailureKind, Stamp, TimeoutPhase};

use crate::bounds::{DRAIN, ERROR_BYTES};
use crate::connection_error::{BEFORE_ANSWER, closed};
use crate::prefetch::prefetch;
use crate::request_error::RequestError;
use crate::response::Expectation;
use crate::response_head::Head;

/// Receives a body's bytes.
pub trait Sink {
    /// Takes bytes that arrived at `at`. True once the protocol's terminator was among them: later bytes are
    /// not passed on. Must not send requests. Fails when the bytes are not the protocol's.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError>;

    /// How far the answer has come, which decides the limit that applies.
    fn stage(&self) -> StreamStage {
        StreamStage::Streaming
    }

    /// Asks the processor for the memory that [`take`](Self::take) will need.
    fn prefetch(&self) {}
}

impl<S: Sink> Sink for &mut S {
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError> {
        S::take(self, bytes, at)
    }

    fn stage(&self) -> StreamStage {
        S::stage(self)
    }

    fn prefetch(&self) {
        S::prefetch(self);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStage {
    /// No output has arrived, though the head may have: some servers send a head at once and queue the request
    /// behind it. The first-byte limit still applies.
    BeforeFirstToken,
    /// The limit between two arrivals applies.
    Streaming,
    /// The answer was complete at this moment, but its terminator has not arrived. The stream ends when the
    /// terminator does not follow soon.
    Complete(Stamp),
}

/// The limit that applies while more bytes are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitingFor {
    /// From the send on.
    FirstByte,
    /// From this arrival on.
    NextChunk(Stamp),
    /// The grace periods from the completion of the answer and from the last arrival.
    Terminator { complete: Stamp, arrived: Stamp },
    /// The body's end behind the terminator, until this moment.
    BodyEnd(Stamp),
}

/// How a body that was read without an error ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The protocol's terminator arrived.
    Terminator(Stamp),
    /// The body ended without the protocol's terminator.
    Body,
    /// The answer was complete at this moment, and no terminator followed in time.
    GracePeriod(Stamp),
}

/// A body that is collected as a whole, as far as it is not longer than `most` bytes.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) bytes: Vec<u8>,
    pub(crate) most: usize,
}

impl Sink for Page {
    fn take(&mut self, bytes: &[u8], _: Stamp) -> Result<bool, RequestError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() <= self.most {
            return Ok(false);
        }
        let words = format!("the reply is longer than {} bytes", self.most);
        Err(RequestError::Failed(FailureKind::LineTooLong, words.into()))
    }
}

/// A response that is being read. What every token touches comes first, up to the beginning of the sink: see
/// [`Answer`](crate::recorder::Answer).
#[repr(C)]
pub(crate) struct Incoming<S> {
    /// When the last bytes arrived.
    arrived: Stamp,
    ledger_entry: Option<LedgerEntry>,
    has_head: bool,
    /// The response is not the expected one, and its body goes to `page`.
    is_unexpected: bool,
    /// The answer has ended; more of the body may follow.
    has_ended: bool,
    /// Nothing more is wanted.
    is_over: bool,
    pub(crate) sink: S,
    end: Option<Result<StreamEnd, RequestError>>,
    /// When the head arrived.
    pub(crate) headers: Option<Stamp>,
    head: Option<Head>,
    page: Page,
    expectation: &'static Expectation,
}

/// A response that has been read.
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) end: Result<StreamEnd, RequestError>,
    /// When the last bytes arrived.
    pub(crate) arrived: Stamp,
    /// The start of the body where the response is not the expected one.
    pub(crate) page: Option<Vec<u8>>,
}

impl<S: Sink> Incoming<S> {
    pub(crate) fn new(
        sink: S,
        expectation: &'static Expectation,
        ledger_entry: Option<LedgerEntry>,
    ) -> Self {
        Self {
            sink,
            arrived: Stamp::ZERO,
            ledger_entry,
            has_head: false,
            is_unexpected: false,
            has_ended: false,
            is_over: false,
            end: None,
            headers: None,
            head: None,
            page: Page {
                bytes: Vec::new(),
                most: ERROR_BYTES,
            },
            expectation,
        }
    }

    /// Takes units off the wire in virtual time.
    fn settle(&self, units: u64) {
        if let Some(entry) = &self.ledger_entry {
            entry.take(units);
        }
    }

    pub(crate) fn head(&mut self, head: Head, at: Stamp) {
        self.arrived = at;
        self.headers = Some(at);
        self.settle(1);
        self.has_head = true;
        self.is_unexpected = !self.expectation.is_met_by(&head);
        // An encoded body is not read.
        self.is_over = self.is_unexpected && head.encodings().is_some();
        self.head = Some(head);
    }

    /// Passes bytes of the body on, unless they follow the terminator.
    pub(crate) fn data(&mut self, data: &[u8], at: Stamp) {
        self.arrived = at;
        self.settle(data.len() as u64);
        if self.has_ended {
            return;
        }
        let taken = if self.is_unexpected {
            self.page.take(data, at)
        } else {
            self.sink.take(data, at)
        };
        match taken {
            Ok(false) => {}
            Ok(true) => {
                // Where no connection is kept, waiting for the body's end gains nothing.
                self.is_over = !self.is_reusable();
                self.end_with(Ok(StreamEnd::Terminator(at)));
            }
            Err(error) => self.fail(error),
        }
    }

    /// Keeps the first end: nothing that follows the terminator changes the outcome.
    fn end_with(&mut self, end: Result<StreamEnd, RequestError>) {
        self.has_ended = true;
        self.end.get_or_insert(end);
    }

    /// Takes note of the body's end.
    pub(crate) fn body_end(&mut self) {
        self.settle(1);
        self.is_over = true;
        self.end_with(Ok(StreamEnd::Body));
    }

    /// Takes note of an error, after which nothing is read.
    pub(crate) fn fail(&mut self, error: RequestError) {
        self.is_over = true;
        self.end_with(Err(error));
    }

    /// Takes note of a limit that has run out, unless all has arrived meanwhile.
    pub(crate) fn time_out(&mut self, phase: TimeoutPhase) {
        let end = match self.waiting_for() {
            None => return,
            Some(WaitingFor::Terminator { complete, .. }) => Ok(StreamEnd::GracePeriod(complete)),
            Some(_) => Err(RequestError::TimedOut(phase)),
        };
        self.is_over = true;
        self.end_with(end);
    }

    /// The limit that applies; `None` when nothing more is wanted.
    pub(crate) fn waiting_for(&self) -> Option<WaitingFor> {
        let arrived = self.arrived;
        if self.is_over {
            return None;
        }
        Some(match &self.end {
            _ if !self.has_head => WaitingFor::FirstByte,
            Some(Ok(StreamEnd::Terminator(at))) => WaitingFor::BodyEnd(*at + DRAIN),
            _ if self.is_unexpected => WaitingFor::NextChunk(arrived),
            _ => match self.sink.stage() {
                StreamStage::BeforeFirstToken => WaitingFor::FirstByte,
                StreamStage::Streaming => WaitingFor::NextChunk(arrived),
                StreamStage::Complete(complete) => WaitingFor::Terminator { complete, arrived },
            },
        })
    }

    pub(crate) fn prefetch(&self) {
        prefetch(&self.has_head);
        self.sink.prefetch();
    }

    pub(crate) fn has_head(&self) -> bool {
        self.has_head
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// True when the connection can be used again, if the body has ended.
    pub(crate) fn is_reusable(&self) -> bool {
        (self.head.as_ref()).is_some_and(|head| head.is_reusable)
    }

    /// True when a limit applies that ends sooner than the one between chunks.
    pub(crate) fn ends_soon(&self) -> bool {
        self.has_ended || matches!(self.sink.stage(), StreamStage::Complete(_))
    }

    /// What has been read. Fails when no head has arrived.
    pub(crate) fn received(self) -> Result<Received, RequestError> {
        let end = self.end.unwrap_or(Ok(StreamEnd::Body));
        match self.head {
            None => Err(end.err().unwrap_or_else(|| closed(BEFORE_ANSWER))),
            Some(head) => Ok(Received {
                head,
                end,
                arrived: self.arrived,
                page: self.is_unexpected.then_some(self.page.bytes),
            }),
        }
    }
}

impl Received {
    /// Fails with what the response means where it is not the expected one.
    pub(crate) fn expected(
        self,
        expectation: &Expectation,
        model: Option<&str>,
        sent_key: bool,
    ) -> Result<Self, RequestError> {
        match &self.page {
            Some(page) => Err(expectation.refusal(&self.head, page, model, sent_key)),
            None => Ok(self),
        }
    }
}
