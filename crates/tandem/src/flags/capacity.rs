//! Flags of `tandem capacity`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use domain::plan::limits;
use metrics::limit::Objective;

use super::{BudgetFlag, NonceFlag, RequestArgs, RuntimeFlags, ServerArgs, TextFlag, folder_name};

/// What a run was asked when it began, the simulator with it: none of it can change on the way. A prompt
/// whose text was not kept is given again.
const ASKED: [&str; 25] = [
    "model",
    "slo",
    "start",
    "max_agents",
    "precision",
    "requests_per_agent",
    "time_per_level",
    "num_predict",
    "think",
    "no_text",
    "same_prompt",
    "warmup",
    "max_failed",
    "beyond",
    "seed",
    "out",
    "name",
    "profile",
    "num_parallel",
    "faults",
    "runtime",
    "workers",
    "pin",
    "http",
    "proxy",
];

/// Flags of `tandem capacity`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The exit code is 1 when the answer is unresolved, too.\n\
                  docs/capacity.md says how a level is decided and what the answer means."
)]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetFlag,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// What a level must keep: ttft, ttft_scheduled, tpot, itl and e2e with _p50 to _p99 or _mean
    /// below a time, `goodput >= 95%`, `failed < 1%`; joined by `and` or commas. docs/limits.md has the
    /// grammar.
    #[arg(
        long,
        value_name = "LIMITS",
        default_value = "ttft_p95 < 2s and tpot_p95 < 80ms"
    )]
    pub(crate) slo: Objective,
    /// Look no further than this many agents.
    #[arg(long, value_name = "N", default_value = "512", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) max_agents: NonZeroU32,
    /// Agents of the first level.
    #[arg(long, value_name = "N", default_value = "1", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) start: NonZeroU32,
    /// How close the levels that pass and fail must come: a share of the passing one.
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub(crate) precision: f64,
    /// Most requests of each agent that count at a level; without it and --time-per-level as many as
    /// make 1,024 in all, at least 16. No level passes with fewer than 12.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::REQUESTS.parse(text))]
    pub(crate) requests_per_agent: Option<NonZeroU32>,
    /// Most time at a level, such as 30s; a level that is decided sooner ends sooner.
    #[arg(long, value_name = "TIME", value_parser = limits::wait)]
    pub(crate) time_per_level: Option<Duration>,
    /// From the end of an agent's request to its next one, such as 200ms.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = limits::wait)]
    pub(crate) think: Duration,
    /// Do not load the model first.
    #[arg(long)]
    pub(crate) no_preload: bool,
    /// Begin without the quick look at servers and machine that warns of what would spoil the
    /// figures; `tandem doctor` is the thorough one.
    #[arg(long)]
    pub(crate) no_checks: bool,
    /// Requests of each agent that warm a level up and do not count.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=limits::REQUESTS.most_i64()))]
    pub(crate) warmup: u32,
    /// Try no level beyond one at which more than this share of the requests did not complete.
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub(crate) max_failed: f64,
    /// Levels beyond the first that breaks the limits, to see where throughput ends.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=limits::LEVELS.most_i64()))]
    pub(crate) beyond: u32,
    /// Root of sampling seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) nonce: NonceFlag,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Where to write; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextFlag,
    /// The beginning of the new folder's name.
    #[arg(long, value_name = "NAME", default_value = "capacity", conflicts_with = "out", value_parser = folder_name)]
    pub(crate) name: String,
    /// Go on with the interrupted run in this folder, with what was asked of it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ASKED)]
    pub(crate) resume: Option<PathBuf>,
    /// Machine-readable: one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    metrics::limit::share(text)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "give a share from 0 to 100%, such as 10%".to_owned())
}
