//! Flags of `tandem sweep` and `tandem run`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use domain::plan::limits;

use super::{BudgetFlag, NonceFlag, RuntimeFlags, ServerArgs, TextFlag};

/// Flags of `tandem sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// A shipped plan (tr113, tr110, tr113-extended, one-or-two-servers, llama-cpp) or a plan file.
    #[arg(long, default_value = "tr113", value_name = "NAME|FILE")]
    pub(crate) plan: String,
    /// Only configurations whose id matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Print the runs the plan expands to and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Finish an interrupted sweep in this folder; what is complete is not repeated. It goes on as it
    /// began: plan and seed, the simulator's settings, --admission, --benchmarks, --runtime, --workers
    /// and --pin are the folder's, and a flag that says otherwise is refused.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "plan", "only", "dry_run", "repeats", "protocol", "seed", "model", "no_text"])]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags of `tandem run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario's name, for tables.
    #[arg(long, default_value = "custom")]
    pub(crate) scenario: String,
    /// Repetitions.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=limits::REPETITIONS.most_i64()))]
    pub(crate) runs: u32,
    /// An agent's options, as `num_gpu=60,num_ctx=512,temperature=0.8`, or `default` for none; once
    /// per agent.
    #[arg(long = "agent", value_name = "OPTIONS", required = true)]
    pub(crate) agents: Vec<String>,
    /// What each agent does.
    #[arg(long, value_enum, default_value_t = Workflow::SingleCall)]
    pub(crate) workflow: Workflow,
    /// Generations of each agent, one after another.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=limits::CALLS.most_i64()))]
    pub(crate) calls: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags of both.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetFlag,
    /// How it is measured: `rigorous` runs each configuration repeatedly, in turn and together;
    /// `tr113` runs it once, together only, as TR113 did.
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<ProtocolArg>,
    /// The model, instead of the plan's.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Repetitions of each configuration, instead of the protocol's.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::REPETITIONS.parse(text))]
    pub(crate) repeats: Option<std::num::NonZeroU32>,
    /// Root of everything random but nonces, instead of the plan's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) nonce: NonceFlag,
    /// Where to write; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextFlag,
    /// Most requests in flight at once; all of them by default.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) admission: Option<std::num::NonZeroU32>,
    /// Begin without the quick look at servers and machine that warns of what would spoil the
    /// figures; `tandem doctor` is the thorough one.
    #[arg(long)]
    pub(crate) no_checks: bool,
    /// Folder of CSV files that agents with the full workflow read [default: fixtures/benchmarks].
    #[arg(long, value_name = "DIR")]
    pub(crate) benchmarks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Machine-readable: progress and summary as JSON lines on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the benchmark tables lie when no folder is named.
const DEFAULT_BENCHMARKS: &str = "fixtures/benchmarks";

impl Common {
    /// Folder of CSV files that agents with the full workflow read.
    pub(crate) fn benchmarks(&self) -> &Path {
        let default = Path::new(DEFAULT_BENCHMARKS);
        self.benchmarks.as_deref().unwrap_or(default)
    }
}

/// The protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolArg {
    /// Repeated, in turn and together, stated server state.
    Rigorous,
    /// Once, together only, server as left.
    Tr113,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workflow {
    /// One prompt in, one text out.
    SingleCall,
    /// Ingest files, analyse, report.
    Full,
}

impl Workflow {
    /// As the plan file writes it.
    pub(crate) fn as_plan(self) -> &'static str {
        match self {
            Self::SingleCall => "single_call",
            Self::Full => "full",
        }
    }
}
