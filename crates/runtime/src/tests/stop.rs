//! Stopping at any moment leaves a journal that says what happened.

use std::collections::BTreeSet;

use clock::virtual_runtime;
use domain::plan::Arm;
use domain::record::{MarkKind, RequestRole};
use domain::{Nanos, Outcome};
use proptest::prelude::*;
use results::ResultsDir;

use super::fake::by_context;
use super::{TOGETHER, Trial, fresh, manifest, ms, plan, read};
use crate::{Shutdown, ShutdownLevel};

#[test]
fn each_request_to_stop_goes_one_step_further() {
    let shutdown = Shutdown::new(Nanos::ZERO);
    assert_eq!(shutdown.level(), ShutdownLevel::Running);
    assert_eq!(shutdown.request(), ShutdownLevel::Stopping);
    assert_eq!(shutdown.clone().request(), ShutdownLevel::Aborted);
    assert_eq!(shutdown.request(), ShutdownLevel::Aborted);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_goes_one_step_further_each_time() {
    let interrupt = || {
        std::process::Command::new("kill")
            .args(["-INT", &std::process::id().to_string()])
            .status()
    };
    let shutdown = Shutdown::new(Nanos::ZERO);
    let (reached, mut levels) = tokio::sync::mpsc::unbounded_channel();
    let listening = shutdown.on_signal(move |level| {
        let _ = reached.send(level);
    });
    tokio::pin!(listening);
    // Polled once, so that it listens before the signal is sent.
    assert!(futures_util::poll!(listening.as_mut()).is_pending());
    for level in [ShutdownLevel::Stopping, ShutdownLevel::Aborted] {
        match interrupt() {
            Ok(status) if status.success() => {}
            other => {
                println!("skipped: no `kill` to send the signal with ({other:?})");
                return;
            }
        }
        tokio::select! {
            error = &mut listening => panic!("{error}"),
            heard = levels.recv() => assert_eq!(heard, Some(level)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_stop_lets_requests_in_flight_end_within_the_grace_period() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(2, TOGETHER, ", calls = 2");
    let trial = fresh(dir.path(), &plan, by_context());
    let summary = trial.run_stopped(4000, &[1000]).await;
    assert!(summary.interrupted && !summary.is_complete());
    let journal = read(dir.path());
    let ends = journal.requests_as(|r| {
        let times = &r.times;
        (r.agent, r.call, times.outcome.class(), times.ended)
    });
    // The first agent's request ended at 3350 and its second call never began. The other's would
    // have ended at 6900; the grace period ended at 5000.
    assert_eq!(
        ends,
        [(0, 0, "completed", ms(3350)), (1, 0, "cancelled", ms(5000))]
    );
    assert!(!journal.arms[0].complete);
    assert_eq!(journal.arms[0].agents.len(), 2);
    assert_eq!(journal.marks.last().unwrap().what, MarkKind::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn the_second_stop_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, "interleave = false", ""), by_context());
    let summary = trial.run_stopped(60_000, &[1000, 1500]).await;
    assert_eq!(summary.requests.cancelled, 1);
    let journal = read(dir.path());
    assert_eq!(journal.arms.len(), 1, "no further arm began");
    assert_eq!(journal.arms[0].ended, ms(1500));
    // The second agent of the sequential arm never began.
    assert_eq!(journal.arms[0].agents.len(), 1);
    assert_eq!(journal.arms[0].loaded_after, [None]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_waits_for_a_permit_when_stopped_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, TOGETHER, ""), by_context()).admit(1);
    trial.run_stopped(60_000, &[1000]).await;
    let ends = read(dir.path()).requests_as(|r| (r.agent, r.times.outcome.clone(), r.times.sent));
    let first = (0, Outcome::Completed, Some(ms(0)));
    assert_eq!(ends, [(1, Outcome::Cancelled, None), first]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_stopped_before_it_began_records_no_arm() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, TOGETHER, ""), by_context());
    let shutdown = Shutdown::new(Nanos::ZERO);
    shutdown.stop();
    let summary = trial.run_until(shutdown).await.unwrap();
    assert!(summary.interrupted);
    let journal = read(dir.path());
    assert!(journal.requests.is_empty() && journal.arms.is_empty());
    assert_eq!(journal.marks.len(), 2);
}

/// One sweep of three agents of two calls each, stopped at a moment and perhaps once more, then resumed to its end.
fn stopped_at(stop_us: u64, abort_after_us: Option<u64>, grace_ms: u64, admit: usize, full: bool) {
    let runtime = virtual_runtime().unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let workflow = if full { "full" } else { "single_call" };
    let plan = plan(3, "", &format!(", calls = 2, workflow = \"{workflow}\""));
    let interrupted = runtime.block_on(async {
        let results = ResultsDir::create(dir, manifest(&plan, 2, 1)).unwrap();
        let trial = Trial::new(results, by_context()).admit(admit);
        let fake = std::sync::Arc::clone(&trial.fakes[0]);
        let shutdown = Shutdown::new(Nanos::from_millis(grace_ms));
        let (clock, stopper) = (trial.setup.clock.clone(), shutdown.clone());
        let stopping = tokio::spawn(async move {
            clock.sleep(Nanos(stop_us * 1000)).await;
            stopper.request();
            if let Some(after) = abort_after_us {
                clock.sleep(Nanos(after * 1000)).await;
                stopper.request();
            }
        });
        let summary = trial.run_until(shutdown).await.unwrap();
        stopping.abort();
        let journal = read(dir);
        // Every request that reached the server has one row; the others that have one were waiting for a permit.
        let log = fake.log();
        let reached = log.iter().filter(|call| call.starts_with("generate"));
        let (sent, unsent): (Vec<_>, Vec<_>) = journal
            .requests
            .iter()
            .partition(|r| r.times.sent.is_some());
        assert_eq!(reached.count(), sent.len());
        assert!(unsent.iter().all(|r| r.times.outcome == Outcome::Cancelled));
        summary.interrupted
    });

    let journal = read(dir);
    let keys = journal.requests_as(|r| {
        let is_probe = r.role == RequestRole::Probe;
        (r.run.clone(), r.arm, r.attempt, is_probe, r.agent, r.call)
    });
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "a row was written twice");
    for arm in &journal.arms {
        let own = |r: &&domain::record::RequestRecord| {
            let is_of_arm = (&r.run, r.arm, r.attempt) == (&arm.run, arm.arm, arm.attempt);
            is_of_arm && r.role == RequestRole::Main
        };
        let main: Vec<_> = journal.requests.iter().filter(own).collect();
        for request in &main {
            let times = &request.times;
            assert!(arm.started <= times.scheduled && times.ended <= arm.ended);
            assert!(times.outcome.is_completed() || !arm.complete);
        }
        assert!(main.len() == 6 || !arm.complete);
    }
    let complete = journal.arms.iter().filter(|a| a.complete).count();
    assert_eq!(interrupted, complete < 4);

    runtime.block_on(async {
        let results = ResultsDir::resume(dir).unwrap();
        let before = results.resume.as_ref().unwrap().complete.len();
        let summary = Trial::new(results, by_context()).run().await.unwrap();
        assert_eq!(summary.completed + before, 4);
    });
    let arms = read(dir).arms;
    let complete = arms.iter().filter(|a| a.complete);
    let complete: Vec<(u32, Arm)> = complete.map(|a| (a.run.repetition, a.arm)).collect();
    let distinct: BTreeSet<_> = complete.iter().collect();
    assert_eq!((complete.len(), distinct.len()), (4, 4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopping_at_any_moment_loses_and_doubles_nothing(
        // The whole sweep takes about 90 s of clock time.
        stop_us in 0_u64..95_000_000,
        abort_after_us in proptest::option::of(0_u64..5_000_000),
        grace_ms in prop_oneof![Just(0_u64), 0_u64..8_000],
        admit in 1_usize..4,
        // The full workflow computes for real, so it is tried less often.
        full in prop_oneof![7 => Just(false), 1 => Just(true)],
    ) {
        stopped_at(stop_us, abort_after_us, grace_ms, admit, full);
    }
}
