//! `tandem doctor`, on a running simulator.

use serde_json::Value;

use crate::support::{Place, Serving, closed_port, code, json, text};

/// The JSON object and the exit code, which must agree.
fn doctor(line: &str) -> (Value, i32) {
    let output = Place::new().run(&format!("doctor --json {line}"));
    let (code, value) = (code(&output), json(&output));
    assert_eq!(value["exit_code"], code);
    (value, code)
}

fn finding<'v>(document: &'v Value, code: &str) -> &'v Value {
    let all = document["findings"].as_array().unwrap();
    all.iter().find(|f| f["code"] == code).expect(code)
}

#[test]
fn a_real_server_is_checked_on_both_protocols() {
    let server = Serving::start();
    let url = server.url.as_str();
    let (document, code) = doctor(&format!(
        "--endpoint {url} --endpoint {url}/v1 --api auto,openai"
    ));
    // Other work on this machine may cause warnings.
    assert!(code <= 1, "{document:#}");
    let servers = document["servers"].as_array().unwrap();
    assert_eq!(servers[0]["server"]["kind"], "tandem-simulator");
    assert_eq!(servers[1]["server"]["kind"], "tandem-simulator /v1");
    assert_eq!(document["provenance"], "simulated");
    for server in servers {
        assert_eq!(server["local"], true);
        assert_eq!(server["probe"]["failures"], serde_json::json!([]));
    }
    let left = servers[1]["options_not_sent"].as_array().unwrap();
    assert!(left.contains(&Value::from("num_ctx")), "{left:?}");
    assert_eq!(finding(&document, "state")["server"], 1);
    assert!(document["machine"]["clock"]["step_ns"].as_u64().unwrap() > 0);
}

#[test]
fn a_missing_model_is_a_problem_and_names_the_nearest() {
    let server = Serving::start();
    let url = server.url.as_str();
    let (document, code) = doctor(&format!("--endpoint {url} --model gema3"));
    assert_eq!(code, 1);
    let found = finding(&document, "model");
    assert_eq!(found["level"], "problem");
    assert!(found["what"].as_str().unwrap().contains("gemma3:latest"));
    let probe = &document["servers"][0]["probe"];
    assert!(probe.is_null(), "nothing was sent");
}

#[test]
fn a_server_that_does_not_run_gives_exit_code_3() {
    let (document, code) = doctor(&format!("--endpoint {}", closed_port()));
    assert_eq!(code, 3);
    assert_eq!(finding(&document, "reachable")["level"], "problem");
    assert_eq!(document["servers"][0]["why"], "unreachable");
}

#[test]
fn a_sweep_prints_the_warnings_of_the_checks_unless_they_are_skipped() {
    let server = Serving::start();
    let url = server.url.as_str();
    let place = Place::new();
    let warns = |name: &str| {
        let sweep = "sweep --only homo_g80_c512_t0.6 --repeats 1";
        let output = place.good(&format!("{sweep} --endpoint {url} --out {name}"));
        text(&output.stderr).contains("warning: ")
    };
    assert!(warns("one"));
    assert!(!warns("two --no-checks"));
}
