//! Worked examples, each with its source.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bootstrap::bootstrap_interval;
use super::*;

fn close(a: f64, b: f64, within: f64) {
    assert!((a - b).abs() <= within, "{a} is not {b} within {within}");
}

/// Student (1908), "The probable error of a mean", extra hours of sleep; R's `sleep`.
const SLEEP_1: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
const SLEEP_2: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

#[test]
fn students_sleep_data_as_r_computes_them() {
    // R: t.test(extra ~ group): t = -1.8608, df = 17.776, p-value = 0.07939.
    close(welch_t_test(&SLEEP_1, &SLEEP_2).unwrap(), 0.079_39, 5e-6);
    // R: 95 percent confidence interval of the same: -3.3654832 0.2054832.
    let interval = welch_interval(&SLEEP_2, &SLEEP_1).unwrap();
    close(interval.lo, -3.365_483_2, 5e-7);
    close(interval.hi, 0.205_483_2, 5e-7);
    // R: paired: t = -4.0621, df = 9, p-value = 0.002833, interval -2.4598858 -0.7001142.
    let d: Vec<f64> = SLEEP_1.iter().zip(SLEEP_2).map(|(a, b)| a - b).collect();
    close(paired_t_test(&d).unwrap(), 0.002_833, 5e-7);
    let interval = student_interval(&d).unwrap();
    close(interval.lo, -2.459_885_8, 5e-8);
    close(interval.hi, -0.700_114_2, 5e-8);
    close(mean(&SLEEP_1).unwrap(), 0.75, 1e-12);
    close(sample_sd(&SLEEP_1).unwrap(), 1.789_010, 5e-7);
}

#[test]
fn type_7_percentiles_by_hand() {
    // Hyndman & Fan (1996), type 7: rank (n - 1) p; 1..=4 at a quarter lies at rank 0.75.
    let v = [4.0, 1.0, 3.0, 2.0];
    close(percentile(&v, 25.0).unwrap(), 1.75, 0.0);
    close(percentile(&v, 50.0).unwrap(), 2.5, 0.0);
    close(percentile(&v, 90.0).unwrap(), 3.7, 1e-12);
    close(percentile(&v, 0.0).unwrap(), 1.0, 0.0);
    close(percentile(&v, 100.0).unwrap(), 4.0, 0.0);
    assert_eq!(percentile(&[], 50.0), None);
    assert_eq!(percentile(&v, 101.0), None);
    assert_eq!(percentile(&[1.0, f64::NAN], 50.0), None);
    close(median(&[7.0]).unwrap(), 7.0, 0.0);
}

#[test]
fn both_deviations_by_hand() {
    // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares 32, so sqrt(32/8) and sqrt(32/7).
    let v = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    close(population_sd(&v).unwrap(), 2.0, 1e-12);
    close(sample_sd(&v).unwrap(), (32.0_f64 / 7.0).sqrt(), 1e-12);
    assert_eq!(sample_sd(&[1.0]), None);
}

#[test]
fn holm_by_hand() {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (a, b) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        close(*a, b, 1e-12);
    }
    assert!(holm(&[]).is_empty());
    close(holm(&[0.9, 0.8])[0], 1.0, 0.0);
}

#[test]
fn darwins_maize() {
    // Fisher (1935), "The Design of Experiments", section 21: t = 2.148 and p = 0.0497 of Darwin's
    // 15 differences.
    let d = [
        49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0,
    ];
    close(paired_t_test(&d).unwrap(), 0.0497, 5e-5);
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
    // Iglewicz & Hoaglin's rule by hand: median 2.05, MAD 0.2, score 0.6745 * 97.95 / 0.2.
    let found = outliers(&[2.1, 2.3, 1.9, 2.0, 1.8, 100.0]);
    assert_eq!((found.len(), found[0].0), (1, 5));
    close(found[0].1, 0.6745 * 97.95 / 0.2, 1e-9);
    assert!(outliers(&[1.0, 1.0, 1.0]).is_empty());
    assert!(outliers(&[]).is_empty());
    assert_eq!(outliers(&[1.0, 1.0, 1.0, 1.0, 1.0, 9.0]).len(), 1);
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

#[test]
fn bootstrap_is_seeded_and_agrees_with_theory() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let v: Vec<f64> = (0..200).map(|_| rng.random::<f64>()).collect();
    let t = student_interval(&v).unwrap();
    let studentised = bootstrap_interval(&v).unwrap();
    close(studentised.lo, t.lo, 0.003);
    close(studentised.hi, t.hi, 0.003);
    assert_eq!(bootstrap_interval(&v), Some(studentised));
    assert_eq!(bootstrap_interval(&v[..2]), None);
}

#[test]
fn law_schools() {
    // Efron & Tibshirani (1993), table 3.1: mean LSAT of the 15 law schools is 600.27, and its
    // estimated standard error by s / sqrt(n) is 10.79.
    let lsat = [
        576.0, 635.0, 558.0, 578.0, 666.0, 580.0, 555.0, 661.0, 651.0, 605.0, 653.0, 575.0, 545.0,
        572.0, 594.0,
    ];
    close(mean(&lsat).unwrap(), 600.27, 0.005);
    close(sample_sd(&lsat).unwrap() / 15.0_f64.sqrt(), 10.79, 0.005);
}
