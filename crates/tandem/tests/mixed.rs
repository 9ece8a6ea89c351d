//! One run on two protocols: some agents on Ollama's own API, others on `/v1`.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod common;

use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use common::Serving;
use domain::record::{JournalLine, RequestRecord};
use serde_json::Value;
use tempfile::TempDir;

fn tandem(args: &[&str]) -> Output {
    cargo_bin_cmd!("tandem")
        .args(args)
        .env_remove("OLLAMA_HOST")
        .env_remove("TANDEM_API_KEY")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn requests(dir: &Path) -> Vec<RequestRecord> {
    std::fs::read_to_string(dir.join("journal.jsonl"))
        .unwrap()
        .lines()
        .filter_map(|line| match serde_json::from_str(line).unwrap() {
            JournalLine::Request(request) => Some(request),
            _ => None,
        })
        .collect()
}

#[test]
fn a_load_is_dealt_to_both_and_its_document_names_both() {
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let v1 = format!("{url}/v1");
    let output = tandem(&[
        "load",
        "--json",
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
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = document["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["server"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ollama", "ollama /v1"]);
    assert_eq!(document["outcomes"]["completed"], 12);
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
