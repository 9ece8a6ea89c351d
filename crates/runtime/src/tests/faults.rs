//! Failures are recorded, and only a failure to record stops a sweep.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, mpsc};

use domain::event::Event;
use domain::record::{ChangedServer, JournalLine, Mark, MarkKind};
use domain::{FailureKind, Nanos, Outcome, TimeoutPhase};
use results::{FolderError, LineWriter, ResultsDir, Sink};
use tokio_util::sync::CancellationToken;

use super::fake::{Reply, Script, by_context, failed};
use super::{BOTH, Ran, TOGETHER, Trial, ms, plan, run_plan};
use crate::RuntimeError;
use crate::journal::Journal;

/// Three tokens for the requests that `is_up` accepts by their number, and a refused connection for the others.
fn if_up(is_up: fn(usize) -> bool) -> Script {
    Arc::new(move |_, nth| {
        let text = Reply::Text { tokens: 3 };
        if is_up(nth) { text } else { Reply::Refused }
    })
}

/// Does `reply` for the agent with the context 1024, and what [`by_context`] does for the others.
fn second_agent(reply: Reply) -> Script {
    let others = by_context();
    Arc::new(move |call, nth| match call.options.num_ctx {
        Some(1024) => reply.clone(),
        _ => others(call, nth),
    })
}

#[tokio::test(start_paused = true)]
async fn a_failing_agent_is_a_row_and_the_sweep_goes_on() {
    let script = second_agent(Reply::Breaks { after: 7 });
    let ran = run_plan(&plan(3, BOTH, ""), script).await;
    assert!(ran.summary().is_complete());
    let requests = &ran.summary().requests;
    assert_eq!((requests.completed, requests.failed), (4, 2));
    for arm in &ran.journal.arms {
        assert_eq!(ran.journal.requests_of(arm).count(), 3);
        let broken = ran.journal.requests_of(arm).find(|r| r.agent == 1);
        let broken = &broken.unwrap().times;
        let outcome = failed(FailureKind::MidStream, "out of memory");
        assert_eq!(broken.outcome, outcome);
        // What had arrived before it broke is kept.
        assert_eq!(
            (broken.tokens, broken.chunks.len(), broken.done),
            (7, 7, None)
        );
    }
    let step = ran.journal.steps.iter().find(|s| s.agent == 1).unwrap();
    assert_eq!(step.error.as_deref(), Some("failed: out of memory"));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_request_ends_at_the_plans_total_limit() {
    let mut plan = plan(2, TOGETHER, "");
    plan.timeouts.total = Nanos::from_secs(60);
    let ran = run_plan(&plan, second_agent(Reply::Stalls)).await;
    let requests = &ran.summary().requests;
    assert_eq!((requests.completed, requests.timed_out), (1, 1));
    let stalled = &ran.journal.requests[1].times;
    let phase = TimeoutPhase::Total;
    assert_eq!(stalled.outcome, Outcome::TimedOut { phase });
    assert_eq!(stalled.ended, ms(60_000));
    assert!(ran.journal.arms[0].complete);
}

#[tokio::test(start_paused = true)]
async fn an_arm_that_outlives_its_deadline_is_cut_and_the_next_one_runs() {
    let script: Script = Arc::new(|_, nth| match nth {
        0 => Reply::Stalls,
        _ => Reply::Text { tokens: 5 },
    });
    let mut trial = Trial::new(&plan(1, BOTH, ""), 1, script);
    trial.setup.arm_deadline = Some(Nanos::from_secs(20));
    let ran = trial.run().await;
    let summary = ran.summary();
    assert_eq!((summary.completed, summary.not_completed), (1, 1));
    assert!(!summary.interrupted);
    assert_eq!(ran.journal.requests[0].times.outcome, Outcome::Cancelled);
    assert_eq!(ran.journal.arms_as(|a| a.complete), [false, true]);
    let cut = &ran.journal.arms[0];
    assert_eq!(cut.ended, ms(20_000));
    assert_eq!(cut.notes, ["the arm's deadline passed"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_stops_the_sweep_after_three_arms_and_keeps_what_was_recorded() {
    // Four requests are answered, then connections are refused.
    let ran = Trial::new(&plan(2, TOGETHER, ""), 9, if_up(|nth| nth < 4))
        .run()
        .await;
    let error = ran.result.as_ref().unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Unreachable { arms: 3, last } if last == "connection refused")
    );
    assert!(error.to_string().contains("--resume"), "{error}");
    let journal = &ran.journal;
    assert_eq!(
        journal.arms_as(|a| a.complete),
        [true, true, false, false, false]
    );
    assert_eq!(journal.requests.len(), 10);
    assert_eq!(journal.arms[2].notes, ["no server could be reached"]);
    assert_eq!(journal.marks.last().unwrap().what, MarkKind::Interrupted);
    let warnings = ran.events.iter().filter(|e| matches!(e, Event::Warning(_)));
    assert_eq!(warnings.count(), 3);
    // Once the server is back, the arms without a server are run again.
    let point = ran.resume().setup.results.resume.unwrap();
    assert_eq!(point.complete.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_in_time_ends_the_count() {
    let plan = plan(1, TOGETHER, "");
    let ran = Trial::new(&plan, 8, if_up(|nth| nth % 3 == 2)).run().await;
    let summary = ran.summary();
    assert_eq!((summary.completed, summary.not_completed), (2, 6));
    assert!(!summary.is_complete());
    // Not every arm is complete, so the sweep is not marked as finished.
    assert_eq!(ran.journal.marks(), [MarkKind::Started]);
}

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

#[tokio::test(start_paused = true)]
async fn a_state_that_was_not_reached_is_noted() {
    let mut trial = Trial::new(&plan(1, BOTH, ""), 1, by_context());
    trial.servers[0].keeps_model = true;
    let notes = trial.run().await.journal.arms_as(|arm| arm.notes.concat());
    assert_eq!(
        notes,
        ["", "state not reached: fake://0 still has m loaded"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_becomes_another_version_is_reported_once_and_recorded_in_each_arm() {
    let mut trial = Trial::new(&plan(1, TOGETHER, ""), 3, by_context());
    trial.servers[0].changes_after = 2;
    let ran = trial.run().await;
    let warnings = &ran.summary().warnings;
    let expected = "fake://0 was fake 1 when the sweep began and is fake 2 after one (shared, repetition 2, together)";
    let found = warnings.iter().filter(|w| w.contains(expected)).count();
    assert_eq!(found, 1, "{warnings:?}");
    let version = |c: &ChangedServer| (c.endpoint, c.server.version.clone());
    let versions = |servers: &[ChangedServer]| servers.iter().map(version).collect::<Vec<_>>();
    let changed = ran.journal.arms_as(|arm| versions(&arm.changed_servers));
    let other = vec![(0, "2".to_owned())];
    assert_eq!(changed, [vec![], other.clone(), other]);
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
    let error = ran.result.as_ref().unwrap_err();
    assert!(
        matches!(error, RuntimeError::Folder(FolderError::Write { path, source })
            if path.ends_with(file) && source.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
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
        let resumed = ran.resume().run().await;
        assert!(resumed.summary().is_complete());
        assert_eq!(resumed.journal.complete().len(), 4, "with {bytes} bytes");
    }
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
    trial.setup.gpu = Some(Box::new(super::run::Busy));
    assert_full(&trial.run().await, "telemetry.jsonl");
}
