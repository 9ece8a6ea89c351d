//! The destination of records: the journal on disk, and the counts of the running arm.
//!
//! A dedicated thread writes them in order. A disk that stalls would otherwise stall the thread that stamps other
//! agents' tokens.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use agents::Recorder;
use domain::cache::{CacheCheck, FirstPrefills};
use domain::record::{JournalLine, RequestRecord, RequestRole, StepRecord};
use domain::{FailureKind, Outcome, OutcomeCounts, TimeoutPhase};
use parking_lot::Mutex;
use results::{FolderError, LineWriter};
use tokio_util::sync::CancellationToken;

/// The journal, and the counts that the runtime itself needs. The first write that fails cancels the sweep, whose
/// further work could not be recorded.
#[derive(Debug)]
pub(crate) struct Journal {
    inner: Mutex<Inner>,
    failure: Arc<Failure>,
    /// `None` only while it is being closed.
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: OutcomeCounts,
    failed_steps: u32,
    /// The main requests of the running arm.
    arm: Vec<RequestRecord>,
    cache: CacheCheck,
    first_prefills: FirstPrefills,
}

#[derive(Debug)]
struct Failure {
    error: Mutex<Option<FolderError>>,
    /// Cancelled when a write fails.
    unwritable: CancellationToken,
}

impl Failure {
    fn keep(&self, result: Result<(), FolderError>) {
        if let Err(e) = result {
            // The first failure names the cause, those after it only follow from it.
            self.error.lock().get_or_insert(e);
            self.unwritable.cancel();
        }
    }
}

/// Something that the writer's thread does with the journal.
type Job = Box<dyn FnOnce(&mut LineWriter) -> io::Result<()> + Send>;

/// True if no connection to the server could be made or kept and no response arrived.
pub(crate) fn found_no_server(request: &RequestRecord) -> bool {
    let times = &request.times;
    let lost = matches!(
        times.outcome,
        Outcome::Failed {
            failure: FailureKind::ConnectionRefused
                | FailureKind::Connect
                | FailureKind::ConnectionReset,
            ..
        } | Outcome::TimedOut {
            phase: TimeoutPhase::Connect,
        }
    );
    lost && times.headers.is_none() && times.first_token.is_none()
}

impl Journal {
    pub(crate) fn new(
        mut lines: LineWriter,
        unwritable: CancellationToken,
    ) -> Result<Self, FolderError> {
        let failure = Arc::new(Failure {
            error: Mutex::new(None),
            unwritable,
        });
        let path = lines.path().to_owned();
        let (jobs, received) = mpsc::channel::<Job>();
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let (failure, path) = (Arc::clone(&failure), path.clone());
                move || {
                    for job in received {
                        failure.keep(job(&mut lines).map_err(FolderError::write(&path)));
                    }
                }
            })
            .map_err(|source| FolderError::Write(path, source))?;
        Ok(Self {
            inner: Mutex::default(),
            failure,
            jobs: Some(jobs),
            writer: Some(writer),
        })
    }

    fn send(&self, job: impl FnOnce(&mut LineWriter) -> io::Result<()> + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // The writer ends only when this side does.
            let _ = jobs.send(Box::new(job));
        }
    }

    /// Appends a line without waiting for the disk. A failure is kept for [`Journal::check`].
    pub(crate) fn append(&self, line: JournalLine) {
        self.send(move |lines| lines.append(&line));
    }

    /// Waits until all lines are written. Blocks, so it is for moments at which nothing is measured.
    pub(crate) fn settle(&self) {
        let (done, settled) = mpsc::sync_channel(1);
        self.send(move |_| {
            // The receiver may be gone.
            let _ = done.send(());
            Ok(())
        });
        // An error means that the writer is gone, and then there is nothing to wait for.
        let _ = settled.recv();
    }

    /// Waits until all lines are synced to disk. Blocks.
    pub(crate) fn sync(&self) {
        self.send(LineWriter::sync);
        self.settle();
    }

    /// Keeps a failure to write another file of the results folder.
    pub(crate) fn fail(&self, error: FolderError) {
        self.failure.keep(Err(error));
    }

    /// Waits for all writes, and returns the first one that failed, once.
    pub(crate) fn check(&self) -> Result<(), FolderError> {
        self.settle();
        self.failure.error.lock().take().map_or(Ok(()), Err)
    }

    /// The main requests since the last call, in the order in which they ended, and whether a prompt cache helped them.
    pub(crate) fn take_arm(&self) -> (Vec<RequestRecord>, CacheCheck) {
        let inner = &mut *self.inner.lock();
        let (arm, cache) = (&mut inner.arm, &mut inner.cache);
        (std::mem::take(arm), std::mem::take(cache))
    }

    pub(crate) fn counts(&self) -> OutcomeCounts {
        self.inner.lock().counts
    }

    /// Steps of agents that failed, apart from requests.
    pub(crate) fn failed_steps(&self) -> u32 {
        self.inner.lock().failed_steps
    }
}

impl Recorder for Journal {
    fn request(&self, record: RequestRecord) {
        if record.role == RequestRole::Main {
            let mut kept = record.clone();
            // No rule of an arm needs them, and a long arm would hold a stamp for each of its tokens.
            kept.times.chunks = Vec::new();
            let mut guard = self.inner.lock();
            let inner = &mut *guard;
            inner.cache.add_of_sweep(&record, &mut inner.first_prefills);
            inner.counts.count(&record.times.outcome);
            inner.arm.push(kept);
        }
        self.append(JournalLine::Request(record));
    }

    fn step(&self, record: StepRecord) {
        if record.failure().is_some() {
            self.inner.lock().failed_steps += 1;
        }
        self.append(JournalLine::Step(record));
    }
}

impl Drop for Journal {
    /// Waits for the writer, so that the folder is complete when it is opened next.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // The panic hook has reported a panic of the writer.
            let _ = writer.join();
        }
    }
}
