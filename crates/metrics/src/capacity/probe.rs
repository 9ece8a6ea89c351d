//! A level that was looked at, as its record has it.

use domain::record::capacity::{Decision, LevelEnd, LevelRecord, Phase};

use super::LevelFigures;
use super::scaling::saturation;

/// A level as its data have it. `others` are the levels looked at before.
pub fn probe(
    folder: String,
    (agents, phase, end): (u32, Phase, LevelEnd),
    looks: Vec<u32>,
    decision: Decision,
    figures: Option<&LevelFigures>,
    others: &[LevelFigures],
    max_failed_share: f64,
) -> LevelRecord {
    let failing = figures.is_some_and(|f| {
        let outcomes = &f.load.outcomes;
        let counted = outcomes.total() - outcomes.cancelled;
        let failed = counted - outcomes.completed;
        counted > 0 && f64::from(failed) > max_failed_share * f64::from(counted)
    });
    LevelRecord {
        folder,
        agents,
        phase,
        end,
        window: figures.map(|f| f.window),
        looks,
        decision,
        failing,
        saturation: figures.and_then(|f| saturation(f, others)),
        tokens_per_s: figures.map(|f| f.tokens_per_s.mean),
    }
}
