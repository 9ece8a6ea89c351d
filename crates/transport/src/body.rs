//! The parts that both ways of reading a body share.

use clock::{Clock, ExchangeId, Ledger};
use domain::Stamp;

use crate::request_error::RequestError;

/// Receives a body's bytes. It is moved to the thread that reads the socket; a default one takes its
/// place meanwhile.
pub trait Sink: Default + Send + 'static {
    /// Takes bytes that arrived at `at`. True once the protocol's terminator was among them: later bytes are
    /// not passed on. Must not send requests.
    fn take(&mut self, bytes: &[u8], at: Stamp) -> Result<bool, RequestError>;

    /// How far the answer has come, which decides the limit that applies.
    fn stage(&self) -> StreamStage {
        StreamStage::Streaming
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
}

/// How a body that was read without an error ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StreamEnd {
    /// The protocol's terminator arrived.
    Terminator,
    /// The body ended without the protocol's terminator.
    Body,
    /// The answer was complete at this moment, and no terminator followed in time.
    GracePeriod(Stamp),
}

/// The result of reading some bytes of a body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BodyProgress {
    pub(crate) saw_terminator: bool,
    pub(crate) body_ended: bool,
}

impl BodyProgress {
    /// How the body ended; `None` while it has not.
    pub(crate) fn end(self) -> Option<StreamEnd> {
        match self {
            Self {
                saw_terminator: true,
                ..
            } => Some(StreamEnd::Terminator),
            Self {
                body_ended: true, ..
            } => Some(StreamEnd::Body),
            _ => None,
        }
    }
}

/// An exchange in the ledger of virtual time; closed when dropped.
#[derive(Debug)]
pub(crate) struct LedgerEntry {
    ledger: Ledger,
    pub(crate) id: ExchangeId,
}

impl LedgerEntry {
    /// Opens an exchange and posts its request; `None` in real time.
    pub(crate) fn post_request(clock: &Clock) -> Option<Self> {
        let ledger = clock.ledger()?.clone();
        let id = ledger.open();
        ledger.post(id, 1);
        Some(Self { ledger, id })
    }
}

impl Drop for LedgerEntry {
    fn drop(&mut self) {
        self.ledger.close(self.id);
    }
}

/// The state of a body that is being read.
#[derive(Debug, Default)]
pub(crate) struct BodyState {
    /// When the last bytes of the body arrived; while there are none, when the head did.
    pub(crate) arrived: Stamp,
    ledger_entry: Option<LedgerEntry>,
}

impl BodyState {
    /// The state after a head that arrived at `arrived`.
    pub(crate) fn new(arrived: Stamp, ledger_entry: Option<LedgerEntry>) -> Self {
        let state = Self {
            arrived,
            ledger_entry,
        };
        state.settle(1);
        state
    }

    /// Takes units off the wire in virtual time.
    fn settle(&self, units: u64) {
        if let Some(LedgerEntry { ledger, id }) = &self.ledger_entry {
            ledger.take(*id, units);
        }
    }

    /// Passes bytes to the sink, unless they follow the terminator.
    pub(crate) fn data(
        &mut self,
        data: &[u8],
        at: Stamp,
        sink: &mut impl Sink,
        progress: &mut BodyProgress,
    ) -> Result<(), RequestError> {
        self.arrived = at;
        self.settle(data.len() as u64);
        if !progress.saw_terminator {
            progress.saw_terminator = sink.take(data, at)?;
        }
        Ok(())
    }

    /// Takes note of the body's end.
    pub(crate) fn end(&self, progress: &mut BodyProgress) {
        self.settle(1);
        progress.body_ended = true;
    }

    /// The limit that applies at the sink's stage.
    pub(crate) fn waiting_for(&self, sink: &impl Sink) -> WaitingFor {
        let arrived = self.arrived;
        match sink.stage() {
            StreamStage::BeforeFirstToken => WaitingFor::FirstByte,
            StreamStage::Streaming => WaitingFor::NextChunk(arrived),
            StreamStage::Complete(complete) => WaitingFor::Terminator { complete, arrived },
        }
    }
}
