//! Flags of `tandem capacity`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use domain::plan::limits;
use metrics::limit::Objective;

use super::{BudgetFlag, NonceFlag, RequestArgs, RuntimeFlags, ServerArgs, TextFlag, folder_name};

/// Flags that define a run and cannot be given with --resume. A prompt whose text was not kept must be given
/// again.
const FIXED: &str = "model slo start max_agents precision requests_per_agent time_per_level num_predict think \
                     no_text same_prompt warmup max_failed beyond seed out name profile num_parallel cache_ram_mib faults \
                     runtime workers pin http proxy";

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A level is a number of agents that run at the same time. The exit code is 1 also when the \
                  answer is unresolved.\ndocs/capacity.md describes how a level is decided and what the \
                  answer means."
)]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetFlag,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Limits that a level must keep: ttft, ttft_scheduled, tpot, itl and e2e with _p50 to _p99 or _mean
    /// below a time, `goodput >= 95%`, `failed < 1%`; joined by `and` or commas. docs/limits.md has the
    /// grammar.
    #[arg(
        long,
        value_name = "LIMITS",
        default_value = "ttft_p95 < 2s and tpot_p95 < 80ms"
    )]
    pub(crate) slo: Objective,
    /// Highest number of agents to try.
    #[arg(long, value_name = "N", default_value = "512", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) max_agents: NonZeroU32,
    /// Agents of the first level.
    #[arg(long, value_name = "N", default_value = "1", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) start: NonZeroU32,
    /// Stop when the lowest failing level is this close to the highest passing one, as a share of the
    /// latter.
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub(crate) precision: f64,
    /// Maximum number of counted requests of each agent at a level. Without it and --time-per-level:
    /// 1,024 divided among the agents, at least 16. No level passes with fewer than 12.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::REQUESTS.parse(text))]
    pub(crate) requests_per_agent: Option<NonZeroU32>,
    /// Maximum time at a level, such as 30s; a level ends earlier once it is decided.
    #[arg(long, value_name = "TIME", value_parser = limits::wait)]
    pub(crate) time_per_level: Option<Duration>,
    /// Pause between an answer and the agent's next request, such as 200ms.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = limits::wait)]
    pub(crate) think: Duration,
    /// Do not load the model first.
    #[arg(long)]
    pub(crate) no_preload: bool,
    /// Skip the quick checks of servers and machine before the run; `tandem doctor` runs all checks.
    #[arg(long)]
    pub(crate) no_checks: bool,
    /// Warm-up requests of each agent at a level, which do not count.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=limits::REQUESTS.most_i64()))]
    pub(crate) warmup: u32,
    /// Try no higher level once more than this share of a level's requests did not complete.
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub(crate) max_failed: f64,
    /// Levels to run above the first that breaks the limits, to find where throughput stops growing.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=limits::LEVELS.most_i64()))]
    pub(crate) beyond: u32,
    /// Seed of the sampling seeds.
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
    /// Start of the new folder's name.
    #[arg(long, value_name = "NAME", default_value = "capacity", conflicts_with = "out", value_parser = folder_name)]
    pub(crate) name: String,
    /// Continue the interrupted run in this folder, with its flags.
    #[arg(long, value_name = "DIR", conflicts_with_all = FIXED.split(' '))]
    pub(crate) resume: Option<PathBuf>,
    /// Print one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    metrics::limit::share(text)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "give a share from 0 to 100%, such as 10%".to_owned())
}
