//! p values, all two-sided, for few repetitions.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

use super::interval::welch;
use super::{Bootstrap, mean, sample_sd};

/// Up to so many pairs every sign pattern is tried; above, 10,000 seeded ones.
const EXACT_UP_TO: usize = 16;

/// Holm's step-down correction: adjusted p values in the order given, each at most 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max(p_values[i] * (p_values.len() - rank) as f64);
        adjusted[i] = largest.min(1.0);
    }
    adjusted
}

/// Sign-flip permutation test that paired differences are symmetric about zero; none of nothing.
/// With `n` pairs the p value cannot fall below `2 / 2^n`: 0.25 for three, 0.0625 for five.
pub fn sign_flip_test(differences: &[f64]) -> Option<f64> {
    let n = differences.len();
    if n == 0 || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let observed = differences.iter().sum::<f64>().abs();
    // Sums that differ only by rounding count as equal.
    let least = observed - 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let extreme = |flips: u64| {
        let sum: f64 = differences
            .iter()
            .enumerate()
            .map(|(i, d)| if flips >> (i % 64) & 1 == 1 { -d } else { *d })
            .sum();
        sum.abs() >= least
    };
    if n <= EXACT_UP_TO {
        let patterns = 1_u64 << n;
        let hits = (0..patterns).filter(|flips| extreme(*flips)).count();
        return Some(hits as f64 / patterns as f64);
    }
    let Bootstrap { seed, resamples } = Bootstrap::default();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let hits = (0..resamples)
        .filter(|_| {
            let sum: f64 = differences
                .iter()
                .map(|d| if rng.next_u32() & 1 == 1 { -d } else { *d })
                .sum();
            sum.abs() >= least
        })
        .count();
    // The observed pattern is one of the possible ones (Phipson & Smyth 2010).
    Some((hits + 1) as f64 / f64::from(resamples + 1))
}

/// Exact sign test of paired differences, zeros left out; none when nothing is left.
pub fn sign_test(differences: &[f64]) -> Option<f64> {
    let above = differences.iter().filter(|d| **d > 0.0).count() as u64;
    let below = differences.iter().filter(|d| **d < 0.0).count() as u64;
    let n = above + below;
    (n > 0).then(|| {
        let signs = Binomial::new(0.5, n).expect("a half is a probability");
        (2.0 * signs.cdf(above.min(below))).min(1.0)
    })
}

/// Paired t test that differences have mean zero; none below three. Differences without any spread
/// are 0 (p = 1) or not (p = 0).
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    if differences.len() < 3 || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let n = differences.len() as f64;
    let error = sample_sd(differences)? / n.sqrt();
    Some(p_of(mean(differences)?, error, n - 1.0))
}

/// Welch's t test that two independent samples have one mean; none below three values in either.
pub fn welch_t_test(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() < 3 || b.len() < 3 || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    let (error, freedom) = welch(a, b)?;
    Some(p_of(mean(a)? - mean(b)?, error, freedom))
}

fn p_of(difference: f64, error: f64, freedom: f64) -> f64 {
    if error <= 0.0 || !freedom.is_finite() {
        return if difference.abs() > 0.0 { 0.0 } else { 1.0 };
    }
    let t = StudentsT::new(0.0, 1.0, freedom).expect("spread means at least one degree of freedom");
    2.0 * t.sf((difference / error).abs())
}
