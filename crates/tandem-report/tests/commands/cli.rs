//! What a snapshot of the output does not show: files, JSON, and values.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;

#[test]
fn a_report_is_written_and_checked_and_a_change_is_shown() {
    let place = Place::new();
    let (code, _, err) = place.run("report --input fixtures/tr113");
    assert_eq!(code, 0, "{err}");
    for file in ["charts/timeline-front.png", "audit.md"] {
        assert!(place.path("reports/tr113").join(file).is_file());
    }
    let (code, out, err) = place.run("report --check");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("files as committed"), "{out}");

    let figures = "fixtures/tr113/recorded.csv";
    let text = place.read(figures);
    place.write(figures, &text.replace("10.1961797", "10.2961797"));
    let (code, out, _) = place.run("report --check");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("+++ regenerated/report.md"), "{out}");
    assert!(out.contains("differ from the committed report"), "{out}");

    let (code, out, _) = place.run("report --check --json");
    assert_eq!(code, 1);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["reports"][0]["match"], false);
}

#[test]
fn json_output_names_the_files() {
    let place = Place::new();
    let (code, out, err) = place.run("report --input fixtures/tr113 --out here --json");
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let files = json["files"].as_array().unwrap();
    let exists = |f: &Value| place.path(f.as_str().unwrap()).is_file();
    assert!(files.iter().all(exists), "{files:?}");
}

/// Makes a report and hands back its `report.json`, having looked at every file it names.
fn made(place: &Place, input: &str, out: &str) -> (Value, String) {
    let line = format!("report --input {input} --out {out}");
    let (code, told, err) = place.run(&line);
    assert_eq!(code, 0, "{err}");
    let read = |name: &str| fs::read(place.path(out).join(name)).unwrap();
    let report: Value = serde_json::from_slice(&read("report.json")).unwrap();
    for file in report["files"].as_array().unwrap() {
        let file = file.as_str().unwrap();
        let bytes = read(file);
        let begins = if Path::new(file).extension().unwrap() == "png" {
            bytes.starts_with(b"\x89PNG\r\n")
        } else {
            bytes.len() > 2
        };
        assert!(begins, "{file}");
    }
    let page = String::from_utf8(read("report.md")).unwrap();
    for line in page.lines().filter(|line| line.starts_with("![")) {
        let link = line.rsplit_once("](").unwrap().1.trim_end_matches(')');
        assert!(!read(link).is_empty(), "{link}");
    }
    assert!(told.contains(report["answer"].as_str().unwrap()), "{told}");

    let (code, told, err) = place.run(&format!("{line} --check"));
    assert_eq!(code, 0, "{told}{err}");
    (report, page)
}

#[test]
fn a_load_and_a_calibration_have_reports_of_their_own() {
    let place = Place::new();
    let (load, page) = made(&place, "fixtures/load", "a/load");
    assert_eq!(load["kind"], "load");
    assert_eq!(load["provenance"], "simulated");
    let outcomes = &load["figures"]["outcomes"];
    let ended = [
        "completed",
        "incomplete",
        "failed",
        "cancelled",
        "timed_out",
    ]
    .map(|outcome| outcomes[outcome].as_u64().unwrap_or(0));
    let rows = place.read("fixtures/load/requests.jsonl").lines().count();
    assert_eq!(ended.iter().sum::<u64>(), rows as u64);
    assert!(page.contains("# SIMULATED: load"), "{page}");

    let (calibration, page) = made(&place, "fixtures/calibration", "a/calibration");
    assert_eq!(calibration["kind"], "calibration");
    assert_eq!(calibration["provenance"], "measured");
    let text = place.read("fixtures/calibration/calibration.json");
    let record: Value = serde_json::from_str(&text).unwrap();
    let steps = |budget: &Value| {
        let steps = budget["steps"].as_array().unwrap().clone();
        steps
            .into_iter()
            .map(|step| (step["streams"].clone(), step["token_bias"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        steps(&calibration["client_budget"]),
        steps(&record["budget"])
    );
    assert!(!page.contains("SIMULATED"), "{page}");
}

#[test]
fn what_a_machine_reads_is_whole() {
    let place = Place::new();
    place.slower(1.2);
    let (_, out, _) = place.run("audit --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json["counts"]["claims"].as_u64().unwrap() >= 60);
    let (_, out, _) = place.run("compare fixtures/tr113/one-server.csv slower.csv --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema"], 1);
    assert!(!json["comparison"]["rows"].as_array().unwrap().is_empty());
}
