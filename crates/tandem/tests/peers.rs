//! The parsers of other tools' outputs, on small recorded ones: oha 1.16.0, guidellm 0.8.1 and aiperf 0.13.0
//! at 8 streams, or with a closed port.
#![expect(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "../benches/client/peers/figures.rs"]
mod figures;

use figures::Ttft;

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/recorded");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

#[test]
fn each_tools_figures_are_read_in_ms() {
    let read = |read: fn(&[u8], u32) -> anyhow::Result<Ttft>, file| read(&recorded(file), 16);
    for (ttft, expected) in [
        // It reports seconds.
        (
            read(figures::oha, "oha.json"),
            [51.806_304_375, 51.974_84, 52.423_107],
        ),
        // Successful requests only.
        (
            read(figures::guidellm, "guidellm.json"),
            [59.729_785, 57.873_487, 80.705_643],
        ),
        (
            read(figures::aiperf, "aiperf.json"),
            [63.424_018_5, 61.750_902_5, 74.477_771_2],
        ),
    ] {
        let ttft = ttft.unwrap();
        for (found, expected) in [ttft.mean, ttft.p50, ttft.p99].into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}

/// guidellm succeeds when every request failed, with a mean TTFT of zero.
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
fn missing_requests_are_errors() {
    for read in [figures::oha, figures::guidellm, figures::aiperf] {
        assert!(read(b"{}", 16).is_err());
        assert!(read(b"no JSON", 16).is_err());
    }
    assert!(figures::oha(&recorded("oha.json"), 17).is_err());
    assert!(figures::guidellm(&recorded("guidellm.json"), 17).is_err());
    assert!(figures::aiperf(&recorded("aiperf.json"), 17).is_err());
}
