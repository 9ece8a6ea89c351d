//! The program as a user meets it: output, files and exit codes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program in a folder of its own that has the fixtures.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for fixture in ["fixtures/tr113", "fixtures/load", "fixtures/calibration"] {
            copy(&root().join(fixture), &dir.path().join(fixture));
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program: exit code, standard output, standard error.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("tandem-report")
            .unwrap()
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_file() {
            fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_report_is_written_and_checked_and_a_change_is_shown() {
    let place = Place::new();
    let (code, out, err) = place.run(&["report", "--input", "fixtures/tr113"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("No gain is shown."), "{out}");
    assert!(out.contains("reports/tr113/report.md"), "{out}");
    assert!(
        place
            .path("reports/tr113/charts/timeline-front.png")
            .is_file()
    );
    assert!(place.path("reports/tr113/audit.md").is_file());

    let (code, out, err) = place.run(&["report", "--check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("files as committed"), "{out}");

    let figures = place.path("fixtures/tr113/recorded.csv");
    let text = fs::read_to_string(&figures).unwrap();
    fs::write(&figures, text.replace("10.1961797", "10.2961797")).unwrap();
    let (code, out, _) = place.run(&["report", "--check"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("+++ regenerated/report.md"), "{out}");
    assert!(out.contains("differ from the committed report"), "{out}");

    let (code, out, _) = place.run(&["report", "--check", "--json"]);
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["reports"][0]["match"], false);
}

#[test]
fn json_output_names_the_files() {
    let place = Place::new();
    let input = "fixtures/tr113/one-server.csv";
    let (code, out, err) = place.run(&[
        "report", "--input", input, "--name", "one", "--out", "here", "--json",
    ]);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&json["name"], &json["dir"]),
        (&"one".into(), &"here".into())
    );
    assert_eq!(json["provenance"], "imported");
    let files = json["files"].as_array().unwrap();
    assert!(
        files
            .iter()
            .all(|f| place.path(f.as_str().unwrap()).is_file())
    );
}

/// Makes a report and hands back its `report.json`, having looked at every file it names.
fn made(place: &Place, input: &str, out: &str) -> (serde_json::Value, String) {
    let (code, told, err) = place.run(&["report", "--input", input, "--out", out]);
    assert_eq!(code, 0, "{err}");
    let read = |name: &str| fs::read(place.path(out).join(name)).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&read("report.json")).unwrap();
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

    let (code, told, err) = place.run(&["report", "--input", input, "--out", out, "--check"]);
    assert_eq!(code, 0, "{told}{err}");
    (report, page)
}

#[test]
fn a_load_and_a_calibration_have_reports_of_their_own() {
    let place = Place::new();
    let (load, page) = made(&place, "fixtures/load", "a/load");
    assert_eq!(load["kind"], "load");
    assert_eq!(load["provenance"], "simulated");
    let rows = fs::read_to_string(place.path("fixtures/load/requests.jsonl")).unwrap();
    let completed = &load["figures"]["outcomes"]["completed"];
    let failed = ["incomplete", "failed", "cancelled", "timed_out"]
        .map(|outcome| load["figures"]["outcomes"][outcome].as_u64().unwrap_or(0));
    assert_eq!(
        completed.as_u64().unwrap() + failed.iter().sum::<u64>(),
        rows.lines().count() as u64
    );
    assert!(page.contains("# SIMULATED: load"), "{page}");

    let (calibration, page) = made(&place, "fixtures/calibration", "a/calibration");
    assert_eq!(calibration["kind"], "calibration");
    assert_eq!(calibration["provenance"], "measured");
    let text = fs::read_to_string(place.path("fixtures/calibration/calibration.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let steps = |budget: &serde_json::Value| {
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

    for command in [
        vec![
            "compare",
            "fixtures/calibration",
            "fixtures/tr113/one-server.csv",
        ],
        vec![
            "report",
            "--input",
            "fixtures/calibration",
            "--input",
            "fixtures/load",
        ],
    ] {
        let (code, _, err) = place.run(&command);
        assert_eq!(code, 2);
        assert!(err.contains("report it alone"), "{err}");
    }
}

#[test]
fn unusable_input_is_exit_code_two_with_the_reason() {
    let place = Place::new();
    let (code, _, err) = place.run(&["report", "--input", "gone"]);
    assert_eq!(code, 2);
    assert_eq!(err, "error: gone: no such file or folder\n");

    let (code, _, err) = place.run(&["report"]);
    assert_eq!(code, 2);
    assert!(err.contains("hint: run `cargo xtask sweep` first"), "{err}");

    let (code, _, err) = place.run(&["report", "--input", "fixtures/tr113", "--name", "../x"]);
    assert_eq!(code, 2);
    assert!(err.contains("cannot be a report's name"), "{err}");

    let (code, _, err) = place.run(&["report", "--nonsense"]);
    assert_eq!(code, 2, "{err}");

    fs::create_dir(place.path("reports")).unwrap();
    let (code, _, err) = place.run(&["report", "--check"]);
    assert_eq!(code, 2);
    assert!(err.contains("nothing to check"), "{err}");
}

#[test]
fn what_cannot_be_read_is_skipped_only_when_asked() {
    let place = Place::new();
    let path = place.path("fixtures/tr113/one-server.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("10.5867744", "oops")).unwrap();
    let input = ["report", "--input", "fixtures/tr113/one-server.csv"];
    let (code, _, err) = place.run(&input);
    assert_eq!(code, 2);
    assert!(err.contains("one-server.csv:4"), "{err}");
    assert!(err.contains("--keep-going"), "{err}");
    let (code, out, _) = place.run(&[&input[..], &["--keep-going"]].concat());
    assert_eq!(code, 0);
    assert!(out.contains("skipped tr113/one-server.csv line 4"), "{out}");
}

#[test]
fn a_place_that_cannot_be_written_is_exit_code_three() {
    let place = Place::new();
    fs::write(place.path("file"), "x").unwrap();
    let (code, _, err) = place.run(&[
        "report",
        "--input",
        "fixtures/tr113/published.csv",
        "--out",
        "file/report",
    ]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("cannot be written"), "{err}");
}

#[test]
fn the_audit_prints_its_ledger() {
    let place = Place::new();
    let (code, out, err) = place.run(&["audit"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("contradicted"), "{out}");
    let (code, out, _) = place.run(&["audit", "--json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(json["counts"]["claims"].as_u64().unwrap() >= 60);
    let (code, _, err) = place.run(&["audit", "--claims", "gone/claims.toml"]);
    assert_eq!(code, 2);
    assert!(err.contains("gone/claims.toml"), "{err}");
}

/// The one-server runs with every wall time and execution time `factor` times as long.
fn slower(place: &Place, factor: f64) -> String {
    let text = fs::read_to_string(place.path("fixtures/tr113/one-server.csv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut out = format!("{}\n", header.join(","));
    for line in lines {
        let cells = line.split(',').zip(&header).map(|(cell, name)| {
            if name.ends_with("_s") {
                (cell.parse::<f64>().unwrap() * factor).to_string()
            } else {
                cell.to_owned()
            }
        });
        out.push_str(&cells.collect::<Vec<_>>().join(","));
        out.push('\n');
    }
    let name = "slower.csv";
    fs::write(place.path(name), out).unwrap();
    name.to_owned()
}

#[test]
fn gates_decide_the_exit_code() {
    let place = Place::new();
    let base = "fixtures/tr113/one-server.csv";
    let new = slower(&place, 1.2);
    let (code, out, err) = place.run(&["compare", base, &new]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("wall_s"), "{out}");
    let (code, out, _) = place.run(&["compare", base, &new, "--fail-if", "wall_s > +5%"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("FAIL"), "{out}");
    let (code, out, _) = place.run(&["compare", base, base, "--fail-if", "wall_s > +5%"]);
    assert_eq!(code, 0, "{out}");
    let (code, _, err) = place.run(&["compare", base, &new, "--fail-if", "warp > 9"]);
    assert_eq!(code, 2);
    assert!(err.contains("unknown figure `warp`"), "{err}");
}

#[test]
fn two_ways_of_serving_are_compared_and_named() {
    let place = Place::new();
    let [one, two] = ["one-server.csv", "two-servers.csv"].map(|f| format!("fixtures/tr113/{f}"));
    let gate = ["--fail-if", "wall_s > +5%"];
    let (code, out, err) = place.run(&[&["compare", &one, &two], &gate[..]].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("(base: one server, new: a server per agent)"),
        "{out}"
    );
    let (code, out, _) = place.run(&[&["compare", &two, &one], &gate[..]].concat());
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_comparison_fits_a_pull_request_and_a_machine() {
    let place = Place::new();
    let base = "fixtures/tr113/one-server.csv";
    let new = slower(&place, 1.2);
    let (_, out, _) = place.run(&[
        "compare",
        base,
        &new,
        "--markdown",
        "--fail-if",
        "wall_s > +5%",
    ]);
    assert!(out.starts_with("### one-server → slower: "), "{out}");
    assert!(
        out.contains("| `wall_s > +5%` |") || out.contains("| `wall_s > +5 %` |"),
        "{out}"
    );
    assert!(
        out.contains("<details>") && out.contains("</details>"),
        "{out}"
    );
    let (_, out, _) = place.run(&["compare", base, &new, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema"], 1);
    assert!(!json["comparison"]["rows"].as_array().unwrap().is_empty());
}
