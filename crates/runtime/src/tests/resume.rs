//! Resuming a stopped or killed sweep.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clock::Clock;
use domain::Stamp;
use domain::plan::Arm;
use domain::record::{MarkKind, RequestRole};
use results::ResultsDir;

use super::fake::by_context;
use super::{Trial, manifest, plan, read};
use crate::RuntimeError;

/// A finished sweep of two repetitions of two arms, cut to its first `keep` bytes.
async fn cut(dir: &Path, keep: usize) -> (Vec<u8>, usize) {
    let plan = plan(2, "", "");
    let results = ResultsDir::create(dir, manifest(&plan, 2, 1)).unwrap();
    Trial::new(results, by_context()).run().await.unwrap();
    let path = dir.join("journal.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes.truncate(keep);
    fs::write(&path, &bytes).unwrap();
    (bytes, whole)
}

#[tokio::test(start_paused = true)]
async fn a_killed_sweep_is_completed_without_repeating_what_is_complete() {
    let root = tempfile::tempdir().unwrap();
    let (_, size) = cut(&root.path().join("size"), usize::MAX).await;
    for (i, keep) in (0..size).step_by(size / 29).enumerate() {
        let dir = root.path().join(i.to_string());
        let (kept, _) = cut(&dir, keep).await;
        let text = String::from_utf8_lossy(&kept);
        let whole_lines = text.matches('\n').count();
        let torn = !kept.is_empty() && !kept.ends_with(b"\n");

        let results = ResultsDir::resume(&dir).unwrap();
        let point = results.resume.clone().unwrap();
        assert_eq!(!point.warnings.is_empty(), torn, "keep {keep}");
        let before = read(&dir);
        let lines =
            before.requests.len() + before.steps.len() + before.arms.len() + before.marks.len();
        assert_eq!(lines, whole_lines);
        if torn {
            let aside = fs::read(dir.join("journal.jsonl.cut")).unwrap();
            let tail = kept.rsplit(|byte| *byte == b'\n').next().unwrap();
            assert_eq!(aside, [tail, b"\n"].concat(), "the tail is kept");
        }

        let summary = Trial::new(results, by_context()).run().await.unwrap();
        assert!(summary.is_complete());
        assert_eq!(summary.already_complete, point.complete.len());
        let after = read(&dir);
        // Each arm is complete exactly once, under the highest attempt at it.
        let complete: Vec<_> = after.arms.iter().filter(|a| a.complete).collect();
        let distinct: BTreeSet<_> = complete.iter().map(|a| (a.run.clone(), a.arm)).collect();
        assert_eq!((complete.len(), distinct.len()), (4, 4));
        for arm in complete {
            let of_attempt = |attempt| {
                let main = |r: &&domain::record::RequestRecord| {
                    r.role == RequestRole::Main
                        && (&r.run, r.arm, r.attempt) == (&arm.run, arm.arm, attempt)
                };
                after.requests.iter().filter(main).count()
            };
            assert_eq!(of_attempt(arm.attempt), 2);
            assert_eq!(of_attempt(arm.attempt + 1), 0);
        }
        // The stamps of the second process come after all stamps of the first.
        let is_resumed = |m: &&domain::record::Mark| m.what == MarkKind::Resumed;
        let resumed = after.marks.iter().find(is_resumed).unwrap();
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
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path(), usize::MAX).await;
    let before = read(dir.path());
    let results = ResultsDir::resume(dir.path()).unwrap();
    let summary = Trial::new(results, by_context()).run().await.unwrap();
    assert_eq!((summary.already_complete, summary.completed), (4, 0));
    assert!(summary.is_complete());
    let after = read(dir.path());
    assert_eq!(before.requests, after.requests);
    assert_eq!(before.arms, after.arms);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_would_repeat_stamps_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path(), usize::MAX).await;
    let results = ResultsDir::resume(dir.path()).unwrap();
    let offset = results.resume.as_ref().unwrap().offset;
    let trial = Trial::on(Clock::start_virtual(), results, by_context());
    let error = trial.run().await.unwrap_err();
    let is_refused = matches!(error, RuntimeError::ClockBehind { offset: o, .. } if o == offset);
    assert!(is_refused, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_new_attempt_sends_other_prompts() {
    let dir = tempfile::tempdir().unwrap();
    cut(dir.path(), usize::MAX).await;
    let text = fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    // As if the process had died before the arms' own lines were written.
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.retain(|line| !line.starts_with("{\"arm\":"));
    let kept = lines.concat();
    fs::write(dir.path().join("journal.jsonl"), kept).unwrap();
    let results = ResultsDir::resume(dir.path()).unwrap();
    Trial::new(results, by_context()).run().await.unwrap();
    let requests = read(dir.path()).requests;
    let hashes: BTreeSet<_> = requests.iter().map(|r| r.prompt_sha256.clone()).collect();
    assert_eq!(hashes.len(), requests.len());
    let second = requests.iter().filter(|r| r.attempt == 2);
    assert_eq!(second.filter(|r| r.arm == Arm::Together).count(), 4);
}
