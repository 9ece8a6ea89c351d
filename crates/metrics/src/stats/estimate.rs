//! A number that never travels without its `n`.

use serde::Serialize;

use super::{CONFIDENCE, Interval, Location, mean, sample_sd};

/// Range of times, rates, sizes and ratios.
pub(crate) const NOT_NEGATIVE: (f64, f64) = (0.0, f64::INFINITY);

/// The centre of repeated observations with its 95 % interval, both from [`Location`]: the mean, and from
/// [`TRIMMED_FROM`](super::TRIMMED_FROM) observations on the 20 % trimmed mean.
///
/// Below three observations there is neither interval nor deviation: that is a single run, or two. All but `n` are in
/// the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The centre; geometric where it is made by [`Estimate::of_ratios`].
    pub mean: f64,
    /// Lower end of the 95 % interval; none for `n < 3`.
    pub lo: Option<f64>,
    /// Upper end of the 95 % interval; none for `n < 3`.
    pub hi: Option<f64>,
    /// Sample standard deviation (`n - 1`); none for `n < 3`.
    pub sd: Option<f64>,
    /// Observations.
    pub n: u32,
}

impl Estimate {
    /// None without values, or when one is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::with(values, values, Location::of(values), |centre| centre)
    }

    /// Of values that cannot be negative, such as times, sizes and rates.
    pub fn of_sizes(values: &[f64]) -> Option<Self> {
        Some(Self::of(values)?.within(NOT_NEGATIVE))
    }

    /// The geometric mean of ratios, with the interval of their logarithms: swapping numerator and
    /// denominator inverts it. None without values, or when a ratio is not positive and finite.
    pub fn of_ratios(ratios: &[f64]) -> Option<Self> {
        Self::on_logarithms(ratios, Location::of)
    }

    /// The mean of values that make up a whole, such as blocks of time: each counts, however far off it lies.
    pub(crate) fn of_all(values: &[f64]) -> Option<Self> {
        let location = Location::without(values, 0);
        Self::with(values, values, location, |centre| centre)
    }

    /// Of a rate's blocks of time, which is never negative.
    pub fn of_blocks(values: &[f64]) -> Option<Self> {
        Some(Self::of_all(values)?.within(NOT_NEGATIVE))
    }

    /// The geometric mean of ratios that make up a whole.
    pub(crate) fn of_all_ratios(ratios: &[f64]) -> Option<Self> {
        Self::on_logarithms(ratios, |logs| Location::without(logs, 0))
    }

    fn on_logarithms(ratios: &[f64], of: impl Fn(&[f64]) -> Option<Location>) -> Option<Self> {
        if ratios.iter().any(|r| *r <= 0.0) {
            return None;
        }
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        Self::with(ratios, &logs, of(&logs), f64::exp)
    }

    /// The estimate of what was seen, made on a scale from which `back` leads back.
    fn with(
        seen: &[f64],
        scaled: &[f64],
        location: Option<Location>,
        back: impl Fn(f64) -> f64,
    ) -> Option<Self> {
        let interval = location.map(|l| l.interval(CONFIDENCE).map(&back));
        scaled.iter().all(|v| v.is_finite()).then_some(Self {
            mean: back(location.map_or_else(|| mean(scaled), |l| Some(l.centre))?),
            lo: interval.map(|i| i.lo),
            hi: interval.map(|i| i.hi),
            sd: location.and_then(|_| sample_sd(seen)),
            n: u32::try_from(seen.len()).unwrap_or(u32::MAX),
        })
    }

    /// The same with the interval cut to the values that the quantity can have, as `(least, most)`:
    /// Student's interval of a few positive times may reach below zero. The true mean cannot lie
    /// in what is cut off, so the coverage stays. The mean itself is left alone.
    #[must_use]
    pub fn within(self, (least, most): (f64, f64)) -> Self {
        Self {
            lo: self.lo.map(|lo| lo.max(least).min(self.mean)),
            hi: self.hi.map(|hi| hi.min(most).max(self.mean)),
            ..self
        }
    }

    /// The same in a unit of which `factor` make one of this.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            mean: self.mean * factor,
            lo: self.lo.map(|lo| lo * factor),
            hi: self.hi.map(|hi| hi * factor),
            ..self
        }
    }

    pub fn interval(&self) -> Option<Interval> {
        Some(Interval {
            lo: self.lo?,
            hi: self.hi?,
        })
    }
}
