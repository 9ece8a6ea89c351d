use domain::record::{ClientBudget, Provenance};

use super::*;
use crate::kind::fixture::{folder, options, text};
use crate::report::build;

fn sweep() -> Dataset {
    let path = folder("one-or-two-servers");
    crate::load::load_all(&[path], false).unwrap().dataset
}

/// The sweep as if a real server had been measured by a client with this budget.
fn measured(budget: Option<ClientBudget>) -> Dataset {
    let mut set = sweep();
    set.provenance = Provenance::Measured;
    let manifest = set.manifest.as_mut().unwrap();
    manifest.header.provenance = Provenance::Measured;
    manifest.header.time_scale = None;
    manifest.header.client_budget = budget;
    set
}

/// One load of `rate` tok/s at which stamps were `us` late.
fn budget(rate: f64, us: i64) -> ClientBudget {
    let bias = |us: i64| json!({ "n": 700, "mean_ns": us * 1000, "p50_ns": us * 900, "p99_ns": us * 4000, "max_ns": us * 9000 });
    let step = json!({
        "streams": 2, "gap_ns": 10_000_000, "requests": 14, "left_out": 0, "tokens": 700, "tokens_per_s": rate,
        "ttft_bias": bias(2 * us), "token_bias": bias(us), "gap_error": bias(1), "jitter_p99_ns": 90_000,
        "cpu_per_token_ns": 18_000, "cpu_used": 0.2, "memory_per_agent_bytes": 20_480, "server_late": bias(300),
    });
    let budget = json!({
        "depth": "quick", "api": "ollama", "runtime": { "flavour": "multi", "workers": 2 }, "cores": 2,
        "shared_cores": true, "load_average": 0.5, "steps": [step], "ended": "done",
    });
    serde_json::from_value(budget).unwrap()
}

#[test]
fn virtual_time_costs_nothing_and_what_was_not_calibrated_is_unknown() {
    let simulated = sweep();
    let words = "virtual time: the client costs no time";
    assert_eq!(in_words(&simulated).unwrap(), words);
    assert_eq!(flag(&simulated), None);
    let unknown = measured(None);
    let words = "not calibrated: what of it is in the figures is unknown";
    assert_eq!(in_words(&unknown).unwrap(), words);
    assert_eq!(flag(&unknown), None);
    let mut imported = sweep();
    imported.manifest = None;
    assert_eq!(in_words(&imported), None);
}

#[test]
fn the_report_says_the_budget_and_flags_what_lies_beyond_it() {
    let rate = budget::busiest(&sweep()).unwrap();
    let within = measured(Some(budget(rate, 100)));
    assert_eq!(flag(&within), None);
    let set = measured(Some(budget(rate - 1.0, 100)));
    let sentence = flag(&set).unwrap();
    let end = "TTFT may be late by 0.800 ms or more, for no rate so high was calibrated.";
    assert!(sentence.ends_with(end), "{sentence}");
    let report = build(&set, &options("flagged")).unwrap();
    let md = text(&report, "report.md");
    let own = "- The client's own error: calibrated to";
    assert!(md.contains(own), "{md}");
    assert!(md.contains(&format!("- {sentence}")), "{md}");
    let json: Value = serde_json::from_str(text(&report, "report.json")).unwrap();
    assert_eq!(json["client"]["busiest_tokens_per_s"], rate);
    assert_eq!(json["client"]["budget"]["steps"][0]["tokens"], 700);
    assert_eq!(json["client"]["flag"], sentence);
}
