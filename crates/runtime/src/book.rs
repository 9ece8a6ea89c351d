//! Where records go as they arrive: onto disk, and into the counts of the running arm.
//!
//! A thread of its own writes them, in order. A disk that stops for a second would otherwise stop
//! the thread on which other agents' tokens are stamped.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use agents::Recorder;
use domain::cache::{CacheCheck, FirstPrefills};
use domain::record::{JournalLine, RequestRecord, RequestRole, StepRecord};
use domain::{FailureKind, ModelOptions, Nanos, Outcome, OutcomeCounts, TimeoutPhase};
use results::{FolderError, LineWriter};
use tokio_util::sync::CancellationToken;

/// The journal and what the runtime itself needs of the records. The first write that fails
/// cancels the sweep: work that leaves no trace is wasted.
#[derive(Debug)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
    failure: Arc<Failure>,
    /// None only while the book is being closed.
    lines: Option<Sender<Entry>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: OutcomeCounts,
    failed_steps: u32,
    arm: Vec<Seen>,
    cache: CacheCheck,
    first_prefills: FirstPrefills,
}

/// The first write that failed.
#[derive(Debug)]
struct Failure {
    error: Mutex<Option<FolderError>>,
    /// Cancelled when a write fails.
    unwritable: CancellationToken,
}

impl Failure {
    fn keep(&self, result: Result<(), FolderError>) {
        if let Err(e) = result {
            let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            // The first failure names the cause, those after it only follow from it.
            error.get_or_insert(e);
            self.unwritable.cancel();
        }
    }
}

/// What the writer is told.
#[derive(Debug)]
enum Entry {
    Line(Box<JournalLine>),
    /// Everything before this is to be written, and with `durable` to survive a loss of power;
    /// the channel hears when it is.
    Settle {
        durable: bool,
        done: SyncSender<()>,
    },
}

fn write(mut journal: LineWriter, entries: &Receiver<Entry>, failure: &Failure) {
    let path = journal.path().to_owned();
    let keep = |result: io::Result<()>| failure.keep(result.map_err(FolderError::write(&path)));
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(line) => keep(journal.append(&line)),
            Entry::Settle { durable, done } => {
                if durable {
                    keep(journal.sync());
                }
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        }
    }
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
    pub(crate) fn new(
        journal: LineWriter,
        unwritable: CancellationToken,
    ) -> Result<Self, FolderError> {
        let failure = Arc::new(Failure {
            error: Mutex::new(None),
            unwritable,
        });
        let path = journal.path().to_owned();
        let (lines, entries) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let failure = Arc::clone(&failure);
                move || write(journal, &entries, &failure)
            })
            .map_err(|source| FolderError::Write { path, source })?;
        Ok(Self {
            inner: Mutex::default(),
            failure,
            lines: Some(lines),
            writer: Some(writer),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, entry: Entry) {
        if let Some(lines) = &self.lines {
            // The writer ends only when this side does.
            let _ = lines.send(entry);
        }
    }

    /// Appends a line, and does not wait for the disk; a failure is kept for [`Book::check`].
    pub(crate) fn append(&self, line: JournalLine) {
        self.tell(Entry::Line(Box::new(line)));
    }

    /// Waits until everything so far is written. For moments at which nothing is measured.
    pub(crate) fn settle(&self) {
        self.wait(false);
    }

    /// Waits until everything so far would survive a loss of power.
    pub(crate) fn sync(&self) {
        self.wait(true);
    }

    fn wait(&self, durable: bool) {
        let (done, told) = mpsc::sync_channel(1);
        self.tell(Entry::Settle { durable, done });
        // An error means that the writer is gone, and then there is nothing to wait for.
        let _ = told.recv();
    }

    /// Something that belongs in the results folder could not be written.
    pub(crate) fn fail(&self, error: FolderError) {
        self.failure.keep(Err(error));
    }

    /// The first write that failed, once. Waits for those under way.
    pub(crate) fn check(&self) -> Result<(), FolderError> {
        self.settle();
        let mut error = self
            .failure
            .error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        error.take().map_or(Ok(()), Err)
    }

    /// The main requests since the last call, in the order in which they ended, and whether a prompt
    /// cache helped them.
    pub(crate) fn take_arm(&self) -> (Vec<Seen>, CacheCheck) {
        let mut inner = self.inner();
        (
            std::mem::take(&mut inner.arm),
            std::mem::take(&mut inner.cache),
        )
    }

    /// Main requests by outcome.
    pub(crate) fn counts(&self) -> OutcomeCounts {
        self.inner().counts
    }

    /// Steps of agents that failed, apart from requests.
    pub(crate) fn failed_steps(&self) -> u32 {
        self.inner().failed_steps
    }
}

impl Recorder for Book {
    fn request(&self, record: RequestRecord) {
        if record.role == RequestRole::Main {
            let mut guard = self.inner();
            let inner = &mut *guard;
            inner.cache.add_of_sweep(&record, &mut inner.first_prefills);
            let times = &record.times;
            inner.counts.count(&times.outcome);
            inner.arm.push(Seen {
                agent: record.agent,
                endpoint: record.endpoint,
                options: record.options.clone(),
                outcome: times.outcome.clone(),
                load: times.counters.load,
                answered: times.headers.is_some() || times.first_token.is_some(),
            });
        }
        self.append(JournalLine::Request(record));
    }

    fn step(&self, record: StepRecord) {
        if record.failure().is_some() {
            self.inner().failed_steps += 1;
        }
        self.append(JournalLine::Step(record));
    }
}

impl Drop for Book {
    /// Whoever opens the folder next finds everything in it.
    fn drop(&mut self) {
        drop(self.lines.take());
        if let Some(writer) = self.writer.take() {
            // A panic there has been told by the panic hook.
            let _ = writer.join();
        }
    }
}
