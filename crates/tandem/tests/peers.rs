//! The parsers of other tools' outputs, on small recorded ones: oha 1.16.0, guidellm 0.8.1 and aiperf 0.13.0
//! at 8 streams, or with a closed port.
#![expect(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "../benches/client/peers/figures.rs"]
mod figures;

use figures::Figures;

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/recorded");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// Where a tool has its figures.
fn figures_of(name: &str) -> Figures {
    let tools = include_str!("../benches/client/peers/tools.toml");
    let tools: toml::Table = toml::from_str(tools).unwrap();
    let mut tools = tools["tool"].as_array().unwrap().iter();
    let tool = tools.find(|tool| tool["name"].as_str() == Some(name));
    tool.unwrap()["figures"].clone().try_into().unwrap()
}

/// Mean, median and p99 in ms: oha reports seconds, and guidellm's are those of the successful requests.
const TOOLS: [(&str, &str, [f64; 3]); 3] = [
    ("oha", "oha.json", [51.806_304_375, 51.974_84, 52.423_107]),
    (
        "guidellm",
        "guidellm.json",
        [59.729_785, 57.873_487, 80.705_643],
    ),
    (
        "aiperf",
        "aiperf.json",
        [63.424_018_5, 61.750_902_5, 74.477_771_2],
    ),
];

#[test]
fn each_tools_figures_are_read_in_ms_when_there_is_one_for_each_request() {
    for (tool, file, expected) in TOOLS {
        let tool = figures_of(tool);
        let ttft = tool.read(&recorded(file), 16).unwrap();
        let found = [ttft.mean_ms, ttft.p50_ms, ttft.p99_ms];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        assert!(tool.read(&recorded(file), 17).is_err());
        assert!(tool.read(b"{}", 16).is_err());
        assert!(tool.read(b"no JSON", 16).is_err());
    }
}

/// guidellm succeeds when every request failed, with a mean TTFT of zero.
#[test]
fn failed_requests_are_no_figures() {
    let refused = figures_of("guidellm").read(&recorded("guidellm-refused.json"), 4);
    let why = "0 of 4 requests have a TTFT: {\"errored\":4,\"incomplete\":0,\"successful\":0,\"total\":4}";
    assert_eq!(refused.unwrap_err().to_string(), why);
    let refused = figures_of("oha").read(&recorded("oha-refused.json"), 4);
    let why = "0 of 4 requests have a TTFT: {} {\"Connection refused (os error 111)\":4}";
    assert_eq!(refused.unwrap_err().to_string(), why);
}
