//! A load's folder, and the thread that counts and writes its rows, so that requests wait for neither.

use std::fs;
use std::io;
use std::iter;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::Nanos;
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::CachePolicy;
use domain::record::RequestRecord;
use domain::record::load::{
    LoadFile, LoadSettings, REQUESTS_FILE, RampSettings, Shape, WorkSettings,
};
use indicatif::ProgressBar;
use metrics::limit::Objective;
use metrics::load::Collected;
use results::{FolderError, LineWriter};
use runtime::Shutdown;
use runtime::load::{Backlog, Gaps, LoadPlan, LoadShape, OnRecord, RateCurve};

/// Bytes of a write; no row waits longer than [`GATHER`] for others.
const BATCH: usize = 64 * 1024;
/// The thread sleeps this long after the first row before it takes more: waking a thread costs a request
/// more than handing over its row, and on one CPU it would interrupt the reading of streams.
const GATHER: Duration = Duration::from_millis(50);
/// Most rows that are counted before all are written.
const ROWS_AT_ONCE: usize = 1024;
/// Memory of unwritten rows, bytes, beyond which requests wait for the disk.
const WAITING: u64 = 64 * 1024 * 1024;
/// Times of each kind that are kept exactly; a histogram counts those beyond.
const EXACT: usize = 1_000_000;

/// Makes the folder and writes the load's description. Returns the file for the rows.
pub(crate) fn create(dir: &Path, asked: &LoadFile) -> Result<LineWriter, FolderError> {
    let path = dir.join(REQUESTS_FILE);
    fs::create_dir_all(dir).map_err(FolderError::write(dir))?;
    let file = results::load::create_rows(dir).map_err(FolderError::write(&path))?;
    results::load::write(dir, asked).inspect_err(|_| {
        // An empty rows file would mark the folder as that of a load.
        let _ = fs::remove_file(&path);
    })?;
    Ok(file)
}

/// A load's plan as `load.json` describes it. `threads` is the number of threads for the agents' work.
pub(crate) fn asked(plan: &LoadPlan, threads: NonZeroU32) -> LoadSettings {
    LoadSettings {
        model: plan.model.clone(),
        shape: shape(plan),
        requests: plan.requests,
        num_predict: plan.options.num_predict.unwrap_or_default(),
        seed: plan.seed,
        same_prompt: plan.cache == CachePolicy::Warm,
        turns: plan.turns.as_ref().map(|turns| turns.count.get()),
        work: (!plan.work.is_empty()).then(|| WorkSettings {
            cpu: plan.work.cpu.map(|cpu| cpu.to_string()),
            file_bytes: plan.work.file.map(|file| u64::from(file.bytes())),
            threads: threads.get(),
        }),
        timeouts: None,
        slo: None,
    }
}

fn shape(plan: &LoadPlan) -> Shape {
    match &plan.shape {
        LoadShape::Closed { agents, think } => Shape::Closed {
            agents: agents.get(),
            think_s: think.as_secs_f64(),
        },
        LoadShape::Open { arrivals, agents } => {
            let (name, cv) = match arrivals.gaps {
                Gaps::Equal => ("constant", None),
                Gaps::Exponential => ("poisson", None),
                Gaps::Gamma(cv) => ("gamma", Some(cv.get())),
            };
            let ramp = match arrivals.rate {
                RateCurve::Constant(_) => None,
                RateCurve::Ramp {
                    from_per_s, over, ..
                } => Some(RampSettings {
                    from_per_s,
                    over_s: over.as_secs_f64(),
                }),
            };
            let think = plan.turns.as_ref().map(|turns| turns.think);
            Shape::Open {
                arrivals: name.to_owned(),
                cv,
                rate_per_s: arrivals.rate.last().per_second(),
                ramp,
                agents: agents.map(NonZeroU32::get),
                think_s: think.map_or(0.0, Nanos::as_secs_f64),
            }
        }
        LoadShape::Replay {
            trace,
            speed,
            agents,
        } => Shape::Replay {
            trace: trace.name.clone(),
            sha256: trace.sha256.clone(),
            speed_factor: speed.get(),
            agents: agents.map(NonZeroU32::get),
            starts: Some(trace.starts.clone()),
            skipped: (trace.skipped > 0).then_some(trace.skipped),
            unused: trace.unused.clone(),
        },
    }
}
pub(crate) struct Kept {
    pub(crate) collected: Collected,
    /// The first write error, if rows are recorded.
    pub(crate) written: io::Result<()>,
}

#[derive(Debug)]
pub(crate) struct Rows {
    thread: JoinHandle<Kept>,
    pub(crate) backlog: Arc<Backlog>,
}

impl Rows {
    /// Starts the thread, which ends when the returned callback is dropped; a failed write stops the load.
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
                let gather = || thread::sleep(GATHER);
                writer.take_all(&rows, gather, |row| {
                    collected.add(row);
                    bar.inc(1);
                });
                let written = writer.written;
                Kept { collected, written }
            })
            .or_environment("a thread could not be started")?;
        let waiting = Arc::clone(&backlog);
        let on_record = Arc::new(move |record: RequestRecord| {
            waiting.add(Backlog::size_of(&record));
            // The thread ends after the last sender, unless it panicked, which `finish` reports.
            let _ = send.send(record);
        });
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
    /// Memory of the unwritten rows, bytes.
    waiting: u64,
    backlog: Arc<Backlog>,
    written: io::Result<()>,
    stop: Shutdown,
}

impl Writer {
    /// Counts and writes rows until the last sender is dropped; calls `gather` after the first row of a batch.
    fn take_all(
        &mut self,
        rows: &Receiver<RequestRecord>,
        mut gather: impl FnMut(),
        mut count: impl FnMut(&RequestRecord),
    ) {
        while let Ok(first) = rows.recv() {
            gather();
            for row in iter::once(first).chain(rows.try_iter()).take(ROWS_AT_ONCE) {
                count(&row);
                self.take(&row);
            }
            self.flush();
        }
        self.attempt(LineWriter::sync);
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

    /// The first failure stops the load; later writes are skipped.
    fn attempt(&mut self, write: impl FnOnce(&mut LineWriter) -> io::Result<()>) {
        if let (Some(file), Ok(())) = (&mut self.file, &self.written) {
            self.written = write(file);
            if self.written.is_err() {
                self.stop.stop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use domain::plan::{Arm, Topology};
    use domain::record::{RequestTimes, RunKey};

    use super::*;

    /// A new row always arrives before the thread would wait; rows must be written all the same.
    #[test]
    fn every_row_is_written_before_the_thread_waits_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer {
            file: Some(results::load::create_rows(dir.path()).unwrap()),
            waiting: 0,
            backlog: Arc::new(Backlog::new(WAITING)),
            written: Ok(()),
            stop: Shutdown::new(Nanos::ZERO),
        };
        let run = RunKey::of_load(Topology::Shared);
        let row = RequestRecord::new(run, Arm::Together, RequestTimes::default());
        let (send, rows) = mpsc::channel();
        send.send(row.clone()).unwrap();
        let mut send = Some(send);
        let counted = Cell::new(0);
        let path = dir.path().join(REQUESTS_FILE);
        let written = || fs::read_to_string(&path).unwrap().lines().count();
        let gather = || assert_eq!(written(), counted.get());
        writer.take_all(&rows, gather, |row| {
            counted.set(counted.get() + 1);
            let again = send.take().filter(|_| counted.get() < 40);
            send = again.inspect(|send| send.send(row.clone()).unwrap());
        });
        assert_eq!((counted.get(), written()), (40, 40));
    }
}
