//! Where records go as they arrive: onto disk, and into the counts of the running arm.

use std::sync::{Mutex, MutexGuard, PoisonError};

use agents::Recorder;
use domain::record::{JournalLine, RequestRecord, RequestRole, StepRecord};
use domain::{FailureKind, ModelOptions, Nanos, Outcome, TimeoutPhase};
use tokio_util::sync::CancellationToken;

use crate::error::RuntimeError;
use crate::journal::Journal;
use crate::sweep::OutcomeCounts;

/// The journal and what the runtime itself needs of the records. The first write that fails
/// cancels the sweep: work that leaves no trace is wasted.
#[derive(Debug)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
    /// Cancelled when a write fails.
    unwritable: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    error: Option<RuntimeError>,
    counts: OutcomeCounts,
    arm: Vec<Seen>,
}

/// What the runtime needs of a main request of the running arm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) agent: u32,
    pub(crate) endpoint: u32,
    pub(crate) options: ModelOptions,
    pub(crate) outcome: Outcome,
    pub(crate) load: Option<Nanos>,
    /// The server answered something.
    pub(crate) answered: bool,
}

impl Seen {
    /// The server was not there: nothing came back, and no connection could be made or kept.
    pub(crate) fn unreached(&self) -> bool {
        let away = matches!(
            self.outcome,
            Outcome::Failed {
                failure: FailureKind::ConnectionRefused
                    | FailureKind::Connect
                    | FailureKind::ConnectionReset,
                ..
            } | Outcome::TimedOut {
                phase: TimeoutPhase::Connect,
            }
        );
        away && !self.answered
    }
}

impl Book {
    pub(crate) fn new(journal: Journal, unwritable: CancellationToken) -> Self {
        Self {
            inner: Mutex::new(Inner {
                journal,
                error: None,
                counts: OutcomeCounts::default(),
                arm: Vec::new(),
            }),
            unwritable,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line; a failure is kept for [`Book::check`].
    pub(crate) fn append(&self, line: &JournalLine) {
        let mut inner = self.inner();
        let result = inner.journal.append(line);
        self.keep(&mut inner, result);
    }

    /// Makes everything so far survive a loss of power.
    pub(crate) fn sync(&self) {
        let mut inner = self.inner();
        let result = inner.journal.sync();
        self.keep(&mut inner, result);
    }

    /// Something that belongs in the results folder could not be written.
    pub(crate) fn fail(&self, error: RuntimeError) {
        self.keep(&mut self.inner(), Err(error));
    }

    fn keep(&self, inner: &mut Inner, result: Result<(), RuntimeError>) {
        if let Err(e) = result {
            // The first failure names the cause, those after it only follow from it.
            inner.error.get_or_insert(e);
            self.unwritable.cancel();
        }
    }

    /// The first write that failed, once.
    pub(crate) fn check(&self) -> Result<(), RuntimeError> {
        self.inner().error.take().map_or(Ok(()), Err)
    }

    /// The main requests since the last call, in the order in which they ended.
    pub(crate) fn take_arm(&self) -> Vec<Seen> {
        std::mem::take(&mut self.inner().arm)
    }

    pub(crate) fn counts(&self) -> OutcomeCounts {
        self.inner().counts
    }
}

impl Recorder for Book {
    fn request(&self, record: RequestRecord) {
        if record.role == RequestRole::Main {
            let mut inner = self.inner();
            inner.counts.add(&record.outcome);
            inner.arm.push(Seen {
                agent: record.agent,
                endpoint: record.endpoint,
                options: record.options.clone(),
                outcome: record.outcome.clone(),
                load: record.counters.load,
                answered: record.headers.is_some() || record.first_token.is_some(),
            });
        }
        self.append(&JournalLine::Request(record));
    }

    fn step(&self, record: StepRecord) {
        self.append(&JournalLine::Step(record));
    }
}
