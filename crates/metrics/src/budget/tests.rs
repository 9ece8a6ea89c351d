use domain::Outcome;
use domain::record::{Bias, RequestTimes};

use super::*;
use crate::by_hand::assert_figures;
use crate::timeline::{at, streamed};

/// A completed request that was sent at `sent` and saw tokens at these times, microseconds.
fn seen(sent: u64, tokens: &[u64]) -> RequestTimes {
    let us = |us: u64| Stamp(us * 1000);
    streamed(us(sent), tokens.iter().copied().map(us))
}

fn truth(asked: u64, sent: &[u64], due: &[u64]) -> Truth {
    let stamps = |us: &[u64]| us.iter().map(|us| Stamp(us * 1000)).collect();
    Truth {
        asked: Stamp(asked * 1000),
        sent: stamps(sent),
        due: stamps(due),
    }
}

#[test]
fn errors_by_hand() {
    // Sent at 1,000 us, read by the server 30 us later. Tokens sent at 51,100, 71,050 and 91,200
    // are seen 100, 250 and 40 us later; they were due at 51,030, 71,030 and 91,030.
    let mut compared = Compared::default();
    let [sent, due] = [[51_100, 71_050, 91_200], [51_030, 71_030, 91_030]];
    let seen_tokens = seen(1000, &[51_200, 71_300, 91_240]);
    compared.add(&seen_tokens, Some(&truth(1030, &sent, &due)));
    let step = compared.step(1, Nanos::from_millis(20));
    let by_hand = "
        # Two tokens after the first in 40.1 ms.
        requests 1, left_out 0, tokens 3, tokens_per_s 2/0.0401
        # Reported TTFT 50,200; true TTFT 51,100 - 1,030 = 50,070.
        ttft_bias: n 1, mean_ns 130000, max_ns 130000
        token_bias: n 3, mean_ns 130000, p50_ns 100000, max_ns 250000
        # The gaps: 20,100 seen of 19,950 (+150), 19,940 of 20,150 (-210).
        gap_error: n 2, mean_ns -30000, max_ns 150000
        # The server's own lateness, 70, 20 and 170 us, is in none of them.
        server_late: mean_ns 86667, max_ns 170000";
    assert_figures(&step, by_hand);
    // Neither three tokens nor two gaps carry a percentile.
    assert_eq!(
        (step.token_bias.unwrap().p99_ns, step.jitter_p99_ns),
        (None, None)
    );
}

#[test]
fn what_cannot_be_compared_is_counted_and_left_out() {
    let mut compared = Compared::default();
    let good = truth(1000, &[2000, 3000], &[2000, 3000]);
    compared.add(&seen(1000, &[2000, 3000]), Some(&good));
    compared.add(&seen(1000, &[2000, 3000]), None);
    compared.add(&seen(1000, &[2000]), Some(&good));
    let mut broken = seen(1000, &[2000, 3000]);
    broken.outcome = Outcome::Incomplete;
    compared.add(&broken, Some(&good));
    let step = compared.step(4, Nanos::from_millis(1));
    assert_eq!((step.requests, step.left_out, step.tokens), (4, 3, 2));
    assert!(!is_within(&step), "a step with gaps in it proves nothing");
}

#[test]
fn a_tail_is_printed_when_the_sample_carries_it() {
    // 1,000 tokens, the i-th seen i us late: the 99th percentile lies at rank 989.01.
    let sent: Vec<u64> = (0..1000).map(|i| 10_000 * (i + 1)).collect();
    let late: Vec<u64> = (0..).zip(&sent).map(|(i, at)| at + i).collect();
    let mut compared = Compared::default();
    compared.add(&seen(0, &late), Some(&truth(0, &sent, &sent)));
    let step = compared.step(1, Nanos::from_millis(10));
    assert_eq!(step.token_bias.unwrap().p99_ns, Some(989_010));
    assert_eq!(step.jitter_p99_ns, Some(Nanos(1000)));
    assert_eq!(step.gap_error.unwrap().mean_ns, 1000);
}

fn step(tokens_per_s: f64, mean_us: i64, ttft_p99_us: Option<i64>) -> BudgetStep {
    let bias = |us: i64, p99: Option<i64>| Bias {
        n: 1000,
        mean_ns: us * 1000,
        p50_ns: us * 1000,
        p99_ns: p99.map(|us| us * 1000),
        max_ns: 9_000_000,
    };
    BudgetStep {
        tokens_per_s,
        ttft_bias: Some(bias(2 * mean_us, ttft_p99_us)),
        token_bias: Some(bias(mean_us, Some(3 * mean_us))),
        ..Compared::default().step(1, Nanos::from_millis(20))
    }
}

/// A recorded budget with these steps.
fn budget(steps: Vec<BudgetStep>) -> ClientBudget {
    let recorded = include_str!("../../../../fixtures/calibration/calibration.json");
    let recorded: domain::record::Calibration = serde_json::from_str(recorded).unwrap();
    ClientBudget {
        steps,
        ..recorded.budget
    }
}

#[test]
fn a_budget_holds_up_to_the_last_step_before_the_first_that_is_late() {
    let held = |steps: Vec<BudgetStep>| calibrated_to(&budget(steps)).map(|s| s.tokens_per_s);
    let (good, near, late) = ((50.0, 100), (1200.0, 999), (2000.0, 1000));
    for (steps, expected) in [
        (&[good, near, late][..], Some(1200.0)),
        // A good step beyond a bad one is luck.
        (&[good, late, (9000.0, 100)], Some(50.0)),
        (&[late], None),
        (&[], None),
        // Order of measurement does not matter.
        (&[near, good], Some(1200.0)),
    ] {
        let steps = steps
            .iter()
            .map(|(rate, mean_us)| step(*rate, *mean_us, None));
        assert_eq!(held(steps.collect()), expected);
    }
}

#[test]
fn bias_between_steps_is_linear_and_flat_beyond_them() {
    let empty = budget(Vec::new());
    let steps = [(100.0, 50), (1100.0, 250), (2100.0, 1250)];
    let budget = budget(
        steps
            .map(|(rate, mean_us)| step(rate, mean_us, None))
            .to_vec(),
    );
    for (rate, us) in [
        (0.0, 50.0),
        (100.0, 50.0),
        (600.0, 150.0),
        (1100.0, 250.0),
        (1850.0, 1000.0),
        (5000.0, 1250.0),
    ] {
        let bias = bias_at(&budget, rate).unwrap();
        assert!((bias - us * 1000.0).abs() < 1e-6, "{rate}: {bias}");
    }
    assert_eq!(bias_at(&empty, 1.0), None);
}

#[test]
fn what_lies_beyond_the_budget_is_flagged_with_how_late_it_may_be() {
    let late = step(2400.0, 1500, Some(7250));
    let known = budget(vec![step(1200.0, 400, None), late]);
    assert_eq!(beyond(&known, 1200.0), None);
    let flagged = |received, off_the_scale| Beyond {
        received_tokens_per_s: received,
        calibrated_tokens_per_s: Some(1200.0),
        ttft_late_ns: Some(7_250_000),
        off_the_scale,
    };
    assert_eq!(beyond(&known, 1900.0), Some(flagged(1900.0, false)));
    assert_eq!(beyond(&known, 25_000.0), Some(flagged(25_000.0, true)));
    let nowhere = beyond(&budget(vec![step(1200.0, 1400, None)]), 10.0).unwrap();
    // Without a p99 it is the maximum.
    let late = (nowhere.calibrated_tokens_per_s, nowhere.ttft_late_ns);
    assert_eq!(late, (None, Some(9_000_000)));
}

#[test]
fn the_busiest_second_is_found_wherever_it_lies() {
    let busiest = |ms: &[u64]| busiest_second(ms.iter().copied().map(at).collect());
    assert_eq!(busiest(&[]), None);
    assert_eq!(busiest(&[7]), Some(1));
    // From 900 up to, not including, 1,900: four.
    assert_eq!(busiest(&[0, 900, 1000, 1500, 1899, 1900, 3000]), Some(4));
    assert_eq!(busiest(&[1500, 0, 1000]), Some(2));
}
