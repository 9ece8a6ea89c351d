//! Resuming a stopped or killed sweep.

use std::collections::BTreeSet;
use std::fs;

use clock::Clock;
use domain::Stamp;
use domain::record::{MarkKind, RequestRole};

use super::fake::by_context;
use super::{Ran, Trial, plan, read};
use crate::RuntimeError;

/// A finished sweep of two repetitions of two arms.
async fn finished() -> Ran {
    Trial::new(&plan(2, "", ""), 2, by_context()).run().await
}

#[tokio::test(start_paused = true)]
async fn a_killed_sweep_is_completed_without_repeating_what_is_complete() {
    let size = finished().await.text("journal.jsonl").len();
    for keep in (0..size).step_by(size / 29) {
        let killed = finished().await;
        let journal = killed.path("journal.jsonl");
        let mut kept = fs::read(&journal).unwrap();
        kept.truncate(keep);
        fs::write(&journal, &kept).unwrap();
        let tail = kept.rsplit(|byte| *byte == b'\n').next().unwrap();

        let trial = killed.resume();
        let point = trial.setup.results.resume.clone().unwrap();
        assert_eq!(
            point.warnings.len(),
            usize::from(!tail.is_empty()),
            "{keep}"
        );
        let before = read(&trial.dir);
        let lines = [
            before.requests.len(),
            before.steps.len(),
            before.arms.len(),
            before.marks.len(),
        ];
        let whole_lines = kept.split_inclusive(|byte| *byte == b'\n').count();
        let whole_lines = whole_lines - usize::from(!tail.is_empty());
        assert_eq!(lines.iter().sum::<usize>(), whole_lines);
        if !tail.is_empty() {
            let aside = fs::read(journal.with_extension("jsonl.cut")).unwrap();
            assert_eq!(aside, [tail, b"\n"].concat(), "the tail is kept");
        }

        let ran = trial.run().await;
        assert!(ran.summary().is_complete());
        assert_eq!(ran.summary().already_complete, point.complete.len());
        let after = &ran.journal;
        // Each arm is complete exactly once, under the highest attempt at it.
        let complete = after.complete();
        let distinct: BTreeSet<_> = complete.iter().map(|a| (&a.run, a.arm)).collect();
        assert_eq!((complete.len(), distinct.len()), (4, 4));
        for arm in complete {
            let main = after
                .requests_of(arm)
                .filter(|r| r.role == RequestRole::Main);
            assert_eq!(main.count(), 2);
            let highest = after
                .requests
                .iter()
                .filter(|r| (&r.run, r.arm) == (&arm.run, arm.arm));
            assert_eq!(highest.map(|r| r.attempt).max(), Some(arm.attempt));
        }
        // A new attempt sends other prompts.
        let prompts: BTreeSet<_> = after.requests.iter().map(|r| &r.prompt_sha256).collect();
        assert_eq!(prompts.len(), after.requests.len());
        // The stamps of the second process come after all stamps of the first.
        let mut marks = after.marks.iter();
        let resumed = marks.find(|m| m.what == MarkKind::Resumed).unwrap();
        let last = before.requests_as(|r| r.times.ended).into_iter().max();
        assert!(resumed.at > last.unwrap_or(Stamp::ZERO));
        assert_eq!(resumed.at, Stamp(point.offset.0));
        // Warm loads that were measured are not measured again.
        let probed = after.requests_as(|r| (r.role == RequestRole::Probe, r.agent));
        let of_first = probed.iter().filter(|probe| **probe == (true, 0));
        assert_eq!(of_first.count(), 1, "{probed:?}");
    }
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
