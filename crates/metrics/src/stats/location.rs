//! Where repeated values lie, how surely, and what that excludes: one method for intervals and tests.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{CONFIDENCE, Interval, mean, sample_sd};

/// From so many values on, a fifth of them is left out at each end, so that a single outlier moves neither the centre
/// nor the error much. Of fewer values nothing can be left out without making the interval useless.
pub const TRIMMED_FROM: usize = 8;
/// The share left out at each end.
const TRIMMED: f64 = 0.2;

/// The centre of repeated values and its standard error, in the unit of the values, and the error's degrees of freedom.
///
/// The mean with Student's t below [`TRIMMED_FROM`] values, the 20 % trimmed mean with the winsorized
/// error from there on (Yuen 1974). An interval at level `1 - α` excludes a value exactly when the test
/// against that value has `p < α`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// The mean or trimmed mean.
    pub centre: f64,
    /// Of the centre.
    pub standard_error: f64,
    /// Degrees of freedom of the error.
    pub freedom: f64,
}

impl Location {
    /// The centre of repeated values; none below three, or when one is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::without(values, trimmed(values.len()))
    }

    /// The centre without the `cut` least and the `cut` greatest values.
    pub(super) fn without(values: &[f64], cut: usize) -> Option<Self> {
        let n = values.len();
        if n < 3 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (sorted[cut], sorted[n - 1 - cut]);
        let kept = (n - 2 * cut) as f64;
        let centre = mean(&sorted[cut..n - cut])?;
        let winsorized: Vec<f64> = sorted.iter().map(|v| v.clamp(least, most)).collect();
        let middle = mean(&winsorized)?;
        let squares: f64 = winsorized.iter().map(|v| (v - middle).powi(2)).sum();
        Some(Self {
            centre,
            standard_error: (squares / (kept * (kept - 1.0))).sqrt(),
            freedom: kept - 1.0,
        })
    }

    /// The centre of the logarithms of positive values: of ratios, or of values to be compared as
    /// ratios. None below three values, or when one is not positive and finite.
    pub fn of_logs(values: &[f64]) -> Option<Self> {
        if values.iter().any(|v| *v <= 0.0) {
            return None;
        }
        Self::of(&values.iter().map(|v| v.ln()).collect::<Vec<_>>())
    }

    /// The mean of independent centres, each counted once (Welch's and Satterthwaite's error); none without any.
    pub fn average(parts: &[Self]) -> Option<Self> {
        let weight = 1.0 / parts.len() as f64;
        Self::combined(parts.iter().map(|part| (weight, *part)))
    }

    /// `self - other`, of independent centres.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self::combined([(1.0, self), (-1.0, other)]).expect("there are two")
    }

    fn combined(parts: impl IntoIterator<Item = (f64, Self)>) -> Option<Self> {
        let (mut centre, mut variance, mut shared) = (0.0, 0.0, 0.0);
        let mut least = None;
        for (weight, part) in parts {
            let own = (weight * part.standard_error).powi(2);
            centre += weight * part.centre;
            variance += own;
            shared += own.powi(2) / part.freedom;
            least = Some(part.freedom.min(least.unwrap_or(f64::INFINITY)));
        }
        Some(Self {
            centre,
            standard_error: variance.sqrt(),
            freedom: if shared > 0.0 {
                variance.powi(2) / shared
            } else {
                least?
            },
        })
    }

    /// The least number of values, three or more, whose 95 % interval would satisfy `decides` if further values had the
    /// centre and the spread of these two or more. None where these decide already, or a thousand are too few.
    pub fn enough(values: &[f64], decides: impl Fn(Interval) -> bool) -> Option<u32> {
        let n = values.len();
        let seen = Self::of(values);
        if seen.is_some_and(|seen| decides(seen.interval(CONFIDENCE))) {
            return None;
        }
        let centre = seen.map_or_else(|| mean(values), |seen| Some(seen.centre))?;
        let spread = match seen {
            Some(seen) => seen.standard_error * (n as f64).sqrt(),
            None => sample_sd(values)?,
        };
        let of = |n: usize| Self {
            centre,
            standard_error: spread / (n as f64).sqrt(),
            freedom: (n - 2 * trimmed(n) - 1) as f64,
        };
        let enough =
            (n + 1..=MOST_REPETITIONS).find(|n| *n >= 3 && decides(of(*n).interval(CONFIDENCE)))?;
        u32::try_from(enough).ok()
    }

    fn t(&self) -> StudentsT {
        StudentsT::new(0.0, 1.0, self.freedom).expect("three values leave a degree of freedom")
    }

    /// The two-sided interval at `level`, 0.95 for 95 %.
    pub fn interval(&self, level: f64) -> Interval {
        let half = self.t().inverse_cdf(f64::midpoint(1.0, level)) * self.standard_error;
        Interval {
            lo: self.centre - half,
            hi: self.centre + half,
        }
    }

    /// The two-sided p value that the true centre is `null`; 1 or 0 for values without any spread.
    pub fn p(&self, null: f64) -> f64 {
        let distance = (self.centre - null).abs();
        if self.standard_error <= 0.0 {
            return if distance > 0.0 { 0.0 } else { 1.0 };
        }
        2.0 * self.t().sf(distance / self.standard_error)
    }
}

/// More repetitions than this are not practical.
const MOST_REPETITIONS: usize = 1000;

/// How many of `n` values are left out at each end.
fn trimmed(n: usize) -> usize {
    if n < TRIMMED_FROM {
        0
    } else {
        (TRIMMED * n as f64) as usize
    }
}
