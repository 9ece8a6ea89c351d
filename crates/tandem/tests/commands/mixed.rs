//! One run on two protocols: some agents on Ollama's own API, others on `/v1`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Serving, requests, succeeds, tandem, text};

#[test]
fn a_load_is_dealt_to_both_and_its_document_names_both() {
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let v1 = format!("{url}/v1");
    let output = succeeds(&[
        "load",
        "--json",
        "--no-record",
        "--endpoint",
        url,
        "--endpoint",
        &v1,
        "--api",
        "ollama",
        "--api",
        "openai",
        "--agents",
        "4",
        "--requests",
        "12",
    ]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = document["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["server"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["tandem-simulator", "ollama /v1"]);
    assert_eq!(document["result"]["outcomes"]["completed"], 12);
}

#[test]
fn apis_are_named_once_or_for_each() {
    let output = tandem(&[
        "load",
        "--endpoint",
        "127.0.0.1:1",
        "--api",
        "ollama,openai",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(
        error.contains("--api is given 2 times for 1 endpoint"),
        "{error}"
    );
}

/// One agent on each protocol of one server; what they send needs no reload.
const PLAN: &str = r#"
schema = 1
name = "mixed"
description = "One agent on Ollama's own API, one on /v1"
model = "gemma3:latest"
seed = 3
topologies = ["per_agent"]

[protocol]
kind = "rigorous"
repetitions = 3

[[configs]]
scenario = "mixed"
id = "native_and_v1"
agents = [
  { name = "collector", options = { num_predict = 24, top_k = 20 } },
  { name = "insight", options = { num_predict = 32, top_k = 20 } },
]
"#;

#[test]
fn a_sweep_runs_on_both_and_its_report_names_both() {
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let v1 = format!("{url}/v1");
    let temp = TempDir::new().unwrap();
    let plan = temp.path().join("mixed.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let results = temp.path().join("results");
    let output = succeeds(&[
        "sweep",
        "--plan",
        plan.to_str().unwrap(),
        "--endpoint",
        url,
        "--endpoint",
        &v1,
        "--api",
        "ollama,openai",
        "--out",
        results.to_str().unwrap(),
    ]);
    let told = text(&output.stderr);
    assert!(
        told.contains("(ollama /v1) cannot be sent top_k: the server's own settings hold"),
        "{told}"
    );
    assert!(
        told.contains("its state is as left, not unloaded"),
        "{told}"
    );
    // Said once, and not again with every arm.
    assert!(!told.contains("cannot be told"), "{told}");

    let requests = requests(&results);
    let mains = requests
        .iter()
        .filter(|r| r.role == domain::record::RequestRole::Main);
    let mut dealt = [0, 0];
    for request in mains {
        assert!(
            request.times.outcome.is_completed(),
            "{:?}",
            request.times.outcome
        );
        assert_eq!(request.agent, request.endpoint, "an endpoint for each");
        // Only Ollama's own API tells how long the server took.
        let native = request.endpoint == 0;
        assert_eq!(request.times.counters.total.is_some(), native);
        dealt[request.endpoint as usize] += 1;
    }
    assert_eq!(dealt, [6, 6], "three repetitions of two arms");

    let report = Path::new(env!("CARGO_BIN_EXE_tandem")).with_file_name("tandem-report");
    if !report.exists() {
        println!("skipped: the report, for tandem-report is not built beside tandem");
        return;
    }
    let out = temp.path().join("report");
    succeeds(&[
        "report",
        "--input",
        results.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    let report = std::fs::read_to_string(out.join("report.md")).unwrap();
    for server in [
        "- server 1: tandem-simulator ",
        "- server 2: ollama /v1 ",
        "- endpoint_1_state: as left",
        "- endpoint_1_options_not_sent: top_k",
    ] {
        assert!(report.contains(server), "{server} is not in\n{report}");
    }
}
