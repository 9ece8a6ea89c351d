//! Resuming a stopped or killed sweep.

use clock::Clock;

use super::fake::by_context;
use super::{Ran, Trial, plan, read};
use crate::RuntimeError;

/// A finished sweep of two repetitions of two arms.
async fn finished() -> Ran {
    Trial::new(&plan(2, "", ""), 2, by_context()).run().await
}

#[tokio::test(start_paused = true)]
async fn a_complete_sweep_has_nothing_left_to_do() {
    let trial = finished().await.resume();
    let before = read(&trial.dir);
    let ran = trial.run().await;
    let summary = ran.summary();
    assert_eq!((summary.already_complete, summary.completed), (4, 0));
    assert!(summary.is_complete());
    assert_eq!(before.requests, ran.journal.requests);
    assert_eq!(before.arms, ran.journal.arms);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_would_repeat_stamps_is_refused() {
    let mut trial = finished().await.resume();
    let expected = trial.setup.results.resume.as_ref().unwrap().offset;
    trial.setup.clock = Clock::start_virtual();
    let result = trial.run().await.result;
    let is_refused =
        matches!(&result, Err(RuntimeError::ClockBehind { offset, .. }) if *offset == expected);
    assert!(is_refused, "{result:?}");
}
