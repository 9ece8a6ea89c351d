//! `tandem calibrate`. Durations are not asserted, for they depend on the load of the machine.

use serde_json::Value;

use crate::place::{Place, json};

/// Checks a step, however late the machine was.
fn check(step: &Value, tokens_each: u64) {
    let number = |key: &str| step[key].as_u64().expect(key);
    assert_eq!(number("left_out"), 0, "{step}");
    assert_eq!(number("tokens"), number("requests") * tokens_each, "{step}");
    for key in ["ttft_bias", "token_bias", "server_late"] {
        let ns = |name: &str| step[key][name].as_i64().expect(name);
        assert!(ns("p50_ns") >= 0, "too early: {step}");
        let mean = ns("mean_ns");
        assert!(mean >= 0 && mean <= ns("max_ns"), "{step}");
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
        let line = format!("calibrate --quick --json --api {api}");
        let calibration = json(&Place::new().good(&line));
        assert_eq!(calibration["schema"], 2);
        let budget = &calibration["budget"];
        assert_eq!(budget["api"], api);
        assert_eq!(budget["depth"], "quick");
        assert_eq!(budget["shared_cores"], true);
        let steps = budget["steps"].as_array().unwrap();
        assert!(!steps.is_empty());
        assert_eq!(steps[0]["streams"], 1);
        for step in steps {
            check(step, 20);
        }
    }
}
