//! `tandem doctor` as a user meets it: the simulator in virtual time, and a server that stands alone.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Serving, succeeds, tandem, text};

/// The JSON object and the exit code, which must agree.
fn doctor(args: &[&str]) -> (Value, i32) {
    let output = tandem(&[&["doctor", "--json"], args].concat());
    let code = output.status.code().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)));
    assert_eq!(value["exit_code"], code);
    (value, code)
}

fn finding<'v>(document: &'v Value, code: &str) -> &'v Value {
    let all = document["findings"].as_array().unwrap();
    all.iter()
        .find(|f| f["code"] == code)
        .unwrap_or_else(|| panic!("no {code} in {all:#?}"))
}

fn port_in(text: &str) -> String {
    let start = text.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
    text[start..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect()
}

#[test]
fn the_simulator_in_virtual_time_reads_well_and_repeats_exactly() {
    let run = || {
        let output = tandem(&["doctor", "--simulate"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("SIMULATED: no real server is used"));
        let printed = text(&output.stdout);
        printed.replace(&port_in(&printed), "PORT")
    };
    let printed = run();
    insta::assert_snapshot!(printed);
    assert_eq!(printed, run());
}

#[test]
fn the_number_of_slots_is_inferred_from_stamps() {
    for (slots, inferred, n) in [
        ("1", "exactly", 1),
        ("2", "exactly", 2),
        ("8", "at_least", 3),
    ] {
        let (document, code) = doctor(&["--simulate", "--num-parallel", slots]);
        assert_eq!(code, 0);
        let seen = &document["servers"][0]["probe"]["slots"];
        assert_eq!(seen["inferred"], inferred, "{slots}");
        assert_eq!(seen["n"], n, "{slots}");
        assert_eq!(document["provenance"], "simulated");
        assert!(document["machine"].is_null());
    }
}

#[test]
fn a_server_that_fails_its_requests_is_a_problem() {
    let (document, code) = doctor(&["--simulate", "--fault", "busy=1"]);
    assert_eq!(code, 1);
    let found = finding(&document, "generates");
    assert_eq!(found["level"], "problem");
    assert!(found["what"].as_str().unwrap().contains("busy"), "{found}");
    assert_eq!(finding(&document, "slots")["level"], "note");
    // Without the probe nothing is sent that could fail.
    let (document, code) = doctor(&["--simulate", "--fault", "busy=1", "--no-probe"]);
    assert_eq!(code, 0, "{document:#}");
    assert!(document["servers"][0]["probe"].is_null());
    let memory = finding(&document, "memory")["what"].as_str().unwrap();
    assert!(memory.contains("estimated: weights"), "{memory}");
}

#[test]
fn a_real_server_is_looked_at_on_both_protocols() {
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let v1 = format!("{url}/v1");
    let (document, code) = doctor(&["--endpoint", url, "--endpoint", &v1, "--api", "auto,openai"]);
    assert!(
        code <= 1,
        "what this machine does besides may be warned of: {document:#}"
    );
    let servers = document["servers"].as_array().unwrap();
    assert_eq!(servers[0]["server"]["kind"], "tandem-simulator");
    assert_eq!(servers[1]["server"]["kind"], "ollama /v1");
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
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let (document, code) = doctor(&["--endpoint", url, "--model", "gema3"]);
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
fn nobody_there_is_three_and_a_wrong_flag_is_two() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (document, code) = doctor(&["--endpoint", &address]);
    assert_eq!(code, 3);
    assert_eq!(finding(&document, "reachable")["level"], "problem");
    assert_eq!(document["servers"][0]["why"], "unreachable");

    for (args, words) in [
        (&["--plan", "nope"][..], "shipped plans"),
        (&["--endpoint", "http://u:secret@127.0.0.1"], "credential"),
        (&["--only", "nope*"], "no configuration matches"),
    ] {
        let output = tandem(&[&["doctor"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = text(&output.stderr);
        assert!(error.contains(words), "{args:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_sweep_warns_of_what_is_in_the_way_unless_told_not_to() {
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    let temp = TempDir::new().unwrap();
    let sweep = |name: &str, more: &[&str]| {
        let out = temp.path().join(name);
        let args = [
            &[
                "sweep",
                "--plan",
                "one-or-two-servers",
                "--only",
                "homo*",
                "--repeats",
                "1",
                "--endpoint",
                url,
                "--out",
                out.to_str().unwrap(),
            ],
            more,
        ]
        .concat();
        let output = succeeds(&args);
        text(&output.stderr)
    };
    let warning = "warning: the plan has a server for each of 2 agents, and one is named";
    assert!(sweep("one", &[]).contains(warning));
    assert!(!sweep("two", &["--no-checks"]).contains(warning));
}
