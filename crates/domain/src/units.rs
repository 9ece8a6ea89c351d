//! Units of time: whole nanoseconds, monotonic, counted from the start of the sweep.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// The longest time that is read from files: nine years in nanoseconds, so that differences and sums of a few stay
/// within 63 bits.
pub const LONGEST_NS: u64 = 1 << 58;

fn plausible<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let ns = u64::deserialize(deserializer)?;
    if ns > LONGEST_NS {
        let found = Unexpected::Unsigned(ns);
        return Err(D::Error::invalid_value(
            found,
            &"at most nine years in nanoseconds",
        ));
    }
    Ok(ns)
}

/// A duration in nanoseconds. Sums saturate, because servers report durations of any length.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Nanos(#[serde(deserialize_with = "plausible")] pub u64);

impl Nanos {
    pub const ZERO: Self = Self(0);

    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// Seconds as a float, rounded to the nearest nanosecond; negative and NaN become zero.
    pub fn from_secs_f64(s: f64) -> Self {
        Self((s * 1e9).round().max(0.0) as u64)
    }

    /// Milliseconds as a float, rounded to the nearest nanosecond; negative and NaN become zero.
    pub fn from_millis_f64(ms: f64) -> Self {
        Self((ms * 1e6).round().max(0.0) as u64)
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The difference, or zero when `other` is longer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Nanos {
    fn from(d: Duration) -> Self {
        Self(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl std::iter::Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_secs_f64())
    }
}

/// A moment: nanoseconds since the sweep began, on the sweep's own clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Stamp(#[serde(deserialize_with = "plausible")] pub u64);

impl Stamp {
    /// The start of the sweep.
    pub const ZERO: Self = Self(0);

    /// Time since `earlier`, or zero when the stamps are the other way round.
    pub const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// Signed nanoseconds since `earlier`; keeps the sign that [`Stamp::since`] drops.
    pub const fn signed_since(self, earlier: Self) -> i64 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add<Nanos> for Stamp {
    type Output = Self;
    fn add(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Nanos> for Stamp {
    type Output = Self;
    fn sub(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

/// Formats a number with a fixed number of decimals and commas between thousands. A value that rounds to zero has no
/// minus sign.
pub fn plain(value: f64, decimals: usize) -> String {
    let mut text = format!("{:.decimals$}", value.abs());
    let whole = text.find('.').unwrap_or(text.len());
    let mut at = whole;
    while at > 3 {
        at -= 3;
        text.insert(at, ',');
    }
    let negative = value < 0.0 && text.contains(|c| matches!(c, '1'..='9'));
    if negative { format!("-{text}") } else { text }
}
