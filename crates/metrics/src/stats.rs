//! Statistics for few repetitions: estimates with honest intervals, tests, certified percentiles.
//!
//! Which method is used where, and the simulations behind the choice, are in `docs/statistics.md`.

mod certified;
mod describe;
mod estimate;
mod interval;
mod law;
mod location;
mod outliers;
mod range;

pub use certified::{printable_percentile, samples_needed};
pub use describe::{bounds, jain, mean, median, percentile, sample_sd};
pub(crate) use describe::{least, percentile_by};
pub use estimate::Estimate;
pub(crate) use estimate::NOT_NEGATIVE;
pub(crate) use interval::t_quantile;
pub use interval::{CONFIDENCE, Interval};
pub use law::{Law, LawFit, LawKind};
pub use location::{Location, TRIMMED_FROM};
pub use outliers::outliers;
pub use range::studentized_range_p;

#[cfg(test)]
mod tests;
