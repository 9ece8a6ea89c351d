//! Runs on two protocols at once: some agents on Ollama's own API, others on `/v1`.

use std::path::Path;

use domain::Outcome;
use domain::record::RequestRole;
use serde_json::Value;

use crate::support::{Place, Serving, requests, text};

#[test]
fn a_sweep_runs_on_both_and_its_report_names_both() {
    let server = Serving::start();
    let url = server.url.as_str();
    let place = Place::new();
    place.write("mixed.toml", include_str!("mixed.toml"));
    let output = place.good(&format!(
        "sweep --plan mixed.toml --endpoint {url} --endpoint {url}/v1 --api ollama,openai --out results"
    ));
    let errors = text(&output.stderr);
    for note in ["cannot be sent top_k", "its state is as left, not unloaded"] {
        assert_eq!(errors.matches(note).count(), 1, "{note}: {errors}");
    }

    let requests = requests(&place.path("results"));
    let mains = requests.iter().filter(|r| r.role == RequestRole::Main);
    let mut dealt = [0, 0];
    for request in mains {
        assert_eq!(request.times.outcome, Outcome::Completed);
        assert_eq!(request.agent, request.endpoint, "an endpoint for each");
        // Only Ollama's own API reports the server's durations.
        let native = request.endpoint == 0;
        assert_eq!(request.times.counters.total.is_some(), native);
        // The record has the options that were sent, and `top_k` cannot be sent on `/v1`.
        assert_eq!(request.options.top_k.is_some(), native);
        assert!(request.options.num_predict.is_some());
        dealt[request.endpoint as usize] += 1;
    }
    assert_eq!(dealt, [6, 6], "three repetitions of two arms");
    let manifest: Value = place.read_json("results/manifest.json");
    assert_eq!(manifest["header"]["provenance"], "simulated");
    assert!(manifest["header"]["time_scale"].is_null(), "in real time");

    let report = Path::new(env!("CARGO_BIN_EXE_tandem")).with_file_name("tandem-report");
    if !report.exists() {
        println!("skipped: the report, because tandem-report is not built");
        return;
    }
    place.good("report --input results --out report");
    let report = place.read("report/report.md");
    for server in [
        "# SIMULATED: ",
        "- server 1: tandem-simulator ",
        "- server 2: tandem-simulator /v1 ",
        "- endpoint_1_state: as left",
        "- endpoint_1_options_not_sent: top_k",
    ] {
        assert!(report.contains(server), "{server} is not in\n{report}");
    }
}
