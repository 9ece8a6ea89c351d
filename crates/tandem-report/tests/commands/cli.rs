//! Files, JSON and values, which a snapshot of the output does not show.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{run, succeeds, with_fixtures, write_slower};
use crate::place::{Place, unread};

#[test]
fn a_report_is_written_and_checked_and_a_change_is_shown() {
    let place = with_fixtures();
    succeeds(&place, "report --input fixtures/tr113");
    for file in ["charts/timeline-front.png", "audit.md"] {
        assert!(place.path("reports/tr113").join(file).is_file());
    }
    let out = succeeds(&place, "report --check");
    assert!(out.contains("files as committed"), "{out}");

    let figures = "fixtures/tr113/recorded.csv";
    let text = place.read(figures);
    place.write(figures, &text.replace("10.1961797", "10.2961797"));
    let (code, out, _) = run(&place, "report --check");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("+++ regenerated/report.md"), "{out}");
    assert!(out.contains("differ from the committed report"), "{out}");

    let check = json(&place, "report --check --json", 1);
    let check = &check["reports"][0];
    assert_eq!(check["match"], false);
    let differing = check["differences"].as_array().unwrap().len();
    let line = format!("{differing} of {} files differ", check["compared"]);
    assert!(differing > 1 && out.contains(&line), "{line}: {out}");
}

/// Runs a command line that must end with this exit code, and reads its standard output.
fn json(place: &Place, line: &str, code: i32) -> Value {
    let (ended, out, _) = run(place, line);
    assert_eq!(ended, code, "{line}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn json_output_names_files_claims_and_rows() {
    let place = with_fixtures();
    let report = json(&place, "report --input fixtures/tr113 --out here --json", 0);
    let files = report["files"].as_array().unwrap();
    let exists = |f: &Value| place.path(f.as_str().unwrap()).is_file();
    assert!(files.iter().all(exists), "{files:?}");
    let audit = json(&place, "audit --json", 0);
    assert!(audit["counts"]["claims"].as_u64().unwrap() >= 60);
    write_slower(&place);
    let one = "fixtures/tr113/one-server.csv";
    let compared = json(&place, &format!("compare {one} slower.csv --json"), 0);
    assert_eq!(compared["schema"], 2);
    let rows = &compared["comparison"]["rows"];
    assert!(!rows.as_array().unwrap().is_empty());
}

/// Makes a report, checks every file it names, and returns its `report.json` and `report.md`.
fn made(place: &Place, input: &str, out: &str) -> (Value, String) {
    let line = format!("report --input {input} --out {out}");
    let printed = succeeds(place, &line);
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
    let answer = report["answer"].as_str().unwrap();
    assert!(printed.contains(answer), "{printed}");
    succeeds(place, &format!("{line} --check"));
    (report, page)
}

#[test]
fn a_load_and_a_calibration_have_reports_of_their_own() {
    let place = with_fixtures();
    let (load, page) = made(&place, "fixtures/load", "a/load");
    assert_eq!(load["kind"], "load");
    assert_eq!(load["provenance"], "simulated");
    let outcomes = &load["figures"]["outcomes"];
    let ended = "completed incomplete failed cancelled timed_out".split(' ');
    let ended: u64 = ended.filter_map(|outcome| outcomes[outcome].as_u64()).sum();
    let rows = place.read("fixtures/load/requests.jsonl").lines().count();
    assert_eq!(ended, rows as u64);
    assert!(page.contains("# SIMULATED: load"), "{page}");

    let (calibration, page) = made(&place, "fixtures/calibration", "a/calibration");
    assert_eq!(calibration["kind"], "calibration");
    assert_eq!(calibration["provenance"], "measured");
    let text = place.read("fixtures/calibration/calibration.json");
    let record: Value = serde_json::from_str(&text).unwrap();
    let steps = &calibration["client_budget"]["steps"];
    assert_eq!(*steps, record["budget"]["steps"]);
    assert!(!page.contains("SIMULATED"), "{page}");
}

/// The folder of the lowest level of the capacity fixture, in that fixture.
fn first_level(place: &Place) -> String {
    let levels = fs::read_dir(place.path("fixtures/capacity/levels")).unwrap();
    let names = levels.map(|level| level.unwrap().file_name().into_string().unwrap());
    format!("levels/{}", names.min().unwrap())
}

#[test]
fn a_comparison_reports_what_was_left_out_of_its_sides() {
    let place = with_fixtures();
    let cut = |file: &str| {
        let whole = place.read(file);
        place.write(file, &(whole + "{\"run\":{"));
    };
    let rows = first_level(&place) + "/requests.jsonl";
    for (name, file) in [
        ("load", "requests.jsonl"),
        ("one-or-two-servers", "journal.jsonl"),
        ("capacity", &rows),
    ] {
        let input = format!("fixtures/{name}");
        let before = run(&place, &format!("compare {input} {input}")).1;
        assert!(!before.contains("is cut off"), "{before}");
        cut(&format!("{input}/{file}"));
        for output in ["", "--markdown", "--json"] {
            let out = succeeds(&place, &format!("compare {input} {input} {output}"));
            let warnings = out.matches("is cut off").count();
            assert!(warnings >= 2, "{name} {output}: {out}");
        }
    }
}

/// A file that is empty or has only a line feed has no sample and is accepted.
#[test]
fn a_sweep_without_telemetry_has_a_report_and_a_bad_level_leaves_the_others() {
    let place = with_fixtures();
    let telemetry = "fixtures/one-or-two-servers/telemetry.jsonl";
    let line = "report --input fixtures/one-or-two-servers --out r";
    for content in ["", "\n"] {
        place.write(telemetry, content);
        succeeds(&place, line);
    }
    place.write(telemetry, "nonsense\n");
    assert_eq!(run(&place, line).0, 2);
    let out = succeeds(&place, &format!("{line} --keep-going"));
    let skipped = "skipped one-or-two-servers/telemetry.jsonl line 1";
    assert!(out.contains(skipped), "{out}");

    let level = first_level(&place);
    let rows = format!("fixtures/capacity/{level}/requests.jsonl");
    place.write(&rows, "nonsense\n");
    let line = "report --input fixtures/capacity --out c";
    let (code, _, err) = run(&place, line);
    assert_eq!(code, 2);
    assert!(err.contains("--keep-going"), "{err}");
    let out = succeeds(&place, &format!("{line} --keep-going"));
    let name = level.trim_start_matches("levels/");
    let skipped = format!("skipped {name}/requests.jsonl line 1");
    assert!(out.contains(&skipped), "{out}");
    assert!(place.read("c/report.md").contains("requests.jsonl line 1"));
}

#[test]
fn without_a_reader_every_command_ends_as_if_it_were_read() {
    let place = with_fixtures();
    write_slower(&place);
    let one = "fixtures/tr113/one-server.csv";
    let gate = format!("compare {one} slower.csv --fail-if 'wall_s > +5%'");
    let same = format!("compare {one} {one} --json");
    for (line, code) in [
        ("report --input fixtures/load --out r", 0),
        ("report --input fixtures/tr113 --out r --check -v", 1),
        ("audit", 0),
        (&*gate, 1),
        (&*same, 0),
        ("compare --help", 0),
        ("report --input gone", 2),
    ] {
        assert_eq!(unread(place.command(line), &[1, 2]), code, "{line}");
        assert_eq!(run(&place, line).0, code, "{line}");
    }
    assert!(place.path("r/report.md").is_file());
}
