use domain::{FailureKind, Outcome};

use super::*;
use crate::by_hand::assert_figures;
use crate::timeline::request;

fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

#[test]
fn every_figure_of_a_plain_request() {
    // Sent at 100 ms; load 50, slot 30, prefill 20, then 4 tokens in steps of 10 ms.
    let call = request(100).load(50).slot(30).prefill(20);
    let mut r = call.decode(4, 10).build();
    r.scheduled = Stamp::ZERO + ms(90);
    r.done = r.done.map(|d| d + ms(5));
    let by_hand = "
        client_queue 10e6, ttft 110e6, ttft_scheduled 120e6, e2e 145e6, itl.0 10e6, itl.1 10e6, itl.2 10e6
        tpot_s 0.010, decode_client_tokens_per_s 100, decode_server_tokens_per_s 100, slot_wait 30e6, transport_ns 5e6
        clock_warnings []";
    assert_figures(&RequestMetrics::of(&r), by_hand);
    assert_eq!(RequestMetrics::of(&r).itl.unwrap().len(), 3);
}

#[test]
fn none_is_never_zero() {
    let mut one_token = request(0).prefill(10).decode(1, 10).build();
    one_token.chunks.truncate(1);
    let by_hand = "tpot_s null, itl null, decode_client_tokens_per_s null, ttft 20e6";
    assert_figures(&RequestMetrics::of(&one_token), by_hand);

    let mut failed = request(0).prefill(10).decode(3, 10).build();
    failed.outcome = Outcome::Failed {
        failure: FailureKind::MidStream,
        message: "gone".to_owned(),
    };
    assert_eq!(RequestMetrics::of(&failed).e2e, None);

    let mut nothing = request(0).build();
    nothing.counters = domain::record::ServerCounters::default();
    (nothing.sent, nothing.first_token, nothing.last_token) = (None, None, None);
    let by_hand = "
        ttft null, client_queue null, slot_wait null, decode_server_tokens_per_s null, transport_ns null";
    assert_figures(&RequestMetrics::of(&nothing), by_hand);
}

/// Tokens that arrive together say nothing of how fast they were made.
#[test]
fn gathered_output_has_no_rate() {
    // Chunks at a time, and nanoseconds between times.
    for (at_a_time, step_ns, is_gathered) in [
        (8, 0, true),
        (1, 499, true),
        (1, 500, false),
        (4, 69_999, true),
        (4, 70_000, false),
        (2, 20_000, false),
    ] {
        let mut r = request(0).prefill(10).decode(8, 10).build();
        let first = r.first_token.unwrap();
        r.chunks = (0..8)
            .map(|n| first + Nanos(n / at_a_time * step_ns))
            .collect();
        r.last_token = r.chunks.last().copied();
        let outcome = r.outcome.clone();
        r.end(r.scheduled, r.ended, outcome);
        let m = RequestMetrics::of(&r);
        let [tpot, rate] = [m.tpot_s, m.decode_client_tokens_per_s].map(|figure| figure.is_none());
        let unknown = [tpot, rate, m.itl.is_none()];
        assert_eq!(unknown, [is_gathered; 3], "{step_ns}");
        assert!(m.ttft.is_some() && m.decode_server_tokens_per_s.is_some());
        let noted = r.notes == [domain::record::ResponseNote::Gathered];
        assert_eq!(noted, is_gathered, "{step_ns}");
    }
}

#[test]
fn stepping_clocks_warn_and_keep_the_sign() {
    let mut r = request(100).prefill(20).decode(4, 10).build();
    r.done = Some(Stamp::ZERO + ms(40));
    r.first_token = Some(Stamp::ZERO + ms(99));
    let by_hand = r#"
        e2e null, ttft null
        clock_warnings: 0.figure "ttft", 1.figure "ttft_scheduled", 2.figure "e2e", 2.by_ns -60e6"#;
    let metrics = RequestMetrics::of(&r);
    assert_figures(&metrics, by_hand);
    assert_eq!(metrics.clock_warnings.len(), 3);

    // The server counted longer than the client waited.
    let mut r = request(0).prefill(20).decode(4, 10).build();
    r.counters.total = r.counters.total.map(|t| t + ms(3));
    let by_hand = r#"transport_ns -3e6, clock_warnings.0.figure "transport""#;
    assert_figures(&RequestMetrics::of(&r), by_hand);
}
