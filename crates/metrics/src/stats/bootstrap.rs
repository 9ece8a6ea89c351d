//! The bootstrap, seeded: the same values give the same interval.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::describe::percentile_sorted;
use super::interval::{CONFIDENCE, Interval};
use super::{mean, sample_sd};

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Seed of the resampling.
    pub seed: u64,
    /// Resamples.
    pub resamples: u32,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            seed: 113,
            resamples: 10_000,
        }
    }
}

impl Bootstrap {
    /// Studentised interval (bootstrap-t) of a mean; none below three values. Resamples without
    /// spread say nothing about the t value and are left out.
    pub fn mean_studentised(&self, values: &[f64]) -> Option<Interval> {
        let centre = mean(values)?;
        let error = sample_sd(values)? / (values.len() as f64).sqrt();
        let (_, mut ts) = self.resampled(values)?;
        if ts.is_empty() {
            return Some(Interval::around(centre, 0.0));
        }
        ts.sort_by(f64::total_cmp);
        let t = |p: f64| percentile_sorted(&ts, p);
        Some(Interval {
            lo: centre - t(50.0 + 50.0 * CONFIDENCE)? * error,
            hi: centre - t(50.0 - 50.0 * CONFIDENCE)? * error,
        })
    }

    /// Means of the resamples, and the t values of those that have spread; none below three values.
    pub fn resampled(&self, values: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        if values.len() < 3 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let centre = mean(values)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut means = Vec::with_capacity(self.resamples as usize);
        let mut ts = Vec::with_capacity(self.resamples as usize);
        for _ in 0..self.resamples {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..values.len() {
                // About the centre, so that the sum of squares loses no digits.
                let d = values[index(&mut rng, values.len())] - centre;
                sum += d;
                squares += d * d;
            }
            let shift = sum / n;
            let variance = (squares - n * shift * shift) / (n - 1.0);
            means.push(centre + shift);
            if variance > squares * 1e-12 {
                ts.push(shift / (variance / n).sqrt());
            }
        }
        Some((means, ts))
    }
}

/// A uniform index below `n`, by multiplication (Lemire 2019); the bias is below `n / 2^32`.
fn index(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}
