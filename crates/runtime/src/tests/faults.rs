//! Failures are recorded, and only a failure to record stops a sweep.

use std::io::{self, Write};
use std::sync::Arc;

use domain::backend::GenerateCall;
use domain::event::Event;
use domain::plan::Arm;
use domain::record::MarkKind;
use domain::{FailureKind, Nanos, Outcome, TimeoutPhase};
use results::{FolderError, LineWriter, ResultsDir, Sink};
use tokio_util::sync::CancellationToken;

use super::fake::{Reply, Script, by_context, failed};
use super::{BOTH, TOGETHER, Trial, fresh, manifest, ms, plan, read, run_plan};
use crate::book::Book;
use crate::{RuntimeError, SweepSummary};

/// A reply of `tokens` tokens if `answers`, else a refused connection.
fn if_up(answers: bool, tokens: u64) -> Reply {
    let text = Reply::Text { tokens };
    if answers { text } else { Reply::Refused }
}

/// Does `reply` for the agent with this context, and what [`by_context`] does for the others.
fn only(context: i64, reply: Reply) -> Script {
    let others = by_context();
    Arc::new(move |call: &GenerateCall, nth| {
        if call.options.num_ctx == Some(context) {
            reply.clone()
        } else {
            others(call, nth)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_failing_agent_is_a_row_and_the_sweep_goes_on() {
    let ran = run_plan(&plan(3, BOTH, ""), only(1024, Reply::Breaks { after: 7 })).await;
    let (summary, journal) = (ran.summary, ran.journal);
    assert!(summary.is_complete());
    assert_eq!(
        (summary.requests.completed, summary.requests.failed),
        (4, 2)
    );
    for arm in [Arm::Sequential, Arm::Together] {
        let of_arm: Vec<_> = journal.requests.iter().filter(|r| r.arm == arm).collect();
        assert_eq!(of_arm.len(), 3);
        let broken = &of_arm.iter().find(|r| r.agent == 1).unwrap().times;
        assert_eq!(
            broken.outcome,
            failed(FailureKind::MidStream, "out of memory")
        );
        // What had arrived before it broke is kept.
        assert_eq!(
            (broken.tokens, broken.chunks.len(), broken.done),
            (7, 7, None)
        );
    }
    let step = journal.steps.iter().find(|s| s.agent == 1).unwrap();
    assert_eq!(step.error.as_deref(), Some("failed: out of memory"));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_request_ends_at_the_plans_total_limit() {
    let mut plan = plan(2, TOGETHER, "");
    plan.timeouts.total = Nanos::from_secs(60);
    let ran = run_plan(&plan, only(1024, Reply::Stalls)).await;
    let requests = ran.summary.requests;
    assert_eq!((requests.completed, requests.timed_out), (1, 1));
    let stalled = &ran.journal.requests[1].times;
    let phase = TimeoutPhase::Total;
    assert_eq!(
        (&stalled.outcome, stalled.ended),
        (&Outcome::TimedOut { phase }, ms(60_000))
    );
    assert!(ran.journal.arms[0].complete);
}

#[tokio::test(start_paused = true)]
async fn an_arm_that_outlives_its_deadline_is_cut_and_the_next_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let script: Script = Arc::new(|_, nth| match nth {
        0 => Reply::Stalls,
        _ => Reply::Text { tokens: 5 },
    });
    let mut trial = fresh(dir.path(), &plan(1, BOTH, ""), script);
    trial.setup.arm_deadline = Some(Nanos::from_secs(20));
    let summary = trial.run().await.unwrap();
    assert_eq!((summary.completed, summary.not_completed), (1, 1));
    assert!(!summary.interrupted);
    let journal = read(dir.path());
    assert_eq!(journal.requests[0].times.outcome, Outcome::Cancelled);
    let [cut, whole] = &journal.arms[..] else {
        panic!()
    };
    assert_eq!(
        (cut.ended, cut.complete, whole.complete),
        (ms(20_000), false, true)
    );
    assert_eq!(cut.notes, ["the arm's deadline passed"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_stops_the_sweep_after_three_arms_and_keeps_what_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(2, TOGETHER, "");
    let results = ResultsDir::create(dir.path(), manifest(&plan, 9, 1)).unwrap();
    // Four requests are answered, then connections are refused.
    let trial = Trial::new(results, Arc::new(|_, nth| if_up(nth < 4, 3)));
    let watch = Arc::clone(&trial.watch);
    let error = trial.run().await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Unreachable { arms: 3, last } if last == "connection refused")
    );
    assert!(error.to_string().contains("--resume"), "{error}");
    let journal = read(dir.path());
    let complete: Vec<_> = journal.arms.iter().map(|a| a.complete).collect();
    assert_eq!(complete, [true, true, false, false, false]);
    assert_eq!(journal.requests.len(), 10);
    assert_eq!(journal.arms[2].notes, ["no server could be reached"]);
    assert_eq!(journal.marks.last().unwrap().what, MarkKind::Interrupted);
    let events = std::mem::take(&mut *watch.0.lock().unwrap());
    let warnings = events.iter().filter(|e| matches!(e, Event::Warning(_)));
    assert_eq!(warnings.count(), 3);

    // Once the server is back, the arms without a server are run again.
    let point = ResultsDir::resume(dir.path()).unwrap().resume.unwrap();
    assert_eq!(point.complete.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_in_time_ends_the_count() {
    let dir = tempfile::tempdir().unwrap();
    let results = ResultsDir::create(dir.path(), manifest(&plan(1, TOGETHER, ""), 8, 1)).unwrap();
    let trial = Trial::new(results, Arc::new(|_, nth| if_up(nth % 3 == 2, 3)));
    let summary = trial.run().await.unwrap();
    assert_eq!((summary.completed, summary.not_completed), (2, 6));
    assert!(!summary.is_complete());
    // Not every arm is complete, so the sweep is not marked as finished.
    assert_eq!(read(dir.path()).marks(), [MarkKind::Started]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_model_is_said_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(1, TOGETHER, ""), by_context());
    let trial = trial.with_server(|fake| fake.has_model = false);
    let error = trial.run().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "fake://0 does not have the model m; run `ollama pull m` there"
    );
    assert!(read(dir.path()).requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_not_reached_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(1, BOTH, ""), by_context());
    let trial = trial.with_server(|fake| fake.keeps_model = true);
    trial.run().await.unwrap();
    let arms = read(dir.path()).arms;
    assert!(arms[0].notes.is_empty());
    assert_eq!(
        arms[1].notes,
        ["state not reached: fake://0 still has m loaded"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_becomes_another_version_is_reported_once_and_recorded_in_each_arm() {
    let dir = tempfile::tempdir().unwrap();
    let results = ResultsDir::create(dir.path(), manifest(&plan(1, TOGETHER, ""), 3, 1)).unwrap();
    let trial = Trial::new(results, by_context());
    let trial = trial.with_server(|fake| fake.changes_after = Some(2));
    let warnings = trial.run().await.unwrap().warnings;
    let expected = "fake://0 was fake 1 when the sweep began and is fake 2 after one (shared, repetition 2, together)";
    let found = warnings.iter().filter(|w| w.contains(expected)).count();
    assert_eq!(found, 1, "{warnings:?}");
    for (arm, changed) in read(dir.path()).arms.iter().zip([false, true, true]) {
        let version = |c: &domain::record::ChangedServer| (c.endpoint, c.server.version.clone());
        let versions: Vec<_> = arm.changed_servers.iter().map(version).collect();
        let expected = changed.then(|| (0, "2".to_owned()));
        assert_eq!(versions, Vec::from_iter(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_benchmarks_are_said_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path().join("tables");
    std::fs::create_dir(&tables).unwrap();
    std::fs::write(tables.join("x.csv"), "a,b\n1,2\n3\n").unwrap();
    let plan = plan(1, TOGETHER, ", workflow = \"full\"");
    let mut trial = fresh(&dir.path().join("out"), &plan, by_context());
    trial.setup.benchmarks = tables;
    let error = trial.run().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.ends_with("x.csv:3: 1 cells where the heading has 2"),
        "{cause}"
    );
}

/// A disk that is full after `left` bytes.
struct SmallDisk {
    left: usize,
    held: std::fs::File,
}

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(self.left);
        self.left -= n;
        self.held.write_all(&bytes[..n])?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.held.flush()
    }
}

impl Sink for SmallDisk {
    fn sync(&mut self) -> io::Result<()> {
        self.held.sync_data()
    }
}

/// A sweep of four arms whose journal may hold `bytes` bytes.
async fn on_small_disk(
    dir: &std::path::Path,
    bytes: usize,
) -> (Result<SweepSummary, RuntimeError>, Vec<String>) {
    let plan = plan(2, "interleave = false", "");
    let mut results = ResultsDir::create(dir, manifest(&plan, 2, 1)).unwrap();
    let path = dir.join("journal.jsonl");
    let held = std::fs::OpenOptions::new().append(true).open(&path);
    let disk = SmallDisk {
        left: bytes,
        held: held.unwrap(),
    };
    results.journal = LineWriter::new(path, Box::new(disk));
    let trial = Trial::new(results, by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    let result = trial.run().await;
    (result, fake.log())
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_sweep_and_what_was_recorded_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let (result, log) = on_small_disk(&whole, usize::MAX).await;
    result.unwrap();
    let size = std::fs::read(whole.join("journal.jsonl")).unwrap().len();
    for (i, bytes) in (0..size).step_by(size / 23).enumerate() {
        let dir = dir.path().join(i.to_string());
        let (result, short_log) = on_small_disk(&dir, bytes).await;
        let error = result.unwrap_err();
        assert!(
            matches!(&error, RuntimeError::Folder(FolderError::Write { path, source })
                if path.ends_with("journal.jsonl") && source.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
        // It stops when the disk is full and does not continue without a record.
        assert!(short_log.len() <= log.len());

        let results = ResultsDir::resume(&dir).unwrap();
        let resumed = Trial::new(results, by_context()).run().await.unwrap();
        assert!(resumed.is_complete());
        let journal = read(&dir);
        let complete = journal.arms.iter().filter(|a| a.complete).count();
        assert_eq!(complete, 4, "with {bytes} bytes");
    }
}

/// A disk that blocks until it gets a message.
struct Stuck {
    let_go: std::sync::mpsc::Receiver<()>,
    free: bool,
    file: std::fs::File,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.free {
            self.let_go.recv().map_err(io::Error::other)?;
            self.free = true;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Stuck {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[test]
fn rows_wait_for_a_slow_disk_and_their_tasks_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let (let_it, let_go) = std::sync::mpsc::channel();
    let disk = Stuck {
        let_go,
        free: false,
        file: std::fs::File::create(&path).unwrap(),
    };
    let book = Book::new(
        LineWriter::new(path.clone(), Box::new(disk)),
        CancellationToken::new(),
    )
    .unwrap();
    for at in 0..100 {
        // Returns although the disk has not taken the first one.
        book.append(domain::record::JournalLine::Mark(domain::record::Mark {
            at: ms(at),
            what: MarkKind::Started,
            note: String::new(),
            nonce: None,
        }));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    let_it.send(()).unwrap();
    book.check().unwrap();
    let lines = std::fs::read_to_string(&path).unwrap();
    let at = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["mark"]["at"].as_u64();
    let expected = (0..100).map(|at| Some(ms(at).0));
    assert!(lines.lines().map(at).eq(expected), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_asked_of_the_server_once_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (result, log) = on_small_disk(dir.path(), 10).await;
    assert!(result.is_err());
    assert!(
        !log.iter().any(|call| call.starts_with("generate")),
        "{log:?}"
    );
}

#[derive(Debug)]
struct Silent;

impl domain::telemetry::GpuSampler for Silent {
    fn source(&self) -> domain::telemetry::GpuSource {
        domain::telemetry::GpuSource::Simulated {
            devices: Vec::new(),
        }
    }

    fn sample(&mut self, _: Option<domain::Stamp>) -> Vec<domain::telemetry::GpuReading> {
        Vec::new()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn telemetry_that_cannot_be_written_stops_the_sweep_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut trial = fresh(dir.path(), &plan(1, TOGETHER, ""), by_context());
    std::os::unix::fs::symlink("/dev/full", dir.path().join("telemetry.jsonl")).unwrap();
    trial.setup.gpu = Some(Box::new(Silent));
    let error = trial.run().await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Folder(FolderError::Write { path, source })
            if path.ends_with("telemetry.jsonl") && source.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
}
