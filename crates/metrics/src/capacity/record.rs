//! `capacity.json`: what was asked, and each level's decision in the order they were made.

use domain::record::RunHeader;
use serde::{Deserialize, Serialize};

use super::{
    Decision, LevelFigures, Observed, Phase, Saturation, Search, SearchEnd, Verdict, Window,
};

/// What was asked, and each level's decision.
pub const CAPACITY_FILE: &str = "capacity.json";

/// The folder of the levels, each a load's folder.
pub const LEVELS_FOLDER: &str = "levels";

/// Version of a capacity run's folder. A folder with a higher number is refused.
pub const CAPACITY_SCHEMA: u32 = 2;

/// `capacity.json`. Rewritten whole after each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapacityRecord {
    /// [`CAPACITY_SCHEMA`].
    pub schema: u32,
    /// What the run says of itself.
    pub header: RunHeader,
    /// What was asked.
    pub asked: Asked,
    /// The levels, in the order they were looked at.
    pub probes: Vec<Probe>,
    /// How the run ended; absent while it runs, and when it was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// What was asked of a capacity run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The limits in their one form.
    pub slo: String,
    /// The model.
    pub model: String,
    /// Most tokens of each answer.
    pub num_predict: i64,
    /// The prompt of every request.
    pub prompt: String,
    /// Every request has this prompt as it is; otherwise each begins with a nonce.
    pub same_prompt: bool,
    /// From the end of an agent's request to its next one, seconds.
    pub think_s: f64,
    /// Requests of each agent that warm the level up and do not count.
    pub warmup: u32,
    /// Most requests that count at a level.
    pub budget: Budget,
    /// How far and how finely to search.
    pub search: Search,
    /// The chance that a level is decided wrongly.
    pub error: f64,
    /// No level is tried beyond one at which a greater share of the requests did not complete.
    pub max_failed: f64,
    /// Root of nonces and sampling seeds.
    pub seed: u64,
}

/// How much is taken at a level before it is left unresolved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Requests of each agent that count, at most; absent: as many as make 1,024 in all, at least 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_agent: Option<u32>,
    /// Time at a level, at most, seconds of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_per_level_s: Option<f64>,
}

impl Budget {
    /// Most requests that count at a level of `agents`.
    pub fn requests(&self, agents: u32) -> u32 {
        match self.requests_per_agent {
            Some(each) => each.saturating_mul(agents),
            // Time alone is the limit.
            None if self.time_per_level_s.is_some() => u32::MAX,
            None => 1024.max(agents.saturating_mul(16)),
        }
    }
}

/// A level that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its folder under `levels/`.
    pub folder: String,
    /// Its agents.
    pub agents: u32,
    /// What it was looked at for.
    pub phase: Phase,
    /// Why it ended.
    pub end: LevelEnd,
    /// The window that its figures are taken from; none when it never was steady.
    pub window: Option<Window>,
    /// Requests that counted at each look before the last.
    pub looks: Vec<u32>,
    /// The decision.
    pub decision: Decision,
    /// More than the allowed share of its requests did not complete.
    pub failing: bool,
    /// It does nothing that a lower level does not, and takes longer.
    pub saturation: Option<Saturation>,
    /// Its throughput, tok/s, for a reader of this file.
    pub tokens_per_s: Option<f64>,
}

/// Why a level ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelEnd {
    /// Its limits could be judged.
    Decided,
    /// The budget was used up.
    Budget,
    /// Somebody stopped it.
    Interrupted,
}

/// How a capacity run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "how")]
pub enum RunEnd {
    /// The search came to its end.
    Finished(SearchEnd),
    /// Somebody stopped it; `--resume` goes on.
    Interrupted,
}

impl CapacityRecord {
    /// The levels that count, as the search sees them: all but those that somebody stopped.
    pub fn observed(&self) -> Vec<Observed> {
        self.probes
            .iter()
            .filter(|p| p.end != LevelEnd::Interrupted)
            .map(Probe::observed)
            .collect()
    }
}

impl Probe {
    /// A level as its data have it. `others` are the levels looked at before.
    pub fn new(
        folder: String,
        (agents, phase, end): (u32, Phase, LevelEnd),
        looks: Vec<u32>,
        decision: Decision,
        figures: Option<&LevelFigures>,
        others: &[LevelFigures],
        max_failed: f64,
    ) -> Self {
        let failing = figures.is_some_and(|f| {
            let outcomes = &f.load.outcomes;
            let counted = outcomes.total() - outcomes.cancelled;
            let failed = counted - outcomes.completed;
            counted > 0 && f64::from(failed) > max_failed * f64::from(counted)
        });
        Self {
            folder,
            agents,
            phase,
            end,
            window: figures.map(|f| f.window),
            looks,
            decision,
            failing,
            saturation: figures.and_then(|f| Saturation::of(f, others)),
            tokens_per_s: figures.map(|f| f.tokens_per_s.mean),
        }
    }

    /// As the search sees it.
    pub fn observed(&self) -> Observed {
        Observed {
            agents: self.agents,
            // A server that fails its requests does not carry them, whatever the limits say.
            verdict: if self.failing {
                Verdict::Fail
            } else {
                self.decision.verdict
            },
            failing: self.failing,
            saturated: self.saturation.is_some(),
        }
    }
}

/// The name of a level's folder: `0003-agents-4`.
pub fn level_folder(place: usize, agents: u32) -> String {
    format!("{place:04}-agents-{agents}")
}
