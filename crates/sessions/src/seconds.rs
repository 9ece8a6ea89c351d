//! Times in files: seconds, read once into whole nanoseconds.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use domain::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time of zero or more and at most [`Seconds::LATEST`]; a sum may be longer. Files have it in seconds.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(Nanos);

impl Seconds {
    pub const ZERO: Self = Self(Nanos::ZERO);
    /// A year, the most for a gap or a call. A longer time is a sign of a wrong unit.
    pub const LONGEST: Self = Self(Nanos::from_secs(366 * 24 * 3600));
    /// A hundred years, the most for the start of a session: recordings of different years may be in one file.
    pub const LATEST: Self = Self(Nanos::from_secs(100 * 366 * 24 * 3600));

    /// The time from `earlier` to `later`, both in nanoseconds on one clock; zero when they are the other way round.
    pub fn between(earlier: i64, later: i64) -> Self {
        Self(Nanos(later.saturating_sub(earlier).max(0).unsigned_abs()))
    }

    pub fn get(self) -> f64 {
        self.0.as_secs_f64()
    }

    pub fn nanos(self) -> i64 {
        i64::try_from(self.0.0).unwrap_or(i64::MAX)
    }

    /// This time's share of a whole; `None` when the whole is zero.
    pub fn share_of(self, whole: Self) -> Option<f64> {
        (whole > Self::ZERO).then(|| self.get() / whole.get())
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(s: f64) -> Result<Self, String> {
        if (0.0..=Self::LATEST.get()).contains(&s) {
            return Ok(Self(Nanos::from_secs_f64(s)));
        }
        let most = Self::LATEST.get();
        Err(format!("{s} is no time; give 0 to {most} seconds"))
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> Self {
        seconds.get()
    }
}

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Seconds {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Seconds {
    fn sum<I: Iterator<Item = Self>>(times: I) -> Self {
        times.fold(Self::ZERO, Add::add)
    }
}
