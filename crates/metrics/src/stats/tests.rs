//! Worked examples, each with its source.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;

fn close(a: f64, b: f64, within: f64) {
    assert!((a - b).abs() <= within, "{a} is not {b} within {within}");
}

/// Student (1908), "The probable error of a mean", extra hours of sleep; R's `sleep`.
const SLEEP_1: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
const SLEEP_2: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

#[test]
fn students_sleep_data_as_r_computes_them() {
    let t = |values: &[f64]| Location::without(values, 0).unwrap();
    // R: t.test(extra ~ group): t = -1.8608, df = 17.776, p-value = 0.07939, and the 95 percent
    // confidence interval -3.3654832 0.2054832.
    let welch = t(&SLEEP_1).minus(t(&SLEEP_2));
    close(welch.freedom, 17.776, 5e-4);
    close(welch.p(0.0), 0.079_39, 5e-6);
    let interval = welch.interval(CONFIDENCE);
    close(interval.lo, -3.365_483_2, 5e-7);
    close(interval.hi, 0.205_483_2, 5e-7);
    // R: paired: t = -4.0621, df = 9, p-value = 0.002833, interval -2.4598858 -0.7001142.
    let d: Vec<f64> = SLEEP_1.iter().zip(SLEEP_2).map(|(a, b)| a - b).collect();
    close(t(&d).p(0.0), 0.002_833, 5e-7);
    let interval = t(&d).interval(CONFIDENCE);
    close(interval.lo, -2.459_885_8, 5e-8);
    close(interval.hi, -0.700_114_2, 5e-8);
    close(mean(&SLEEP_1).unwrap(), 0.75, 1e-12);
    close(sample_sd(&SLEEP_1).unwrap(), 1.789_010, 5e-7);
    assert_eq!(sample_sd(&[1.0]), None);
}

#[test]
fn a_trimmed_mean_by_the_book() {
    // Wilcox, "Introduction to Robust Estimation and Hypothesis Testing", self-awareness data: 20 %
    // trimmed mean 282.7, winsorized variance 21,551.4.
    let seconds = [
        77.0, 87.0, 88.0, 114.0, 151.0, 210.0, 219.0, 246.0, 253.0, 262.0, 296.0, 299.0, 306.0,
        376.0, 428.0, 515.0, 666.0, 1310.0, 2611.0,
    ];
    let found = Location::of(&seconds).unwrap();
    close(found.centre, 282.7, 0.05);
    // Yuen (1974): (n - 1) times that variance over h (h - 1), with h = 13 values kept.
    let error = (18.0 * 21_551.4 / (13.0 * 12.0_f64)).sqrt();
    close(found.standard_error, error, 0.01);
    close(found.freedom, 12.0, 0.0);
}

#[test]
fn an_interval_excludes_no_change_exactly_when_the_test_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for n in 3..30 {
        for shift in [0.0, 0.2, 0.5] {
            let values: Vec<f64> = (0..n).map(|_| rng.random::<f64>() - 0.5 + shift).collect();
            let found = Location::of(&values).unwrap();
            let inside = found.interval(CONFIDENCE).contains(0.0);
            assert_eq!(inside, found.p(0.0) >= 0.05, "{values:?}");
        }
    }
}

#[test]
fn one_cold_run_of_eight_or_more_does_not_hide_a_change() {
    // Seven or more pairs near +10 %, the first one cold.
    for n in [8, 12, 70] {
        let mut ratios: Vec<f64> = (0..n).map(|i| 1.10 + 0.01 * f64::from(i % 3)).collect();
        ratios[0] = 0.2;
        let found = Location::of_logs(&ratios).unwrap();
        let interval = found.interval(CONFIDENCE).map(f64::exp);
        let Interval { lo, hi } = interval;
        assert!(lo > 1.07 && hi < 1.15, "{n}: {interval:?}");
        assert!(found.p(0.0) < 0.001);
    }
}

#[test]
fn averages_of_configurations_add_their_errors() {
    let part = |centre, error| Location {
        centre,
        standard_error: error,
        freedom: 4.0,
    };
    let both = Location::average(&[part(1.0, 0.3), part(2.0, 0.4)]).unwrap();
    close(both.centre, 1.5, 1e-12);
    close(both.standard_error, 0.25, 1e-12);
    // Satterthwaite: (0.09 + 0.16)² / ((0.09² + 0.16²) / 4).
    close(both.freedom, 0.0625 / (0.0337 / 4.0), 1e-9);
    assert_eq!(Location::average(&[]), None);
    let exact = Location::of(&[2.0; 5]).unwrap();
    assert_eq!((exact.p(2.0), exact.p(2.1)), (1.0, 0.0));
}

#[test]
fn the_studentized_range_as_tabled() {
    // Pearson & Hartley's table of upper 5 % points: (q, groups, degrees of freedom).
    for (q, groups, freedom) in [
        (6.085, 2, 2.0),
        (8.331, 3, 2.0),
        (3.927, 2, 4.0),
        (3.877, 3, 10.0),
        (4.232, 5, 20.0),
        (4.646, 10, 60.0),
    ] {
        close(studentized_range_p(q, groups, freedom), 0.05, 5e-5);
    }
    let t = Location::of(&[0.3, 1.2, 0.9, 0.1, 0.8]).unwrap();
    let q = t.centre / t.standard_error * 2.0_f64.sqrt();
    close(studentized_range_p(q, 2, t.freedom), t.p(0.0), 1e-6);
    close(studentized_range_p(0.0, 5, 9.0), 1.0, 0.0);
    close(studentized_range_p(f64::INFINITY, 5, 9.0), 0.0, 0.0);
}

#[test]
fn type_7_percentiles_by_hand() {
    // Hyndman & Fan (1996), type 7: rank (n - 1) p; 1..=4 at a quarter lies at rank 0.75.
    let v = [4.0, 1.0, 3.0, 2.0];
    for (p, expected) in [
        (0.0, 1.0),
        (25.0, 1.75),
        (50.0, 2.5),
        (90.0, 3.7),
        (100.0, 4.0),
    ] {
        close(percentile(&v, p).unwrap(), expected, 1e-15);
    }
    assert_eq!(percentile(&[], 50.0), None);
    assert_eq!(percentile(&v, 101.0), None);
    assert_eq!(percentile(&[1.0, f64::NAN], 50.0), None);
    close(median(&[7.0]).unwrap(), 7.0, 0.0);
}

#[test]
fn mlperf_sample_sizes() {
    // MLPerf Inference rules, appendix "Early Stopping Criterion": 64 queries for the 90th
    // percentile, 662 for the 99th, at 99 % confidence.
    assert_eq!(samples_needed(90.0), Some(64));
    assert_eq!(samples_needed(95.0), Some(130));
    assert_eq!(samples_needed(99.0), Some(662));
    assert_eq!(samples_needed(100.0), None);
    let v: Vec<f64> = (1..=64).map(f64::from).collect();
    assert_eq!(printable_percentile(&v, 99.0), None);
    close(printable_percentile(&v, 90.0).unwrap(), 57.7, 1e-9);
    close(printable_percentile(&v[..2], 50.0).unwrap(), 1.5, 0.0);
}

#[test]
fn jain_of_his_own_example() {
    // Jain, Chiu & Hawe (1984): giving k of n users all alike scores k/n.
    close(jain(&[1.0, 1.0, 0.0, 0.0, 0.0]).unwrap(), 0.4, 1e-12);
    close(jain(&[3.0, 3.0]).unwrap(), 1.0, 1e-12);
    assert_eq!(jain(&[0.0, 0.0]), None);
    assert_eq!(jain(&[]), None);
}

#[test]
fn outliers_are_flagged_by_place() {
    // By hand: the others have mean 2.02 and deviation sqrt(0.037), predicted within sqrt(6/5) of it.
    let found = outliers(&[2.1, 2.3, 1.9, 2.0, 1.8, 100.0]);
    assert_eq!((found.len(), found[0].0), (1, 5));
    close(found[0].1, 97.98 / (0.037_f64 * 1.2).sqrt(), 1e-9);
    assert!(outliers(&[1.0, 1.0, 1.0]).is_empty());
    assert!(outliers(&[]).is_empty());
    assert!(outliers(&[0.3, 0.1 + 0.2, 0.3, 0.3]).is_empty());
    assert_eq!(outliers(&[1.0, 1.0, 1.0, 1.0, 1.0, 9.0]).len(), 1);
}

#[test]
fn clean_samples_have_no_outliers() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for n in [4, 5, 8, 20] {
        let flagged = (0..2000).filter(|_| {
            let values: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut rng)).collect();
            !outliers(&values).is_empty()
        });
        let flagged = flagged.count();
        // One in a hundred, and what 2,000 samples scatter by.
        assert!(flagged <= 35, "{n}: {flagged} of 2000");
    }
}

#[test]
fn estimates_carry_an_interval_only_from_three_on() {
    assert_eq!(Estimate::of(&[]), None);
    assert_eq!(Estimate::of(&[f64::NAN]), None);
    for v in [&[1.5][..], &[1.5, 2.5]] {
        let e = Estimate::of(v).unwrap();
        assert_eq!((e.lo, e.hi, e.sd), (None, None, None));
        assert_eq!(e.n as usize, v.len());
    }
    let e = Estimate::of(&[1.0, 2.0, 3.0]).unwrap();
    // t = 4.302653 with two degrees of freedom, error 1/sqrt(3).
    close(e.hi.unwrap(), 2.0 + 4.302_653 / 3.0_f64.sqrt(), 1e-6);
    close(e.sd.unwrap(), 1.0, 1e-12);
    let same = Estimate::of(&[2.0; 12]).unwrap();
    assert_eq!((same.lo, same.hi), (Some(2.0), Some(2.0)));
    let ratios = Estimate::of_ratios(&[0.5, 1.0, 2.0]).unwrap();
    close(ratios.mean, 1.0, 1e-12);
    close(ratios.lo.unwrap() * ratios.hi.unwrap(), 1.0, 1e-9);
    assert_eq!(Estimate::of_ratios(&[0.5, -1.0]), None);
}
