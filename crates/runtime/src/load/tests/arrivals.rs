//! Planned starts: exact where they are, within their own standard errors where they are random.

use super::*;

fn per_second(rate: f64) -> Rate {
    Rate::new(rate).unwrap()
}

fn seconds(arrivals: Arrivals, n: usize) -> Vec<f64> {
    let starts = arrivals.starts(3).take(n);
    starts.map(Nanos::as_secs_f64).collect()
}

/// Mean and coefficient of variation of the gaps.
fn spread(starts: &[f64]) -> (f64, f64) {
    let gaps: Vec<f64> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let sd = (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, sd / mean)
}

#[test]
fn random_arrivals_have_the_mean_and_the_variation_of_their_process() {
    let with = |gaps| Arrivals {
        rate: RateCurve::Constant(per_second(50.0)),
        gaps,
    };
    let gamma = |cv| with(Gaps::Gamma(Variation::new(cv).unwrap()));
    for (arrivals, wanted) in [
        (Arrivals::poisson(per_second(50.0)), 1.0),
        (gamma(1.0), 1.0),
        (gamma(0.25), 0.25),
        (gamma(2.0), 2.0),
    ] {
        let (mean, cv) = spread(&seconds(arrivals, 20_001));
        // Four standard errors of the mean of 20,000 gaps of 20 ms.
        let error = 0.02 * wanted * 4.0 / 20_000_f64.sqrt();
        assert!((mean - 0.02).abs() < error, "cv {wanted}: mean {mean}");
        assert!((cv / wanted - 1.0).abs() < 0.06, "cv {wanted}: {cv}");
    }
}

#[test]
fn a_ramp_of_equal_gaps_divides_the_rates_integral_equally() {
    let ramp = |from, to| Arrivals {
        rate: RateCurve::Ramp {
            from_per_s: from,
            to: per_second(to),
            over: Nanos::from_secs(10),
        },
        gaps: Gaps::Equal,
    };
    // From 0 to 20 in 10 s the integral is t², so that start n comes at the root of n.
    let starts = seconds(ramp(0.0, 20.0), 121);
    for (n, start) in starts.iter().enumerate().take(101) {
        assert!((start - (n as f64).sqrt()).abs() < 2e-6, "{n}: {start}");
    }
    // Beyond the ramp the rate stays at 20.
    assert!((starts[120] - 11.0).abs() < 2e-6);
    // Down as well as up, and a level ramp is a constant rate.
    let down = seconds(ramp(19.0, 1.0), 102);
    assert!((down[100] - 10.0).abs() < 2e-6, "{}", down[100]);
    assert!((down[101] - 11.0).abs() < 2e-6);
    assert!(down[1] - down[0] < down[99] - down[98]);
    let constant = seconds(Arrivals::constant(per_second(7.0)), 200);
    assert_eq!(seconds(ramp(7.0, 7.0), 200), constant);
    let curve = ramp(1.0, 20.0).rate;
    assert_eq!(curve.starts_in_ramp(), Some(106));
    assert_eq!(RateCurve::Constant(per_second(3.0)).starts_in_ramp(), None);
}

#[test]
fn a_poisson_ramp_has_the_expected_number_in_each_part_of_it() {
    let over = 200.0;
    let arrivals = Arrivals {
        rate: RateCurve::Ramp {
            from_per_s: 5.0,
            to: per_second(100.0),
            over: Nanos::from_secs_f64(over),
        },
        gaps: Gaps::Exponential,
    };
    let starts = seconds(arrivals, 12_000);
    // Ten parts of 20 s: the number in each is Poisson of the rate's integral over it.
    for part in 0..10 {
        let (begin, end) = (20.0 * f64::from(part), 20.0 * f64::from(part + 1));
        let integral = |t: f64| 5.0 * t + 95.0 * t * t / (2.0 * over);
        let expected = integral(end) - integral(begin);
        let seen = starts.iter().filter(|t| (begin..end).contains(*t)).count() as f64;
        let off = (seen - expected) / expected.sqrt();
        assert!(off.abs() < 4.0, "part {part}: {seen} of {expected:.0}");
    }
}

fn any_arrivals() -> impl Strategy<Value = Arrivals> {
    let gaps = prop_oneof![
        Just(Gaps::Equal),
        Just(Gaps::Exponential),
        (0.05_f64..8.0).prop_map(|cv| Gaps::Gamma(Variation::new(cv).unwrap())),
    ];
    let rate = prop_oneof![
        (0.01_f64..10_000.0).prop_map(|rate| RateCurve::Constant(per_second(rate))),
        (0.0_f64..1000.0, 0.01_f64..1000.0, 1_u64..100_000).prop_map(|(from, to, ms)| {
            RateCurve::Ramp {
                from_per_s: from,
                to: per_second(to),
                over: Nanos::from_millis(ms),
            }
        }),
    ];
    (rate, gaps).prop_map(|(rate, gaps)| Arrivals { rate, gaps })
}

proptest! {
    #[test]
    fn starts_begin_at_zero_never_go_back_and_repeat_by_seed(
        arrivals in any_arrivals(), seed: u64,
    ) {
        let starts: Vec<_> = arrivals.starts(seed).take(50).collect();
        prop_assert_eq!(starts[0], Nanos::ZERO);
        prop_assert!(starts.windows(2).all(|w| w[0] <= w[1]));
        prop_assert!(starts.iter().all(|s| s.0 % 1_000 == 0));
        prop_assert_eq!(starts, arrivals.starts(seed).take(50).collect::<Vec<_>>());
    }

    #[test]
    fn only_numbers_in_range_are_rates_and_speeds(n in prop_oneof![any::<f64>(), 1e-5..2e6]) {
        prop_assert_eq!(Rate::new(n).is_some(), (1e-4..=1e6).contains(&n));
        prop_assert_eq!(Speed::new(n).is_some(), n.is_finite() && n > 0.0);
        prop_assert_eq!(Variation::new(n).is_some(), (0.01..=100.0).contains(&n));
    }
}
