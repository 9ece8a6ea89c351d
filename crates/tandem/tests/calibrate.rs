//! The client's calibration through the binary. Durations are never asserted: a busy machine may
//! make them anything.

use assert_cmd::Command;
use serde_json::Value;

fn tandem() -> Command {
    let mut command = Command::cargo_bin("tandem").expect("it is built");
    command.env("RUST_LOG", "off");
    command
}

/// What must hold of every step, however late the machine was.
fn check(step: &Value, tokens_each: u64) {
    let number = |key: &str| {
        step[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {step}"))
    };
    assert_eq!(number("left_out"), 0, "{step}");
    assert_eq!(number("tokens"), number("requests") * tokens_each, "{step}");
    for key in ["ttft_bias", "token_bias", "server_late"] {
        let bias = &step[key];
        let ns = |key: &str| {
            bias[key]
                .as_i64()
                .unwrap_or_else(|| panic!("{key}: {step}"))
        };
        assert!(ns("p50_ns") >= 0, "earlier than it can be: {step}");
        assert!(
            ns("mean_ns") >= 0 && ns("mean_ns") <= ns("max_ns"),
            "{step}"
        );
    }
    // Each stream has one gap less than tokens.
    assert_eq!(
        step["gap_error"]["n"].as_u64(),
        Some(number("tokens") - number("requests"))
    );
    assert!(step["tokens_per_s"].as_f64().is_some_and(|rate| rate > 0.0));
}

#[test]
fn a_quick_calibration_finds_every_token_in_the_servers_log() {
    for api in ["ollama", "openai"] {
        let output = tandem()
            .args(["calibrate", "--quick", "--json", "--api", api])
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let calibration: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(calibration["schema"], 1);
        let budget = &calibration["budget"];
        assert_eq!(budget["api"], api);
        assert_eq!(budget["depth"], "quick");
        assert_eq!(budget["shared_cores"], true);
        let steps = budget["steps"].as_array().expect("steps");
        assert!(!steps.is_empty());
        assert_eq!(steps[0]["streams"], 1);
        for step in steps {
            check(step, 20);
        }
    }
}

#[test]
fn a_folder_holds_the_calibration_and_is_not_overwritten() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("mine");
    let run = || {
        tandem()
            .args(["calibrate", "--quick", "--runtime", "current", "--out"])
            .arg(&out)
            .output()
            .expect("it runs")
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("one thread for all agents"), "{printed}");
    assert!(printed.contains("token bias, ms"), "{printed}");
    let text = std::fs::read_to_string(out.join("calibration.json")).expect("it was written");
    let written: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(written["name"], "mine");
    let again = run();
    assert_eq!(again.status.code(), Some(2));
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("already holds a calibration"), "{told}");
}

#[test]
fn streams_beyond_the_file_descriptors_are_refused() {
    let output = tandem()
        .args(["calibrate", "--streams", "4000000000"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("file descriptors"), "{told}");
}
