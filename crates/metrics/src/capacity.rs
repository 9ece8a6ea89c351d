//! How many agents a server carries; `docs/capacity.md` states the method and its limits. Everything is derived from
//! request records and a few stated choices, so that a report can derive it again.

mod bound;
mod bunches;
mod decide;
mod level;
mod probe;
mod sample;
mod scaling;
pub mod search;
mod watch;

pub use crate::limit::{Criterion, Objective, Statistic};
pub use crate::request::LatencyFigure;
pub use decide::Rule;
pub use level::{Fairness, LevelFigures};
pub use probe::probe;
pub use sample::{Sample, steady_window};
pub use scaling::{Course, Scaling, ScalingEstimate, saturation};
pub use search::Next;
pub use watch::{Watch, Watched};

#[cfg(test)]
mod tests;
