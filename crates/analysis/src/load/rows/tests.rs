//! The committed load, and copies of it with a part changed.

use std::fs;
use std::path::Path;

use domain::Nanos;
use metrics::load::End;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::kind::fixture;

fn committed() -> (Value, String) {
    let text = |file| fs::read_to_string(fixture::folder("load").join(file)).unwrap();
    let file = serde_json::from_str(&text(LOAD_FILE)).unwrap();
    (file, text(REQUESTS_FILE))
}

fn folder(file: &Value, rows: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(LOAD_FILE), file.to_string()).unwrap();
    fs::write(dir.path().join(REQUESTS_FILE), rows).unwrap();
    dir
}

fn error(dir: &Path) -> String {
    let error = read(dir, false).unwrap_err();
    format!("{error}: {}", error.kind)
}

#[test]
fn requests_are_read_with_their_times_and_ends() {
    let (mut file, rows) = committed();
    let timed_out = json!({"timed_out": {"phase": "between_chunks"}});
    let changes = [
        (0, "connect_ns", json!(300_000)),
        (0, "scheduled", json!(5_443_546_000_u64)),
        (1, "outcome", timed_out),
        (2, "outcome", json!("incomplete")),
        // One nanosecond over the limit of 2 s.
        (3, "sent", json!(0)),
        (3, "first_token", json!(2_000_000_001_u64)),
    ];
    let rows = rows.lines().take(13);
    let mut rows: Vec<Value> = rows.map(|row| row.parse().unwrap()).collect();
    for (row, key, value) in changes {
        rows[row]["times"][key] = value;
    }
    let text: String = rows.iter().map(|row| row.to_string() + "\n").collect();
    file["result"] = Value::Null;
    let load = read(folder(&file, &text).path(), false).unwrap();
    let ends = [0, 1, 2, 3, 12].map(|row| load.requests[row].end);
    let expected = [
        End::Good,
        End::TimedOut,
        End::Incomplete,
        End::OverLimit,
        End::Failed,
    ];
    assert_eq!(ends, expected);
    let outcomes = load.figures.outcomes;
    assert_eq!((outcomes.completed, outcomes.total()), (10, 13));
    assert_eq!(load.figures.slo.as_ref().unwrap().good, 9);
    let first = load.requests[0];
    let times = [
        first.ttft(),
        first.ttft_scheduled(),
        first.client_queue(),
        first.connect,
        first.e2e(),
    ];
    let expected = [569_497_000, 569_498_000, 1_000, 300_000, 782_774_000];
    assert_eq!(times, expected.map(|ns| Some(Nanos(ns))));
    assert_eq!(load.requests[1].connect, None);
    assert_eq!(first.tpot_ms(), Some(213_277_000.0 / 15e6));
    assert_eq!(load.itl.len(), 150);
    assert_eq!(load.arrivals.windows().map(|(_, n)| n).sum::<u32>(), 195);
    let one = load.agents.iter().find(|agent| agent.agent == 1).unwrap();
    assert_eq!((one.requests, one.completed), (2, 0));
}

#[test]
fn a_half_written_last_row_is_a_warning() {
    let (mut file, mut rows) = committed();
    file["result"] = Value::Null;
    rows.truncate(rows.len() - 40);
    let load = read(folder(&file, &rows).path(), false).unwrap();
    assert_eq!(load.requests.len(), 719);
    let warnings = load.warnings.join("\n");
    for part in [
        "requests.jsonl line 720 is cut off",
        "load.json has no result",
        "719 of 720 requests have a row",
    ] {
        assert!(warnings.contains(part), "{warnings}");
    }
}

#[test]
fn a_malformed_row_is_an_error_with_its_line_or_left_out_when_asked() {
    let (file, rows) = committed();
    let failed = r#"{"failed":{"message":""}}"#;
    for (part, with, message) in [
        (r#""agent":1"#, r#""agent":-1"#, "invalid value"),
        (
            r#""scheduled":"#,
            r#""planned":"#,
            "missing field `scheduled`",
        ),
        (r#""completed""#, failed, "missing field `failure`"),
        (r#""chunks":["#, r#""chunks":[-1,"#, "invalid value"),
        (r#"{"run"#, "{run", "key must be a string"),
    ] {
        let mut lines: Vec<String> = rows.lines().map(str::to_owned).collect();
        assert!(lines[1].contains(part), "{} lacks {part}", lines[1]);
        lines[1] = lines[1].replacen(part, with, 1);
        let dir = folder(&file, &(lines.join("\n") + "\n"));
        let error = error(dir.path());
        assert!(error.contains("requests.jsonl:2: request row: "), "{error}");
        assert!(error.contains(message), "{error}");
        let load = read(dir.path(), true).unwrap();
        assert_eq!((load.requests.len(), load.skipped[0].line), (719, Some(2)));
        let warnings = load.warnings.join("\n");
        let counts = "counts 720 requests where requests.jsonl has 719 rows";
        assert!(warnings.contains(counts), "{warnings}");
    }
}

#[test]
fn figures_that_do_not_follow_from_the_rows_are_named() {
    let (mut file, rows) = committed();
    let figures = &mut file["result"]["figures"];
    figures["tokens"] = json!(11_281);
    figures["ttft_ms"]["p50"] = json!(304.5);
    // A difference within the tolerance.
    figures["ttft_ms"]["mean"] =
        json!(figures["ttft_ms"]["mean"].as_f64().unwrap() * (1.0 + 1e-12));
    // A blank line is no row, and a probe enters no figure.
    let first = rows.lines().next().unwrap();
    let probe = first.replace("\"main\"", "\"probe\"");
    let load = read(folder(&file, &format!("\n{rows}\n{probe}\n")).path(), false).unwrap();
    assert_eq!((load.requests.len(), load.probes), (720, 1));
    let [warning] = &load.warnings[..] else {
        panic!("{:?}", load.warnings);
    };
    let words = "ttft_ms.p50 304.5, again 304.209";
    assert!(warning.contains(words), "{warning}");
    assert!(warning.contains("tokens 11281, again 11280"), "{warning}");
    assert!(!warning.contains("mean"), "{warning}");
}

#[test]
fn files_of_another_version_and_odd_or_empty_ones_are_refused() {
    let (file, rows) = committed();
    let (seed, slo) = ("/asked/seed", "load.json: `slo`: no figure `speed`");
    for (key, value, rows, message) in [
        ("/schema", json!(99), "", "newer than this program"),
        ("/schema", json!(1), "", "measure again"),
        ("/asked/slo", json!("speed<2s"), &*rows, slo),
        (seed, json!(1), "", "the file is empty"),
        (seed, json!(1), "\n\n", "nothing in it could be loaded"),
    ] {
        let mut file = file.clone();
        *file.pointer_mut(key).unwrap() = value;
        let error = error(folder(&file, rows).path());
        assert!(error.contains(message), "{error}");
    }
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(REQUESTS_FILE), rows).unwrap();
    let error = error(dir.path());
    assert!(error.contains("load.json: no such file"), "{error}");
}
