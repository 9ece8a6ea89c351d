//! Failures are recorded, and only a failure to record stops a sweep.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::mpsc;

use domain::event::Event;
use domain::record::{JournalLine, Mark, MarkKind, RequestRecord, RequestRole};
use results::{FolderError, LineWriter, ResultsDir, Sink};
use tokio_util::sync::CancellationToken;

use super::fake::by_context;
use super::{Ran, TOGETHER, Trial, ms, plan, read};
use crate::RuntimeError;
use crate::journal::Journal;

#[tokio::test(start_paused = true)]
async fn a_missing_model_and_unreadable_benchmarks_are_reported_before_anything_runs() {
    let mut trial = Trial::new(&plan(1, TOGETHER, ""), 1, by_context());
    trial.servers[0].has_model = false;
    let ran = trial.run().await;
    let expected = "fake://0 does not have the model m; run `ollama pull m` there";
    assert_eq!(ran.result.unwrap_err().to_string(), expected);
    assert!(ran.journal.requests.is_empty());

    let plan = plan(1, TOGETHER, ", workflow = \"full\"");
    let mut trial = Trial::new(&plan, 1, by_context());
    let tables = tempfile::tempdir().unwrap();
    std::fs::write(tables.path().join("x.csv"), "a,b\n1,2\n3\n").unwrap();
    trial.setup.benchmarks = tables.path().to_owned();
    let error = trial.run().await.result.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let expected = "x.csv:3: 1 cells where the heading has 2";
    assert!(cause.ends_with(expected), "{cause}");
}

/// A disk that waits for `release` before its first byte, if there is one, and is full after `left` bytes.
#[derive(Debug)]
struct Disk {
    file: File,
    left: usize,
    release: Option<mpsc::Receiver<()>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(release) = self.release.take() {
            release.recv().map_err(io::Error::other)?;
        }
        if self.left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(self.left);
        self.left -= n;
        self.file.write_all(&bytes[..n])?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Disk {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A sweep of four arms whose journal may hold `left` bytes.
async fn on_small_disk(left: usize) -> Ran {
    let mut trial = Trial::new(&plan(2, "interleave = false", ""), 2, by_context());
    let ResultsDir { dir, journal, .. } = &mut trial.setup.results;
    let path = dir.join("journal.jsonl");
    let disk = Disk {
        file: OpenOptions::new().append(true).open(&path).unwrap(),
        left,
        release: None,
    };
    *journal = LineWriter::new(path, Box::new(disk));
    trial.run().await
}

/// Checks that a file of the results folder could not be written because the disk is full.
fn assert_full(ran: &Ran, file: &str) {
    let RuntimeError::Folder(FolderError::Write(path, source)) = ran.result.as_ref().unwrap_err()
    else {
        panic!("{:?}", ran.result)
    };
    assert!(path.ends_with(file), "{path:?}");
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_sweep_and_what_was_recorded_can_be_resumed() {
    let whole = on_small_disk(usize::MAX).await;
    whole.summary();
    let size = whole.text("journal.jsonl").len();
    for bytes in (0..size).step_by(size / 23) {
        let ran = on_small_disk(bytes).await;
        assert_full(&ran, "journal.jsonl");
        // It stops when the disk is full and does not continue without a record.
        let log = ran.servers[0].log();
        assert!(log.len() <= whole.servers[0].log().len());
        if bytes == 0 {
            let asked = log.iter().any(|call| call.starts_with("generate"));
            assert!(!asked, "{log:?}");
        }
        assert_resumed(ran).await;
    }
}

/// Resumes a sweep of four arms whose journal ends anywhere, and checks what it records and warns of.
async fn assert_resumed(ran: Ran) {
    let text = ran.text("journal.jsonl");
    let (_, tail) = text.rsplit_once('\n').unwrap_or(("", &text));
    let is_torn = !tail.is_empty() && serde_json::from_str::<JournalLine>(tail).is_err();
    let trial = ran.resume();
    let point = trial.setup.results.resume.clone().unwrap();
    let before = read(&trial.dir);
    let ran = trial.run().await;
    assert_eq!(point.warnings.len(), usize::from(is_torn), "{tail}");
    for warning in &point.warnings {
        let moved = format!("its {} bytes were moved to", tail.len());
        assert!(warning.contains(&moved), "{warning}");
        assert!(ran.events.contains(&Event::Warning(warning.clone())));
        assert_eq!(ran.text("journal.jsonl.cut"), format!("{tail}\n"));
    }
    assert!(ran.summary().is_complete());
    assert_eq!(ran.summary().already_complete, point.complete.len());
    let after = &ran.journal;
    // Each arm is complete exactly once, under the highest attempt at it.
    let complete = after.complete();
    let distinct: BTreeSet<_> = complete.iter().map(|a| (&a.run, a.arm)).collect();
    assert_eq!((complete.len(), distinct.len()), (4, 4));
    for arm in complete {
        let main = after.requests_of(arm);
        assert_eq!(main.filter(|r| r.role == RequestRole::Main).count(), 2);
        let of_arm = |r: &&RequestRecord| (&r.run, r.arm) == (&arm.run, arm.arm);
        let attempts = after.requests.iter().filter(of_arm).map(|r| r.attempt);
        assert_eq!(attempts.max(), Some(arm.attempt));
    }
    // A new attempt sends other prompts.
    let prompts: BTreeSet<_> = after.requests.iter().map(|r| &r.prompt_sha256).collect();
    assert_eq!(prompts.len(), after.requests.len());
    // The stamps of the second process come after all stamps of the first.
    let mut marks = after.marks.iter();
    let resumed = marks.find(|m| m.what == MarkKind::Resumed).unwrap();
    let last = before.requests_as(|r| r.times.ended).into_iter().max();
    assert!(resumed.at > last.unwrap_or_default());
    assert_eq!(resumed.at.0, point.offset.0);
    // Warm loads that were measured are not measured again.
    let probed = after.requests_as(|r| (r.role == RequestRole::Probe, r.agent));
    let of_first = probed.iter().filter(|probe| **probe == (true, 0));
    assert_eq!(of_first.count(), 1, "{probed:?}");
}

#[test]
fn rows_wait_for_a_slow_disk_and_their_tasks_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let (let_go, release) = mpsc::channel();
    let disk = Disk {
        file: File::create(&path).unwrap(),
        left: usize::MAX,
        release: Some(release),
    };
    let journal = LineWriter::new(path.clone(), Box::new(disk));
    let journal = Journal::new(journal, CancellationToken::new()).unwrap();
    for at in 0..100 {
        // Returns although the disk has not taken the first one.
        journal.append(JournalLine::Mark(Mark {
            at: ms(at),
            what: MarkKind::Started,
            note: String::new(),
            nonce: None,
        }));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    let_go.send(()).unwrap();
    journal.check().unwrap();
    let lines = std::fs::read_to_string(&path).unwrap();
    let at = |line| match serde_json::from_str(line) {
        Ok(JournalLine::Mark(mark)) => mark.at,
        other => panic!("{other:?}"),
    };
    assert!(lines.lines().map(at).eq((0..100).map(ms)), "{lines}");
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn telemetry_that_cannot_be_written_stops_the_sweep_too() {
    let mut trial = Trial::new(&plan(1, TOGETHER, ""), 1, by_context());
    let telemetry = trial.setup.results.dir.join("telemetry.jsonl");
    std::os::unix::fs::symlink("/dev/full", telemetry).unwrap();
    trial.setup.gpu = Some(super::run::busy_gpu());
    assert_full(&trial.run().await, "telemetry.jsonl");
}
