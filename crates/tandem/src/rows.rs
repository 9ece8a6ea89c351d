//! A load's folder, and the thread that counts and writes its rows, so that no request waits for
//! either.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::exit::{Fatal, OrFatal as _};
use domain::record::RequestRecord;
use domain::record::load::{LOAD_FILE, LoadFile, REQUESTS_FILE};
use indicatif::ProgressBar;
use metrics::limit::Objective;
use metrics::load::Collected;
use results::LineWriter;
use runtime::Shutdown;
use runtime::load::{Backlog, OnRecord};

use crate::folder;

/// Rows are written in pieces of this size.
const BATCH: usize = 64 * 1024;
/// A row waits no longer than this for others to be written with.
const FLUSH: Duration = Duration::from_secs(1);
/// After one row, this long nobody is woken for another: waking a thread costs a request more than
/// handing over its row, and on one CPU it would interrupt those that read.
const GATHER: Duration = Duration::from_millis(20);
/// Rows may take this much memory before requests wait for the disk.
const WAITING: u64 = 64 * 1024 * 1024;
/// Times of each kind that are kept exactly; beyond it they are counted in a histogram.
const EXACT: usize = 1_000_000;

/// Makes the folder, and says in it what is going to run. Returns the file for its rows.
pub(crate) fn create(dir: &Path, asked: &LoadFile) -> Result<LineWriter, Fatal> {
    let path = dir.join(REQUESTS_FILE);
    let unwritable = || format!("{} could not be written", path.display());
    folder::make(dir)?;
    let file = match results::load::create_rows(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(
                Fatal::usage(format!("{} already holds a load", dir.display()))
                    .hint("give another --out"),
            );
        }
        other => other.or_environment(unwritable())?,
    };
    write_facts(dir, asked)?;
    Ok(file)
}

/// Puts the figures into the folder in one step. Returns it.
pub(crate) fn write_facts(dir: &Path, facts: &LoadFile) -> Result<PathBuf, Fatal> {
    let path = dir.join(LOAD_FILE);
    results::load::write(dir, facts)
        .or_environment(format!("{} could not be written", path.display()))?;
    Ok(dir.to_owned())
}

/// What came of all rows.
pub(crate) struct Kept {
    pub(crate) collected: Collected,
    /// Whether all of them are on disk, where they were to be.
    pub(crate) written: io::Result<()>,
}

/// The thread that takes the rows.
#[derive(Debug)]
pub(crate) struct Rows {
    thread: JoinHandle<Kept>,
    pub(crate) backlog: Arc<Backlog>,
}

impl Rows {
    /// Starts it. It ends once what it returns to take records is gone. When a row cannot be
    /// written it stops the load: work that leaves no trace is wasted.
    pub(crate) fn start(
        file: Option<LineWriter>,
        slo: Option<Objective>,
        bar: ProgressBar,
        stop: Shutdown,
    ) -> Result<(Self, OnRecord), Fatal> {
        let (send, rows) = mpsc::channel::<RequestRecord>();
        let backlog = Arc::new(Backlog::new(WAITING));
        let mut writer = Writer {
            file,
            waiting: 0,
            backlog: Arc::clone(&backlog),
            written: Ok(()),
            stop,
        };
        let thread = thread::Builder::new()
            .name("rows".to_owned())
            .spawn(move || {
                let mut collected = Collected::limited(slo, EXACT);
                writer.take_all(&rows, |row| {
                    collected.add(row);
                    bar.inc(1);
                });
                Kept {
                    collected,
                    written: writer.written,
                }
            })
            .or_environment("a thread could not be started")?;
        let on_record = {
            let backlog = Arc::clone(&backlog);
            Arc::new(move |record: RequestRecord| {
                backlog.add(Backlog::size_of(&record));
                // The thread ends after the last sender only, unless it panicked: then its join
                // says so.
                let _ = send.send(record);
            })
        };
        Ok((Self { thread, backlog }, on_record))
    }

    /// Waits for the last row.
    pub(crate) fn finish(self) -> Result<Kept, Fatal> {
        self.thread
            .join()
            .map_err(|_| Fatal::environment("the thread that writes rows panicked"))
    }
}

struct Writer {
    file: Option<LineWriter>,
    /// What the rows that are not written yet took as records.
    waiting: u64,
    backlog: Arc<Backlog>,
    written: io::Result<()>,
    stop: Shutdown,
}

impl Writer {
    fn take_all(&mut self, rows: &Receiver<RequestRecord>, mut count: impl FnMut(&RequestRecord)) {
        loop {
            match rows.recv_timeout(FLUSH) {
                Ok(first) => {
                    thread::sleep(GATHER);
                    for row in iter::once(first).chain(rows.try_iter()) {
                        count(&row);
                        self.take(&row);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
    }

    fn take(&mut self, row: &RequestRecord) {
        self.waiting += Backlog::size_of(row);
        self.attempt(|file| file.push(row));
        let waits = |file: &LineWriter| file.waiting() < BATCH;
        if !self.file.as_ref().is_some_and(waits) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.attempt(LineWriter::flush);
        self.backlog.take(std::mem::take(&mut self.waiting));
    }

    /// Nothing is written after the first failure, which stops the load.
    fn attempt(&mut self, write: impl FnOnce(&mut LineWriter) -> io::Result<()>) {
        if let (Some(file), Ok(())) = (&mut self.file, &self.written) {
            self.written = write(file);
            if self.written.is_err() {
                self.stop.stop();
            }
        }
    }
}
