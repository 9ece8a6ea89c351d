//! What is read from other tools, on small outputs recorded from them: oha 1.16.0, guidellm 0.8.1 and
//! aiperf 0.13.0 at 8 streams, or against a port where nobody listens.
#![expect(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "../benches/client/peers/figures.rs"]
mod figures;

use figures::Ttft;

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/recorded");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn near(told: Ttft, mean: f64, p50: f64, p99: f64) {
    for (told, expected) in [(told.mean, mean), (told.p50, p50), (told.p99, p99)] {
        assert!((told - expected).abs() < 1e-6, "{told} is not {expected}");
    }
}

#[test]
fn oha_tells_seconds_to_the_first_byte() {
    near(
        figures::oha(&recorded("oha.json"), 16).unwrap(),
        51.806_304_375,
        51.974_84,
        52.423_107,
    );
}

#[test]
fn guidellm_tells_ms_of_those_that_succeeded() {
    near(
        figures::guidellm(&recorded("guidellm.json"), 16).unwrap(),
        59.729_785,
        57.873_487,
        80.705_643,
    );
}

#[test]
fn aiperf_tells_ms() {
    near(
        figures::aiperf(&recorded("aiperf.json"), 16).unwrap(),
        63.424_018_5,
        61.750_902_5,
        74.477_771_2,
    );
}

/// guidellm ends well when every request failed, and gives their mean TTFT as zero.
#[test]
fn failed_requests_are_no_figures() {
    let refused = figures::guidellm(&recorded("guidellm-refused.json"), 4).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "0 of 4 requests have a TTFT: {\"errored\":4,\"incomplete\":0,\"successful\":0,\"total\":4}"
    );
    let refused = figures::oha(&recorded("oha-refused.json"), 4).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "0 of 4 requests were answered with 200: {} {\"Connection refused (os error 111)\":4}"
    );
}

#[test]
fn requests_that_are_missing_are_found_out() {
    for read in [figures::oha, figures::guidellm, figures::aiperf] {
        assert!(read(b"{}", 16).is_err());
        assert!(read(b"no JSON", 16).is_err());
    }
    assert!(figures::oha(&recorded("oha.json"), 17).is_err());
    assert!(figures::guidellm(&recorded("guidellm.json"), 17).is_err());
    assert!(figures::aiperf(&recorded("aiperf.json"), 17).is_err());
}
