//! `tandem load`: exact figures in simulated time, rows on disk, exit codes.

use domain::record::load::LoadFile;
use metrics::load::Collected;
use serde_json::{Value, json};

use crate::answering::answering;
use crate::place::{Place, text};
#[cfg(unix)]
use crate::place::{code, json};
use crate::support::requests;
#[cfg(unix)]
use crate::support::{interrupt, until};

#[test]
fn rows_and_figures_are_written_and_agree() {
    let place = Place::new();
    place.good("load --simulate --profile instant --requests 130 --out l");
    let rows = requests(&place.path("l"));
    assert_eq!(rows.len(), 130);
    let typed: LoadFile = place.read_json("l/load.json");
    assert_eq!(typed.header.name, "l");
    let mut counted = Collected::new(None);
    for row in &rows {
        counted.add(row);
    }
    assert_eq!(typed.result.unwrap().figures, counted.figures());
    let written: Value = place.read_json("l/load.json");
    let tokens: u64 = rows.iter().map(|row| row.times.tokens).sum();
    assert_eq!(written["result"]["figures"]["tokens"], tokens);
    let ttft = &written["result"]["figures"]["ttft_ms"];
    assert_eq!(ttft["n"], 130);
    let stamps = rows
        .iter()
        .map(|row| (row.times.first_token.unwrap(), row.times.sent.unwrap()));
    let longest = stamps.map(|(first, sent)| first.since(sent).0).max();
    let longest_ms = ttft["max"].as_f64().unwrap();
    assert_eq!(Some((longest_ms * 1e6).round() as u64), longest);
    assert!(ttft["p95"].is_number(), "130 requests carry a p95: {ttft}");
    assert!(ttft["p99"].is_null(), "they do not carry a p99: {ttft}");
    assert_eq!(ttft["needs"], json!({ "p99": 662 }));
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_what_was_measured_and_ends_with_130() {
    let place = Place::new();
    let mut child = place
        .start("load --simulate --time-scale 300 --json --agents 4 --requests 1000000 --out l");
    let rows_file = place.path("l/requests.jsonl");
    until(&mut child, || {
        std::fs::metadata(&rows_file).is_ok_and(|file| file.len() > 0)
    });
    let file: LoadFile = place.read_json("l/load.json");
    assert_eq!((file.asked.requests, file.result), (1_000_000, None));
    let output = interrupt(child);
    assert_eq!(code(&output), 130);
    let value = &json(&output)["result"];
    assert_eq!(value["interrupted"], true);
    let rows = requests(&place.path("l"));
    let outcomes = &value["figures"]["outcomes"];
    for class in ["completed", "cancelled"] {
        let of_class = rows.iter().filter(|r| r.times.outcome.class() == class);
        assert_eq!(outcomes[class], of_class.count());
    }
    assert!((1..=4).contains(&outcomes["cancelled"].as_u64().unwrap()));
    assert_eq!(value["not_begun"], 1_000_000 - rows.len());
}

/// A `/v1` server without a list of models, behind a proxy that passes each answer on in one piece, with a
/// usage of zeros and no `[DONE]`.
fn gateway(path: &str) -> String {
    if path != "/v1/chat/completions" {
        return "404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such page".to_owned();
    }
    let word = json!({"choices": [{"delta": {"content": "word "}}]});
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage});
    let words = format!("data: {word}\n\n").repeat(20);
    format!("200 OK\r\nContent-Type: text/event-stream\r\n\r\n{words}data: {end}\n\n")
}

#[test]
fn figures_that_a_gateway_withholds_are_unknown_and_named() {
    let place = Place::new();
    let at = answering(|path, _| gateway(path));
    let at = format!("--endpoint {at} --api openai --model x/y:nitro --no-calibrate");
    let output = place.good(&format!("load {at} --agents 1 --requests 3 --out l"));
    // The other lines have times.
    let seen = place.excerpt(&output, &["warning: ", "Tokens ", "unseen"]);
    insta::assert_snapshot!("gateway", seen);
    let file: LoadFile = place.read_json("l/load.json");
    let figures = file.result.unwrap().figures;
    let counts = (figures.outcomes.completed, figures.tokens_estimated);
    assert_eq!(counts, (3, 60));
    assert_eq!((&figures.tpot_ms, &figures.itl_ms), (&None, &None));
    assert!(figures.ttft_ms.is_some());

    let line = "--slo ttft_p50<2s --max-agents 1 --requests-per-agent 20";
    let errors = text(&place.run(&format!("capacity {at} {line}")).stderr);
    let words = "the answer arrived all at once";
    assert!(errors.contains(words), "{errors}");
}
