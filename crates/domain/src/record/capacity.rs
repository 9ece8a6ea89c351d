//! `capacity.json`: what was asked, and each level's decision in the order they were made.

use serde::{Deserialize, Serialize};

use super::RunHeader;
use crate::plan::limits;
use crate::units::Stamp;

/// What was asked, and each level's decision.
pub const CAPACITY_FILE: &str = "capacity.json";

/// The folder of the levels, each a load's folder.
pub const LEVELS_FOLDER: &str = "levels";

/// Version of a capacity run's folder. A folder with a higher number is refused.
pub const CAPACITY_SCHEMA: u32 = 2;

/// `capacity.json`. Rewritten whole after each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asked {
    /// The limits in their one form.
    pub slo: String,
    /// The model.
    pub model: String,
    /// Most tokens of each answer.
    pub num_predict: i64,
    /// The prompt of every request; empty where its text is not kept.
    pub prompt: String,
    /// SHA-256 of the prompt, where its text is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
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
    /// Root of sampling seeds; nonces have that of each level's header.
    pub seed: u64,
}

/// How much is taken at a level before it is left unresolved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Probe {
    /// Its folder under `levels/`.
    pub folder: String,
    /// Its agents.
    #[serde(deserialize_with = "limits::agents")]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// How far and how finely to search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Search {
    /// The first level.
    pub start: u32,
    /// No level beyond this.
    pub max_agents: u32,
    /// Bisection ends when the levels that pass and fail are no further apart than this share of the
    /// passing one, or than one agent.
    pub precision: f64,
    /// Levels beyond the first that fails, each with twice the agents, to see where throughput
    /// ends.
    pub beyond: u32,
}

/// A level that was looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Its agents.
    pub agents: u32,
    /// What the data say.
    pub verdict: Verdict,
    /// Too many requests failed: no level beyond it is tried.
    pub failing: bool,
    /// Throughput does not grow any more and waiting does, against a lower level.
    pub saturated: bool,
}

/// What a level is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// For the first level that fails.
    Doubling,
    /// For the boundary.
    Bisection,
    /// For the course of throughput beyond it.
    Beyond,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The boundary is known as finely as was asked, or as the data allow.
    Bracketed,
    /// Not even the least level passes.
    NoneCarried,
    /// No level up to the most agents fails.
    MostAgents,
    /// No level fails, and throughput does not grow any more.
    Saturated,
    /// No level breaks its limits, and too many requests failed.
    Failing,
}

/// The stretch of time in which a level was steady: `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// Every agent had ended its warm-up requests.
    pub from: Stamp,
    /// Every request that began before this is known to its end.
    pub to: Stamp,
}

impl Window {
    /// Its length, seconds.
    pub fn seconds(self) -> f64 {
        self.to.since(self.from).as_secs_f64()
    }

    /// True for a moment in it.
    pub fn holds(self, at: Stamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Which of `count` equal blocks of it a moment lies in.
    pub fn block(self, at: Stamp, count: u64) -> usize {
        let length = self.to.since(self.from).0.max(1);
        let into = u128::from(at.since(self.from).0) * u128::from(count) / u128::from(length);
        (into as u64).min(count - 1) as usize
    }
}

/// What the data say of a level or of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It keeps the limit.
    Pass,
    /// It breaks the limit.
    Fail,
    /// The data cannot say.
    Unresolved,
}

/// A level, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decision {
    /// Of the level: it passes when it keeps every limit and fails when it breaks one.
    pub verdict: Verdict,
    /// Which look at the level's data this was, from 1.
    pub look: u32,
    /// Requests that counted.
    pub requests: u32,
    /// Each limit.
    pub judged: Vec<Judged>,
    /// About so many more requests would decide it, if they are like those seen; none when it is
    /// decided, or too close to a limit to be told.
    pub needs: Option<u64>,
}

/// One limit, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Judged {
    /// The limit in its one form.
    pub limit: String,
    /// What the data say of it.
    pub verdict: Verdict,
    /// The limited figure as it was seen: seconds, or a share in 0..=1. For a percentile of completed
    /// requests; none without any.
    pub seen: Option<f64>,
    /// Lower end of its interval, at the confidence of this look: a limit that does not lie above it is
    /// broken. None where so few observations give none.
    pub seen_lo: Option<f64>,
    /// Upper end: a limit that lies above it is kept.
    pub seen_hi: Option<f64>,
    /// What is compared with `target`: the share of observations within the limit, or the mean.
    pub statistic: Option<f64>,
    /// The true value lies above this, at the confidence of this look.
    pub lo: Option<f64>,
    /// The true value lies below this, at the confidence of this look.
    pub hi: Option<f64>,
    /// What `statistic` must reach (a share) or stay below (a mean, seconds).
    pub target: f64,
    /// Observations.
    pub n: u64,
    /// How many times more they scatter over time than independent ones would.
    pub design_effect: f64,
    /// About so many more requests would decide it.
    pub needs: Option<u64>,
}

impl Decision {
    /// Of a level that never was steady.
    pub fn unknown() -> Self {
        Self {
            verdict: Verdict::Unresolved,
            look: 0,
            requests: 0,
            judged: Vec::new(),
            needs: None,
        }
    }
}

/// A level whose agents only wait more than those of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Saturation {
    /// The lower level's agents.
    pub from: u32,
    /// The level's agents.
    pub agents: u32,
    /// The level's throughput over the lower one's.
    pub throughput: f64,
    /// Upper end of its 95 % interval: below 1.05.
    pub throughput_hi: f64,
    /// The level's mean end-to-end time over the lower one's.
    pub e2e: f64,
    /// Lower end of its 95 % interval: above 1.
    pub e2e_lo: f64,
}
