//! What the rule says of levels whose share within the limit is known.

use domain::Stamp;
use domain::record::RequestRecord;
use itertools::iproduct;
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

use domain::record::capacity::*;

use super::super::*;
use super::{cancelled, failed, request};
use crate::timeline::at;

/// Requests of `agents` agents in rounds of a second, each with a TTFT of 20 to 100 ms.
fn level(agents: u32, rounds: u64, seed: u64) -> Vec<RequestRecord> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let records = iproduct!(0..rounds, 0..agents).map(|(round, agent)| {
        let at = round * 1000;
        request(agent, at, &[at + rng.random_range(20..100)])
    });
    records.collect()
}

/// The first `end` milliseconds.
fn until(end: u64) -> Window {
    Window {
        from: Stamp::ZERO,
        to: at(end),
    }
}

/// The first look at what began in the first `end` milliseconds.
fn judge(records: &[RequestRecord], end: u64, slo: &str) -> Decision {
    let sample = Sample::of(records, until(end));
    Rule::default().judge(&sample, &slo.parse().unwrap(), &[])
}

#[test]
fn no_level_passes_on_a_single_moment() {
    let records = level(64, 16, 3);
    let after = |rounds: u64| judge(&records, rounds * 1000, "ttft_p90 < 100ms");
    let early = after(8);
    assert_eq!(early.verdict, Verdict::Unresolved);
    assert!(early.judged[0].lo.unwrap() >= 0.9, "{early:?}");
    assert_eq!(early.needs, Some(4 * 64), "{early:?}");
    assert_eq!(after(12).verdict, Verdict::Pass);
}

#[test]
fn blocks_are_longer_than_slow_moments_last() {
    let effect = |length: u64| {
        let mut records = level(8, 128, 4);
        for record in &mut records {
            // All requests of every other moment take longer, and none too long.
            let times = &record.times;
            if (times.scheduled.0 / 1_000_000_000 / length).is_multiple_of(2) {
                let [at, later] = [times.scheduled, times.ended].map(|at| at.0 / 1_000_000);
                *record = request(record.agent, at, &[later + 60]);
            }
        }
        let decision = judge(&records, 128_000, "ttft_p90 < 200ms");
        assert_eq!(decision.judged[0].statistic, Some(1.0));
        decision.judged[0].design_effect
    };
    let [short, long] = [effect(1), effect(24)];
    assert!(short < 2.0, "{short}");
    assert!(long > 8.0, "{long}");
}

#[test]
fn what_the_data_cannot_say_is_unresolved_and_says_what_it_takes() {
    let records = level(4, 8, 1);
    let decision = judge(&records, 8000, "ttft_p95 < 100ms");
    // All 32 within, and 0.95^32 is 0.19.
    assert_eq!(decision.verdict, Verdict::Unresolved);
    let needs = decision.needs.unwrap();
    assert!((60..=300).contains(&needs), "{needs}");
    let judged = &decision.judged[0];
    assert_eq!((judged.n, judged.statistic), (32, Some(1.0)));
    assert!(judged.lo.unwrap() < 0.95 && judged.hi == Some(1.0));
}

#[test]
fn failures_break_latency_limits_and_what_we_cancelled_only_when_it_had_broken_them() {
    let slo = "ttft_p50 < 100ms, failed < 50%, goodput >= 50%";
    let records: Vec<_> = (0..20).map(|i| failed(0, i * 1000, i * 1000 + 5)).collect();
    let decision = judge(&records, 40_000, slo);
    assert_eq!(decision.verdict, Verdict::Fail);
    let mut judged = decision.judged.iter();
    assert!(judged.all(|j| j.verdict == Verdict::Fail), "{decision:?}");
    assert_eq!(decision.judged[1].seen, Some(1.0));

    let records = [
        cancelled(0, 0, 50),
        cancelled(0, 1000, 1100),
        request(0, 2000, &[2050]),
    ];
    let counted = judge(&records, 40_000, slo).judged;
    // The first had 50 ms only.
    assert_eq!([0, 1, 2].map(|i| counted[i].n), [2, 1, 1]);
}

#[test]
fn a_mean_is_judged_by_its_blocks() {
    let records = level(4, 50, 2);
    for (slo, verdict) in [
        ("ttft_mean < 90ms", Verdict::Pass),
        ("ttft_mean < 40ms", Verdict::Fail),
        ("ttft_mean < 59.5ms", Verdict::Unresolved),
    ] {
        let decision = judge(&records, 50_000, slo);
        assert_eq!(decision.verdict, verdict, "{decision:?}");
    }
}

#[test]
fn values_far_inside_their_limit_pass_at_once_while_the_machine_drifts() {
    // TTFT from 100 ms up to 194 ms and back, TPOT of 6 to 7 ms, one agent.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let records: Vec<_> = (0..1024)
        .map(|i: u64| {
            let drift = (i % 256).min(256 - i % 256) / 2;
            let first = i * 1000 + 100 + drift + rng.random_range(0..30);
            let chunks: Vec<u64> = (0..10)
                .map(|k| first + k * (61 + drift / 10) / 10)
                .collect();
            request(0, i * 1000, &chunks)
        })
        .collect();
    let judge = |n: u64, slo: &str| judge(&records, n * 1000, slo);
    let slo = "ttft_p95 < 3s and tpot_p95 < 60ms and e2e_mean < 3s and goodput >= 95%";
    assert_eq!(judge(128, slo).verdict, Verdict::Pass);
    // Close to the limit the drift counts: the slowest come in bunches.
    let close = judge(128, "ttft_p95 < 300ms");
    assert_eq!(close.verdict, Verdict::Unresolved);
    assert!(close.judged[0].design_effect > 5.0, "{close:?}");
}

#[test]
fn the_seen_interval_is_the_one_that_decides() {
    let records = level(8, 40, 6);
    for limit in (20..110).step_by(3) {
        let decision = judge(&records, 40_000, &format!("ttft_p80 < {limit}ms"));
        let judged = &decision.judged[0];
        let below = f64::from(limit) / 1e3;
        let passes = judged.seen_hi.is_some_and(|hi| hi < below);
        let fails = judged.seen_lo.is_some_and(|lo| lo >= below);
        assert_eq!(judged.verdict == Verdict::Pass, passes);
        assert_eq!(judged.verdict == Verdict::Fail, fails);
    }
    // 32 requests, all within: no value is known to lie above the p95.
    let few = judge(&level(4, 8, 1), 8000, "ttft_p95 < 5s");
    assert_eq!(few.verdict, Verdict::Unresolved);
    assert_eq!(few.judged[0].seen_hi, None);
}
