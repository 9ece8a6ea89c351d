//! Reports of loads whose rows are known.

use std::path::Path;

use super::*;
use crate::load;

fn fixture() -> (Load, ReportOptions) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let input = "fixtures/load";
    let options = ReportOptions {
        name: "load".to_owned(),
        inputs: vec![input.to_owned()],
        published: None,
    };
    (load::read(&root.join(input), false).unwrap(), options)
}

fn text<'r>(report: &'r Report, file: &str) -> &'r str {
    match &report.files[file] {
        Content::Text(text) => text,
        Content::Png(_) => panic!("{file} is a picture"),
    }
}

#[test]
fn the_committed_load_says_simulated_everywhere_and_answers_in_a_sentence() {
    let (load, options) = fixture();
    assert_eq!(
        load.warnings, [""; 0],
        "the fixture agrees with its own figures"
    );
    let report = build(&load, &options).unwrap();
    let page = text(&report, "report.md");
    assert!(page.contains("# SIMULATED: load"), "{page}");
    assert!(page.contains("simulated: true"), "{page}");
    assert!(
        report.answer.starts_with("The server carried "),
        "{}",
        report.answer
    );
    assert!(report.answer.ends_with('.'), "{}", report.answer);
    assert!(!report.answer.contains('*'), "{}", report.answer);
    let document: serde_json::Value = serde_json::from_str(text(&report, "report.json")).unwrap();
    assert_eq!(document["kind"], "load");
    assert_eq!(document["provenance"], "simulated");
    assert_eq!(
        document["figures"]["outcomes"],
        serde_json::to_value(load.figures.outcomes).unwrap()
    );
    for file in document["files"].as_array().unwrap() {
        assert!(report.files.contains_key(file.as_str().unwrap()), "{file}");
    }
}

#[test]
fn what_spoils_a_load_stands_on_its_front_page() {
    let (mut load, options) = fixture();
    load.warnings = vec![
        "the load was interrupted: 3 of 720 requests were never begun".to_owned(),
        "requests.jsonl line 7 is cut off".to_owned(),
    ];
    let report = build(&load, &options).unwrap();
    let page = text(&report, "report.md");
    let front = page.split("## Latency").next().unwrap();
    assert!(
        front.contains("- The load was interrupted: 3 of 720"),
        "{front}"
    );
    assert!(
        front.contains("- requests.jsonl line 7 is cut off.\n"),
        "{front}"
    );
}

#[test]
fn windows_lose_no_chunk_and_no_request() {
    let (load, _) = fixture();
    let series = Series::of(&load);
    let chunks: u64 = series.windows.iter().map(|w| w.chunks).sum();
    let arrived: u64 = load.arrivals.windows().map(|(_, n)| u64::from(n)).sum();
    assert_eq!(chunks, arrived);
    let ended: u32 = series
        .windows
        .iter()
        .map(|w| w.completed + w.not_completed)
        .sum();
    assert_eq!(ended, load.figures.outcomes.total());
    let planned: usize = series.latencies.iter().map(|l| l.n).sum();
    assert_eq!(planned as u32, load.figures.outcomes.completed);
    // Little's law holds exactly: time in flight summed over requests and over windows.
    let in_windows: f64 = series
        .windows
        .iter()
        .map(|w| (w.waiting + w.answering) * w.width_s())
        .sum();
    let in_requests: f64 = load
        .requests
        .iter()
        .filter_map(|r| Some(r.ended.since(r.sent?).as_secs_f64()))
        .sum();
    assert!(
        (in_windows - in_requests).abs() < 1e-6 * in_requests,
        "{in_windows} {in_requests}"
    );
}

#[test]
fn a_load_that_carried_nothing_and_one_that_was_killed_have_reports_too() {
    let (mut load, options) = fixture();
    load.file.result = None;
    for request in &mut load.requests {
        request.end = load::End::Failed;
    }
    load.figures = metrics::load::Collected::new(None).figures();
    load.figures.outcomes.failed = load.requests.len() as u32;
    load.figures
        .failures
        .insert("a|b\nc".to_owned(), load.requests.len() as u32);
    load.phases = load::Phases::default();
    let report = build(&load, &options).unwrap();
    assert!(
        report.answer.contains("carried nothing: none of"),
        "{}",
        report.answer
    );
    let page = text(&report, "report.md");
    assert!(page.contains("a\\|b c"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}
