//! The committed run as a report.

use std::fs;
use std::path::{Path, PathBuf};

use document::capacity::AnswerKind;
use domain::record::capacity::{CapacityRecord, LevelEnd, Verdict};

use super::{CapacityRun, Level, build, read};
use crate::kind::fixture::{self, check, copied, options};
use crate::load;

fn warns(run: &CapacityRun, words: &str) -> bool {
    run.warnings.iter().any(|warning| warning.contains(words))
}

/// The requests file of a level in a run's folder.
fn rows_of(folder: &Path, level: &Level) -> PathBuf {
    let level = folder.join("levels").join(&level.probe.folder);
    level.join("requests.jsonl")
}

#[test]
fn decisions_are_derived_again_from_the_requests() {
    let kind = load::detect(&fixture::folder("capacity")).unwrap();
    assert_eq!(kind, load::InputKind::Results(load::Kind::Capacity));
    let run = read(&fixture::folder("capacity"), false).unwrap();
    let text = fs::read_to_string(fixture::folder("capacity").join("capacity.json")).unwrap();
    let recorded: CapacityRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(run.record.probes, recorded.probes);
    assert!(run.warnings.is_empty(), "{:?}", run.warnings);
    assert!(run.levels.len() >= 5);
    // The committed report pins what it says.
    check(&build(&run, &options("capacity")).unwrap());
}

#[test]
fn changed_requests_change_the_decision_and_an_interrupted_run_says_so() {
    let dir = copied("capacity");
    let run = read(dir.path(), false).unwrap();
    let passes = |level: &&Level| level.probe.decision.verdict == Verdict::Pass;
    // Every request of the level becomes a failed one.
    let rows = rows_of(dir.path(), run.levels.iter().find(passes).unwrap());
    let text = fs::read_to_string(&rows).unwrap().replace(
        r#""outcome":"completed""#,
        r#""outcome":{"failed":{"failure":"busy","message":"server busy"}}"#,
    );
    fs::write(&rows, text).unwrap();
    let mut run = read(dir.path(), false).unwrap();
    let warned = warns(&run, "was recorded as pass and is fail");
    assert!(warned, "{:?}", run.warnings);
    run.record.end = None;
    for (level, probe) in run.levels.iter_mut().zip(&mut run.record.probes) {
        level.probe.end = LevelEnd::Interrupted;
        probe.end = LevelEnd::Interrupted;
    }
    let report = build(&run, &options("capacity")).unwrap();
    let page = fixture::text(&report, "report.md");
    assert!(page.contains("Interrupted"), "{page}");
    assert!(page.contains("**No answer yet.**"));
    let answer = document::capacity::answer(&run.record, &run.objective, &[], None);
    assert_eq!(answer.kind, AnswerKind::Unresolved);
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = copied("capacity");
    let path = dir.path().join("capacity.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"schema\": 2", "\"schema\": 99", 1)).unwrap();
    let error = read(dir.path(), false).unwrap_err();
    assert!(error.kind.to_string().contains("schema 99"), "{error}");
    fs::write(&path, text).unwrap();
    let run = read(dir.path(), false).unwrap();
    let rows = rows_of(dir.path(), &run.levels[1]);
    fs::write(&rows, "{}\n").unwrap();
    let error = read(dir.path(), false).unwrap_err();
    assert_eq!((&error.path, error.line), (&rows, Some(1)));
    let kept = read(dir.path(), true).unwrap();
    assert_eq!(kept.levels.len(), run.levels.len() - 1);
    let listed = &kept.skipped[0];
    assert_eq!((&listed.path, listed.line), (&rows, Some(1)));
    assert!(warns(&kept, &listed.line()), "{:?}", kept.warnings);

    // A truncated row leaves the others.
    let whole = fs::read(fixture::folder("capacity").join(rows.strip_prefix(dir.path()).unwrap()));
    fs::write(&rows, [&whole.unwrap()[..], b"{\"run\""].concat()).unwrap();
    let cut = read(dir.path(), false).unwrap();
    assert_eq!(cut.levels, run.levels);
    assert!(warns(&cut, "is cut off"), "{:?}", cut.warnings);

    fs::remove_file(&rows).unwrap();
    read(dir.path(), false).unwrap_err();
    let kept = read(dir.path(), true).unwrap();
    assert_eq!(kept.levels.len(), run.levels.len() - 1);
}

#[test]
fn levels_beyond_the_clients_budget_are_named() {
    let dir = copied("capacity");
    let path = dir.path().join("capacity.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut record: CapacityRecord = serde_json::from_str(&text).unwrap();
    let calibration = fixture::folder("calibration");
    let mut budget = crate::calibration::read(&calibration).unwrap().budget;
    let mut flagged = |rate: f64| {
        // One step that meets the limit, and one that does not.
        budget.steps.truncate(2);
        budget.steps[0].tokens_per_s = rate;
        budget.steps[1].tokens_per_s = 1e9;
        budget.steps[1].left_out = 1;
        record.header.client_budget = Some(budget.clone());
        fs::write(&path, serde_json::to_string(&record).unwrap()).unwrap();
        let run = read(dir.path(), false).unwrap();
        let named = run.warnings.iter();
        let named = named.filter(|w| w.contains("this run received")).count();
        (named, run)
    };
    let (least, run) = flagged(0.5);
    assert_eq!(least, run.levels.len(), "{:?}", run.warnings);
    let (none, run) = flagged(1e8);
    assert_eq!(none, 0, "{:?}", run.warnings);
    let report = build(&run, &options("capacity")).unwrap();
    let page = fixture::text(&report, "report.md");
    let words = "The client: calibrated to 100,000,000 tok/s";
    assert!(page.contains(words), "{page}");
}
