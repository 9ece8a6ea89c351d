//! `tandem load` as a user meets it: exact figures in simulated time, rows on disk, exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use domain::record::RequestRecord;
use serde_json::Value;
use tempfile::TempDir;

fn load(args: &[&str]) -> Output {
    cargo_bin_cmd!("tandem")
        .arg("load")
        .args(args)
        .env_remove("OLLAMA_HOST")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON object, less what differs from one run to the next.
fn figures(args: &[&str]) -> Value {
    let output = load(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let object = value.as_object_mut().unwrap();
    for varies in ["tool", "command", "endpoints", "client"] {
        assert!(object.remove(varies).is_some(), "{varies} is missing");
    }
    value
}

fn rows(dir: &Path) -> Vec<RequestRecord> {
    std::fs::read_to_string(dir.join("requests.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_closed_loop_prints_a_block_that_a_person_can_read() {
    let output = load(&[
        "--simulate",
        "--agents",
        "4",
        "--requests",
        "16",
        "--num-predict",
        "20",
        "--slo",
        "ttft<700ms,tpot<80ms",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("SIMULATED: no real server is used"));
    // The peak memory is this machine's.
    let printed = text(&output.stdout);
    let (before, memory) = printed.split_once("peak memory ").unwrap();
    assert!(!memory.is_empty());
    insta::assert_snapshot!(before);
}

#[test]
fn simulated_figures_repeat_exactly() {
    let args = [
        "--simulate",
        "--agents",
        "6",
        "--requests",
        "60",
        "--num-predict",
        "10",
        "--think",
        "150ms",
        "--num-parallel",
        "4",
    ];
    assert_eq!(figures(&args), figures(&args));
}

#[test]
fn an_open_loop_keeps_its_rate_and_a_limit_shows_as_the_clients_queue() {
    // One slot answers in 726 to 727 ms once the prompt's shared part is cached, 500 ms apart.
    let common = [
        "--simulate",
        "--rate",
        "2",
        "--requests",
        "8",
        "--num-parallel",
        "1",
    ];
    let free = figures(&common);
    assert_eq!(free["client_queue_ms"]["max"], 0.0);
    assert_eq!(free["sent_per_s"], 2.0);
    assert!(free["peak_in_flight"].as_u64().unwrap() > 1);
    assert_eq!(free["ttft_ms"], free["ttft_scheduled_ms"]);

    let limited = figures(&[&common[..], &["--agents", "1"]].concat());
    assert_eq!(limited["peak_in_flight"], 1);
    let max = |of: &str| limited[of]["max"].as_f64().unwrap();
    assert!(max("client_queue_ms") > 1000.0);
    assert!(
        max("ttft_ms") < 600.0,
        "the wait must not count as the server's"
    );
    assert!(
        max("ttft_scheduled_ms") > 1000.0,
        "the wait must not vanish"
    );
    assert!(limited["sent_per_s"].as_f64().unwrap() < 2.0);
}

#[test]
fn poisson_arrivals_follow_from_the_seed() {
    let common = [
        "--simulate",
        "--profile",
        "instant",
        "--rate",
        "50",
        "--arrivals",
        "poisson",
        "--requests",
        "40",
    ];
    let seeded = |seed| figures(&[&common[..], &["--seed", seed]].concat());
    assert_eq!(seeded("3"), seeded("3"));
    assert_ne!(seeded("3")["sent_per_s"], seeded("4")["sent_per_s"]);
}

#[test]
fn rows_and_figures_are_written_and_agree() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("l");
    let args = [
        "--simulate",
        "--profile",
        "instant",
        "--requests",
        "130",
        "--out",
        dir.to_str().unwrap(),
    ];
    let output = load(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(&dir);
    assert_eq!(rows.len(), 130);
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("load.json")).unwrap()).unwrap();
    let tokens: u64 = rows.iter().map(|row| row.tokens).sum();
    assert_eq!(written["tokens"], tokens);
    let ttft = &written["ttft_ms"];
    assert_eq!(ttft["n"], 130);
    let mut measured: Vec<u64> = rows
        .iter()
        .map(|row| row.first_token.unwrap().since(row.sent.unwrap()).0)
        .collect();
    measured.sort_unstable();
    assert_eq!(ttft["max"].as_f64().unwrap() * 1e6, measured[129] as f64);
    assert!(ttft["p95"].is_number(), "130 requests carry a p95: {ttft}");
    assert!(ttft["p99"].is_null(), "they do not carry a p99: {ttft}");
    assert_eq!(ttft["needs"], serde_json::json!({ "p99": 662 }));

    let again = load(&args);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("already holds a load"));
}

#[test]
fn failed_requests_are_counted_left_out_and_give_exit_code_one() {
    let output = load(&[
        "--simulate",
        "--profile",
        "instant",
        "--fault",
        "busy=0.5",
        "--requests",
        "40",
        "--no-preload",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |class: &str| value["outcomes"][class].as_u64().unwrap();
    assert!(count("failed") > 0);
    assert_eq!(count("failed") + count("completed"), 40);
    assert_eq!(value["ttft_ms"]["n"], count("completed"));
    let said: u64 = value["failures"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(said, count("failed"));
}

#[test]
fn mistakes_end_with_two_and_say_what_to_do() {
    for (args, part) in [
        (&["--rate", "0"][..], "give a number above zero"),
        (&["--arrivals", "poisson"], "--rate"),
        (&["--rate", "2", "--think", "1s"], "cannot be used with"),
        (&["--slo", "speed<2s"], "no figure `speed`"),
        (&["--simulate", "--model", "nope"], "has no model nope"),
    ] {
        let output = load(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = text(&output.stderr);
        assert!(error.contains(part), "{args:?}: {error}");
    }
}
