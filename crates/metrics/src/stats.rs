//! Statistics for few repetitions: estimates with honest intervals, tests, certified percentiles.
//!
//! Which method is used where, and the simulations behind the choice, are in `docs/statistics.md`.

mod bootstrap;
mod certified;
mod describe;
mod estimate;
mod interval;
mod mean_interval;
mod outliers;
mod tests_of_difference;
mod usl;

pub use certified::{printable_percentile, samples_needed};
pub(crate) use describe::percentile_by;
pub use describe::{bounds, jain, mean, median, percentile, population_sd, sample_sd};
pub use estimate::Estimate;
pub(crate) use estimate::NOT_NEGATIVE;
pub(crate) use interval::t_quantile;
pub use interval::{CONFIDENCE, Interval, student_interval, welch_interval};
pub use mean_interval::{BOOTSTRAP_FROM, log_ratio_interval, mean_interval};
pub use outliers::outliers;
pub use tests_of_difference::{holm, paired_t_test, welch_t_test};
pub use usl::{Usl, UslFit, fit_usl};

#[cfg(test)]
mod tests;
