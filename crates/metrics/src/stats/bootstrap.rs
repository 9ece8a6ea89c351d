//! The bootstrap, seeded: the same values give the same interval.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

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
    /// Percentile interval of a mean; none below three values.
    pub fn mean_percentile(&self, values: &[f64]) -> Option<Interval> {
        let (mut means, _) = self.resampled(values)?;
        means.sort_by(f64::total_cmp);
        Self::between(&means, 50.0 - 50.0 * CONFIDENCE, 50.0 + 50.0 * CONFIDENCE)
    }

    /// Bias-corrected and accelerated interval of a mean (Efron 1987); none below three values.
    pub fn mean_bca(&self, values: &[f64]) -> Option<Interval> {
        let centre = mean(values)?;
        let (mut means, _) = self.resampled(values)?;
        means.sort_by(f64::total_cmp);
        if sample_sd(values)? <= 0.0 {
            return Some(Interval {
                lo: centre,
                hi: centre,
            });
        }
        let normal = Normal::standard();
        let below = means.partition_point(|m| *m < centre);
        let equal = means.partition_point(|m| *m <= centre) - below;
        let share = (below as f64 + equal as f64 / 2.0) / means.len() as f64;
        let bias = normal.inverse_cdf(share.clamp(1e-6, 1.0 - 1e-6));
        // Jackknife acceleration; for a mean the left-out means are linear in the values.
        let cubes: f64 = values.iter().map(|v| (v - centre).powi(3)).sum();
        let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
        let acceleration = cubes / (6.0 * squares.powf(1.5));
        let at = |tail: f64| {
            let z = bias + normal.inverse_cdf(tail);
            100.0 * normal.cdf(bias + z / (1.0 - acceleration * z))
        };
        Self::between(
            &means,
            at((1.0 - CONFIDENCE) / 2.0),
            at(f64::midpoint(1.0, CONFIDENCE)),
        )
    }

    /// Studentised interval (bootstrap-t) of a mean; none below three values. Resamples without
    /// spread say nothing about the t value and are left out.
    pub fn mean_studentised(&self, values: &[f64]) -> Option<Interval> {
        let centre = mean(values)?;
        let error = sample_sd(values)? / (values.len() as f64).sqrt();
        let (_, mut ts) = self.resampled(values)?;
        if ts.is_empty() {
            return Some(Interval {
                lo: centre,
                hi: centre,
            });
        }
        ts.sort_by(f64::total_cmp);
        let t = Self::between(&ts, 50.0 - 50.0 * CONFIDENCE, 50.0 + 50.0 * CONFIDENCE)?;
        Some(Interval {
            lo: centre - t.hi * error,
            hi: centre - t.lo * error,
        })
    }

    /// Percentile interval of the mean of `b - a`, pairs kept together; none for unequal lengths
    /// or below three pairs.
    pub fn paired_difference(&self, a: &[f64], b: &[f64]) -> Option<Interval> {
        if a.len() != b.len() {
            return None;
        }
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
        self.mean_percentile(&differences)
    }

    /// Percentile interval of `Σb / Σa`, pairs kept together; none for unequal lengths, below
    /// three pairs, or when a sum of `a` can be zero or negative.
    pub fn paired_ratio(&self, a: &[f64], b: &[f64]) -> Option<Interval> {
        if a.len() != b.len() || a.len() < 3 || a.iter().any(|v| *v <= 0.0) {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut ratios: Vec<f64> = (0..self.resamples)
            .map(|_| {
                let (mut above, mut below) = (0.0, 0.0);
                for _ in 0..a.len() {
                    let i = index(&mut rng, a.len());
                    above += b[i];
                    below += a[i];
                }
                above / below
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        Self::between(&ratios, 50.0 - 50.0 * CONFIDENCE, 50.0 + 50.0 * CONFIDENCE)
    }

    /// Means of the resamples, and the t values of those that have spread.
    fn resampled(&self, values: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
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

    fn between(sorted: &[f64], lo: f64, hi: f64) -> Option<Interval> {
        Some(Interval {
            lo: percentile_sorted(sorted, lo)?,
            hi: percentile_sorted(sorted, hi)?,
        })
    }
}

/// A uniform index below `n`, by multiplication (Lemire 2019); the bias is below `n / 2^32`.
fn index(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}
