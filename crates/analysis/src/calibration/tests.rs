//! Reports of calibrations: the committed one, and ones that failed.

use std::fs;

use domain::record::{CALIBRATION_FILE, CALIBRATION_SCHEMA};

use super::*;
use crate::kind::fixture::{check, folder, options, text};
use crate::load::{InputKind, Kind, LoadErrorKind, detect, load};

fn committed() -> Calibration {
    read(&folder("calibration")).unwrap()
}

#[test]
fn the_committed_calibration_is_reported_whole() {
    let kind = detect(&folder("calibration")).unwrap();
    assert_eq!(kind, InputKind::Results(Kind::Calibration));
    let calibration = committed();
    let report = build(&calibration, &options("calibration")).unwrap();
    check(&report);
    // The committed report pins its words and figures.
    let document: serde_json::Value = serde_json::from_str(text(&report, "report.json")).unwrap();
    let calibrated = budget::calibrated_to(&calibration.budget).unwrap();
    let rate = &document["calibrated_to_tokens_per_s"];
    assert_eq!(*rate, calibrated.tokens_per_s);
}

#[test]
fn a_client_that_is_calibrated_to_nothing_on_a_system_without_figures_has_a_report_too() {
    let mut calibration = committed();
    let budget = &mut calibration.budget;
    budget.load_average = None;
    budget.steps.truncate(1);
    let step = &mut budget.steps[0];
    step.left_out = 1;
    step.cpu_per_token_ns = None;
    step.cpu_used_share = None;
    step.memory_per_agent_bytes = None;
    step.ttft_bias = None;
    step.gap_error = None;
    let report = build(&calibration, &options("calibration")).unwrap();
    let start = "The client is calibrated to nothing";
    assert!(report.answer.starts_with(start), "{}", report.answer);
    let page = text(&report, "report.md");
    assert!(page.contains("1 stream did not complete"), "{page}");
    assert!(page.contains("load average before: unknown"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf "), "{page}");
    assert!(!report.files.contains_key("charts/cpu.png"));
}

#[test]
fn a_busy_machine_and_a_quick_look_are_said() {
    let mut calibration = committed();
    calibration.budget.load_average = Some(f64::from(calibration.budget.cores));
    calibration.budget.depth = domain::record::BudgetDepth::Quick;
    let said = warnings(&calibration).join("\n");
    assert!(said.contains("was not idle"), "{said}");
    assert!(said.contains("quick calibration"), "{said}");
    calibration.budget.load_average = Some(0.1);
    calibration.budget.depth = domain::record::BudgetDepth::Full;
    assert_eq!(warnings(&calibration), [""; 0]);
}

#[test]
fn what_cannot_be_reported_is_refused_in_words() {
    let error = load(&folder("calibration"), false).unwrap_err();
    assert!(error.kind.to_string().contains("this is a calibration"));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CALIBRATION_FILE);
    let mut calibration = committed();
    calibration.schema = CALIBRATION_SCHEMA + 1;
    fs::write(&path, serde_json::to_string(&calibration).unwrap()).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(error.kind.to_string().contains("newer"), "{:?}", error.kind);

    calibration.schema = CALIBRATION_SCHEMA;
    calibration.budget.steps.clear();
    fs::write(&path, serde_json::to_string(&calibration).unwrap()).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(matches!(error.kind, LoadErrorKind::NothingLoaded));
}
