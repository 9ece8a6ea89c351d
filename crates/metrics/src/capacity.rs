//! How many agents a server carries: limits, a rule that decides a level, the search over levels,
//! and what the levels say together. `docs/capacity.md` states the method and its limits.
//!
//! Everything here is derived from request records and a few stated choices, so that a report can
//! derive it again.

mod bound;
mod bunches;
mod decide;
mod level;
mod objective;
mod record;
mod sample;
mod scaling;
mod search;
mod watch;

pub use crate::request::LatencyFigure;
pub use decide::{Decision, Judged, Rule, Verdict};
pub use level::{Fairness, LevelFigures};
pub use objective::{Criterion, Objective, Statistic, share};
pub use record::{
    Asked, Budget, CAPACITY_FILE, CAPACITY_SCHEMA, CapacityRecord, LEVELS_FOLDER, LevelEnd, Probe,
    RunEnd, level_folder,
};
pub use sample::{Sample, Window};
pub use scaling::{Located, Saturation, Scaling};
pub use search::{Next, Observed, Phase, Search, SearchEnd};
pub use watch::{Watch, Watched};

#[cfg(test)]
mod tests;
