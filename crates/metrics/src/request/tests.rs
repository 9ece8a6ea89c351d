use domain::{FailureKind, Outcome};

use super::*;
use crate::timeline::request;

fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

#[test]
fn every_figure_of_a_plain_request() {
    // Sent at 100 ms; load 50, slot 30, prefill 20, then 4 tokens in steps of 10 ms.
    let mut r = request(100)
        .load(50)
        .slot(30)
        .prefill(20)
        .decode(4, 10)
        .build();
    r.scheduled = Stamp::ZERO + ms(90);
    r.done = r.done.map(|d| d + ms(5));
    let m = RequestMetrics::of(&r);
    assert_eq!(m.client_queue, Some(ms(10)));
    assert_eq!(m.ttft, Some(ms(110)));
    assert_eq!(m.ttft_scheduled, Some(ms(120)));
    assert_eq!(m.e2e, Some(ms(145)));
    assert_eq!(m.itl, Some(vec![ms(10); 3]));
    assert!((m.tpot.unwrap() - 0.010).abs() < 1e-12);
    assert!((m.decode_rate_client.unwrap() - 100.0).abs() < 1e-9);
    assert!((m.decode_rate_server.unwrap() - 100.0).abs() < 1e-9);
    assert_eq!(m.slot_wait, Some(ms(30)));
    assert_eq!(m.transport_ns, Some(5_000_000));
    assert!(m.clock_warnings.is_empty());
}

#[test]
fn none_is_never_zero() {
    let mut one_token = request(0).prefill(10).decode(1, 10).build();
    one_token.chunks.truncate(1);
    let m = RequestMetrics::of(&one_token);
    assert_eq!((m.tpot, m.itl, m.decode_rate_client), (None, None, None));
    assert!(m.ttft.is_some());

    let mut failed = request(0).prefill(10).decode(3, 10).build();
    failed.outcome = Outcome::Failed {
        failure: FailureKind::MidStream,
        message: "gone".to_owned(),
    };
    assert_eq!(RequestMetrics::of(&failed).e2e, None);

    let mut nothing = request(0).build();
    nothing.counters = domain::record::ServerCounters::default();
    nothing.first_token = None;
    nothing.last_token = None;
    nothing.sent = None;
    let m = RequestMetrics::of(&nothing);
    assert_eq!((m.ttft, m.client_queue, m.slot_wait), (None, None, None));
    assert_eq!((m.decode_rate_server, m.transport_ns), (None, None));
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
        let unknown = (
            m.tpot.is_none(),
            m.itl.is_none(),
            m.decode_rate_client.is_none(),
        );
        assert_eq!(
            unknown,
            (is_gathered, is_gathered, is_gathered),
            "{step_ns}"
        );
        assert!(m.ttft.is_some() && m.decode_rate_server.is_some());
        let noted = r.notes == [domain::record::ResponseNote::Gathered];
        assert_eq!(noted, is_gathered, "{step_ns}");
    }
}

#[test]
fn stepping_clocks_warn_and_keep_the_sign() {
    let mut r = request(100).prefill(20).decode(4, 10).build();
    r.done = Some(Stamp::ZERO + ms(40));
    r.first_token = Some(Stamp::ZERO + ms(99));
    let m = RequestMetrics::of(&r);
    assert_eq!((m.e2e, m.ttft), (None, None));
    let figures: Vec<_> = m.clock_warnings.iter().map(|w| w.figure).collect();
    assert_eq!(figures, ["ttft", "ttft_scheduled", "e2e"]);
    assert_eq!(m.clock_warnings[2].by_ns, -60_000_000);

    // The server counted longer than the client waited.
    let mut r = request(0).prefill(20).decode(4, 10).build();
    r.counters.total = r.counters.total.map(|t| t + ms(3));
    let m = RequestMetrics::of(&r);
    assert_eq!(m.transport_ns, Some(-3_000_000));
    assert_eq!(m.clock_warnings[0].figure, "transport");
}
