//! Statistics for few repetitions: estimates with honest intervals, tests, certified percentiles.
//!
//! Which method is used where, and the simulations behind the choice, are in `docs/statistics.md`.

mod certified;
mod describe;
mod estimate;
mod interval;
mod law;
mod location;
mod many;
mod outliers;

pub use certified::{printable_percentile, samples_needed};
pub(crate) use describe::percentile_by;
pub use describe::{bounds, jain, mean, median, percentile, sample_sd};
pub use estimate::Estimate;
pub(crate) use estimate::NOT_NEGATIVE;
pub(crate) use interval::t_quantile;
pub use interval::{CONFIDENCE, Interval};
pub use law::{Law, LawFit, LawKind};
pub use location::{Location, TRIMMED_FROM};
pub use many::{holm, studentized_range_p};
pub use outliers::outliers;

#[cfg(test)]
mod tests;
