//! Stopping at any moment leaves a journal that says what happened.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use clock::virtual_runtime;
use domain::record::RequestRole;
use domain::{Nanos, Outcome, Stamp};
use proptest::prelude::*;

use super::fake::by_context;
use super::{TOGETHER, Trial, plan};
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
async fn a_sweep_stopped_before_it_began_records_no_arm() {
    let shutdown = Shutdown::new(Nanos::ZERO);
    shutdown.stop();
    let trial = Trial::new(&plan(2, TOGETHER, ""), 1, by_context());
    let ran = trial.run_until(shutdown).await;
    assert!(ran.summary().interrupted);
    assert!(ran.journal.requests.is_empty() && ran.journal.arms.is_empty());
    assert_eq!(ran.journal.marks.len(), 2);
}

/// One sweep of three agents of two calls each, stopped at these moments, then resumed to its end.
async fn stopped_at(stops: Vec<Stamp>, grace_ms: u64, admit: usize, full: bool) {
    let workflow = if full { "full" } else { "single_call" };
    let plan = plan(3, "", &format!(", calls = 2, workflow = \"{workflow}\""));
    let mut trial = Trial::new(&plan, 2, by_context());
    trial.setup.admission = NonZeroUsize::new(admit);
    let ran = trial.run_stopped(grace_ms, stops).await;
    let journal = &ran.journal;
    // Every request that reached the server has one row; the others that have one were waiting for a permit.
    let requests = journal.requests.iter();
    let (sent, unsent): (Vec<_>, Vec<_>) = requests.partition(|r| r.times.sent.is_some());
    assert_eq!(ran.servers[0].calls().len(), sent.len());
    assert!(unsent.iter().all(|r| r.times.outcome == Outcome::Cancelled));

    let keys = journal.requests_as(|r| {
        let is_probe = r.role == RequestRole::Probe;
        (r.run.clone(), r.arm, r.attempt, is_probe, r.agent, r.call)
    });
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "a row was written twice");
    for arm in &journal.arms {
        let requests = journal.requests_of(arm);
        let main = requests.filter(|r| r.role == RequestRole::Main);
        let main: Vec<_> = main.map(|r| &r.times).collect();
        for times in &main {
            assert!(arm.started <= times.scheduled && times.ended <= arm.ended);
            assert!(times.outcome.is_completed() || !arm.complete);
        }
        assert!(main.len() == 6 || !arm.complete);
    }
    assert_eq!(ran.summary().interrupted, journal.complete().len() < 4);

    let resumed = ran.resume();
    let point = resumed.setup.results.resume.as_ref().unwrap();
    let before = point.complete.len();
    let ran = resumed.run().await;
    assert_eq!(ran.summary().completed + before, 4);
    let complete = ran.journal.complete();
    let distinct: BTreeSet<_> = complete.iter().map(|a| (&a.run, a.arm)).collect();
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
        let stop = Stamp(stop_us * 1000);
        let abort = abort_after_us.map(|after| Stamp((stop_us + after) * 1000));
        let stops = [stop].into_iter().chain(abort).collect();
        let runtime = virtual_runtime().unwrap();
        runtime.block_on(stopped_at(stops, grace_ms, admit, full));
    }
}
