//! `tandem sweep`, killed and interrupted.

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;

use domain::record::{JournalLine, MarkKind};

use crate::place::{Place, code, text};
#[cfg(unix)]
use crate::support::interrupt;
use crate::support::{journal, until};

/// Starts a slow sweep and waits until two of its arms have ended.
fn slow_sweep(place: &Place) -> Child {
    let mut child =
        place.start("sweep --simulate --only homo* --repeats 2 --time-scale 40 --out r");
    let journal = place.path("r/journal.jsonl");
    until(&mut child, || {
        let text = fs::read_to_string(&journal).unwrap_or_default();
        text.matches("\n{\"arm\":").count() >= 2
    });
    child
}

fn resume_and_check(place: &Place) {
    let dir = place.path("r");
    let complete = || -> Vec<_> {
        let arms = journal(&dir).into_iter().filter_map(|line| match line {
            JournalLine::Arm(arm) if arm.complete => Some((arm.run, arm.arm)),
            _ => None,
        });
        arms.collect()
    };
    assert!(complete().len() >= 2);
    place.good("sweep --resume r");
    let arms = complete();
    let different: BTreeSet<_> = arms.iter().collect();
    assert_eq!(arms.len(), different.len(), "no complete arm is run twice");
    assert_eq!(different.len(), 4 * 2 * 2, "every arm is complete");
    for what in [MarkKind::Resumed, MarkKind::Finished] {
        let is = |line: &JournalLine| matches!(line, JournalLine::Mark(mark) if mark.what == what);
        assert!(journal(&dir).iter().any(is), "{what:?}");
    }
}

#[test]
fn a_killed_sweep_is_resumed_without_repeating_what_is_complete() {
    let place = Place::new();
    let mut child = slow_sweep(&place);
    place.fails("sweep --resume r", 2, &["in use by another run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    resume_and_check(&place);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_recorded_and_ends_with_130() {
    let place = Place::new();
    let output = interrupt(slow_sweep(&place));
    assert_eq!(code(&output), 130);
    let printed = text(&output.stdout);
    assert!(printed.contains("--resume"), "{printed}");
    resume_and_check(&place);
}
