//! `tandem doctor` as a user meets it: the simulator in virtual time, and a server that stands alone.

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
    all.iter()
        .find(|f| f["code"] == code)
        .unwrap_or_else(|| panic!("no {code} in {all:#?}"))
}

#[test]
fn a_real_server_is_looked_at_on_both_protocols() {
    let server = Serving::start();
    let url = server.url.as_str();
    let (document, code) = doctor(&format!(
        "--endpoint {url} --endpoint {url}/v1 --api auto,openai"
    ));
    assert!(
        code <= 1,
        "what this machine does besides may be warned of: {document:#}"
    );
    let servers = document["servers"].as_array().unwrap();
    assert_eq!(servers[0]["server"]["kind"], "tandem-simulator");
    assert_eq!(servers[1]["server"]["kind"], "tandem-simulator /v1");
    assert_eq!(document["provenance"], "simulated");
    for (place, server) in servers.iter().enumerate() {
        assert_eq!(server["local"], true);
        assert_eq!(
            server["probe"]["failures"],
            serde_json::json!([]),
            "{place}"
        );
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
    assert!(
        found["what"].as_str().unwrap().contains("gemma3:latest"),
        "{found}"
    );
    assert!(
        document["servers"][0]["probe"].is_null(),
        "nothing was sent"
    );
}

#[test]
fn a_server_that_does_not_run_is_three() {
    let (document, code) = doctor(&format!("--endpoint {}", closed_port()));
    assert_eq!(code, 3);
    assert_eq!(finding(&document, "reachable")["level"], "problem");
    assert_eq!(document["servers"][0]["why"], "unreachable");
}

#[test]
fn a_sweep_warns_of_what_is_in_the_way_unless_told_not_to() {
    let server = Serving::start();
    let url = server.url.as_str();
    let place = Place::new();
    let sweep = |name: &str| {
        let output = place.good(&format!(
            "sweep --only homo_g80_c512_t0.6 --repeats 1 --endpoint {url} --out {name}"
        ));
        text(&output.stderr)
    };
    let warning = "warning: ";
    assert!(sweep("one").contains(warning));
    assert!(!sweep("two --no-checks").contains(warning));
}
