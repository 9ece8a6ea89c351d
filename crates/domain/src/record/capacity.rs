//! `capacity.json`: the settings of a capacity run, and the decision on each level in the order they were made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::RunHeader;
use crate::plan::limits;
use crate::units::Stamp;

pub const CAPACITY_FILE: &str = "capacity.json";

/// The folder of the levels, each of which is a load's folder.
pub const LEVELS_FOLDER: &str = "levels";

/// Version of a capacity run's folder. A folder with a higher number is refused.
pub const CAPACITY_SCHEMA: u32 = 2;

/// `capacity.json`. Rewritten whole after each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityRecord {
    /// [`CAPACITY_SCHEMA`].
    pub schema: u32,
    pub header: RunHeader,
    pub asked: CapacitySettings,
    /// The levels, in the order they were run.
    pub probes: Vec<LevelRecord>,
    /// How the run ended; absent while it runs, and if it was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// The settings of a capacity run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Asked")]
pub struct CapacitySettings {
    /// The limits in their canonical form.
    pub slo: String,
    pub model: String,
    /// Most tokens of each answer.
    pub num_predict: i64,
    /// The prompt of every request; empty if its text is not kept.
    pub prompt: String,
    /// SHA-256 of the prompt, if its text is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
    /// Whether every request has exactly this prompt; otherwise each begins with a nonce.
    pub same_prompt: bool,
    /// Pause between the end of an agent's request and its next one, seconds.
    pub think_s: f64,
    /// Warm-up requests of each agent, which do not count.
    pub warmup: u32,
    pub budget: Budget,
    pub search: Search,
    /// The chance that a level is decided wrongly.
    #[serde(rename = "error")]
    pub error_probability: f64,
    /// The search stops at a level at which a greater share of the requests did not complete.
    #[serde(rename = "max_failed")]
    pub max_failed_share: f64,
    /// Root of sampling seeds. The root of nonces is in each level's header.
    pub seed: u64,
}

/// The limits after which a level is left unresolved.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Most counted requests of each agent; absent: 1,024 divided by the agents, at least 16.
    pub requests_per_agent: Option<u32>,
    /// Longest time at a level, seconds of the clock.
    pub time_per_level_s: Option<f64>,
}

impl Budget {
    /// Most counted requests at a level of `agents`.
    pub fn requests(&self, agents: u32) -> u32 {
        match self.requests_per_agent {
            Some(each) => each.saturating_mul(agents),
            // Time alone is the limit.
            None if self.time_per_level_s.is_some() => u32::MAX,
            None => 1024.max(agents.saturating_mul(16)),
        }
    }
}

/// A level that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Probe")]
pub struct LevelRecord {
    /// Its folder under `levels/`.
    pub folder: String,
    #[serde(deserialize_with = "limits::agents")]
    pub agents: u32,
    pub phase: Phase,
    pub end: LevelEnd,
    /// The window of its figures; none if it never was steady.
    pub window: Option<Window>,
    /// Counted requests at each look before the last.
    pub looks: Vec<u32>,
    pub decision: Decision,
    /// Whether more than the allowed share of its requests did not complete.
    pub failing: bool,
    /// The lower level of the same throughput, if its agents only wait longer.
    pub saturation: Option<Saturation>,
    /// Its throughput, tok/s, for readers of this file.
    pub tokens_per_s: Option<f64>,
}

/// Why a level ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LevelEnd {
    /// Its limits were decided.
    Decided,
    /// The budget was used up.
    Budget,
    /// It was stopped.
    Interrupted,
}

/// How a capacity run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "how")]
pub enum RunEnd {
    /// The search finished.
    Finished(SearchEnd),
    /// It was stopped; `--resume` continues it.
    Interrupted,
}

impl CapacityRecord {
    /// The levels as the search sees them, without those that were stopped.
    pub fn observed(&self) -> Vec<Observed> {
        let ran = |level: &&LevelRecord| level.end != LevelEnd::Interrupted;
        let levels = self.probes.iter().filter(ran);
        levels.map(LevelRecord::observed).collect()
    }
}

impl LevelRecord {
    pub fn observed(&self) -> Observed {
        Observed {
            agents: self.agents,
            // Failed requests are not carried, even if the others keep the limits.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// The first level.
    pub start: u32,
    /// No level beyond this.
    pub max_agents: u32,
    /// Bisection ends when the levels that pass and fail are no further apart than this share of the
    /// passing one, or than one agent.
    #[serde(rename = "precision")]
    pub precision_share: f64,
    /// Levels beyond the first that fails, each with twice the agents, to see where throughput
    /// ends.
    pub beyond: u32,
}

/// A level as the search sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    pub agents: u32,
    pub verdict: Verdict,
    /// Whether too many requests failed, so that no higher level is tried.
    pub failing: bool,
    /// Whether only waiting grows compared with a lower level, and throughput does not.
    pub saturated: bool,
}

/// The phase of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Search for the first level that fails.
    Doubling,
    /// Search for the boundary.
    Bisection,
    /// Levels beyond the boundary, for the course of throughput.
    Beyond,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The boundary is known to the requested precision, or as well as the data allow.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Start: every agent had ended its warm-up requests.
    pub from: Stamp,
    /// End: the outcome of every request that started earlier is known.
    pub to: Stamp,
}

impl Window {
    pub fn seconds(self) -> f64 {
        self.to.since(self.from).as_secs_f64()
    }

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

/// The verdict on a level or on one limit.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::IntoStaticStr,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// It keeps the limit.
    Pass,
    /// It breaks the limit.
    Fail,
    /// The data do not decide it.
    #[default]
    Unresolved,
}

/// The decision on a level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The level passes if it keeps every limit and fails if it breaks one.
    pub verdict: Verdict,
    /// Number of this look at the level's data, from 1.
    pub look: u32,
    /// Counted requests.
    pub requests: u32,
    pub judged: Vec<Judged>,
    /// Approximate number of further requests that would decide it; none if it is decided or too close to a limit.
    pub needs: Option<u64>,
}

/// The decision on one limit. Values are in the unit of the limited figure: seconds, or a share in 0..=1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The limit in its canonical form.
    pub limit: String,
    pub verdict: Verdict,
    /// The observed value of the limited figure: seconds, or a share in 0..=1. A percentile is that of completed
    /// requests; none without any.
    pub seen: Option<f64>,
    /// Lower end of its interval at the confidence of this look; a limit at or below it is broken. None with too
    /// few observations.
    pub seen_lo: Option<f64>,
    /// Upper end; a limit above it is kept.
    pub seen_hi: Option<f64>,
    /// The value compared with `target`: the share of observations within the limit, or the mean in seconds.
    pub statistic: Option<f64>,
    /// Lower bound of the true statistic at the confidence of this look.
    pub lo: Option<f64>,
    /// Upper bound of the true statistic at the confidence of this look.
    pub hi: Option<f64>,
    /// The value that `statistic` must reach (a share) or stay below (a mean, seconds).
    pub target: f64,
    /// Observations.
    pub n: u64,
    /// Variance over time relative to that of independent observations.
    pub design_effect: f64,
    /// Approximate number of further requests that would decide it.
    pub needs: Option<u64>,
}

/// A level whose agents only wait more than those of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saturation {
    /// The lower level's agents.
    pub from: u32,
    pub agents: u32,
    /// The level's throughput over the lower one's.
    #[serde(rename = "throughput")]
    pub throughput_ratio: f64,
    /// Upper end of its 95 % interval: below 1.05.
    #[serde(rename = "throughput_hi")]
    pub throughput_ratio_hi: f64,
    /// The level's mean end-to-end time over the lower one's.
    #[serde(rename = "e2e")]
    pub e2e_ratio: f64,
    /// Lower end of its 95 % interval: above 1.
    #[serde(rename = "e2e_lo")]
    pub e2e_ratio_lo: f64,
}
