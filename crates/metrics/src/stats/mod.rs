//! Statistics for few repetitions: estimates with honest intervals, tests, certified percentiles.
//!
//! Which method is used where, and the simulations behind the choice, are in `docs/statistics.md`.

mod estimate;

pub use estimate::Estimate;
