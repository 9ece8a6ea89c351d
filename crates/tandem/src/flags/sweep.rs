//! Flags of the commands on plans: `tandem init`, `doctor`, `sweep` and `run`.

use std::path::{Path, PathBuf};

use clap::Args;
use domain::plan::{ProtocolKind, limits};

use super::{BudgetFlag, NonceFlag, RuntimeFlags, ServerArgs, TextFlag, word_of};

const INIT_HELP: &str = "\
Run the plan with `tandem sweep --plan FILE`, or try it without a server with --simulate.
docs/plans.md describes every key.

The exit code is 2 when the file exists already, 3 when it cannot be written.";

const DOCTOR_HELP: &str = "\
Without --endpoint the server is OLLAMA_HOST, else 127.0.0.1:11434; the simulator is used only with
--simulate. To find how many requests a server decodes at the same time (its slots), the doctor sends a
few short ones with the options of the plan's largest configuration. That loads the model; a model that
was not loaded before is unloaded again.

The exit code is 1 when something would distort or stop a sweep, 3 when a server cannot be reached.";

const TERMS: &str = "\
A configuration is a set of agents with their options. An arm runs its agents once: `sequential` one after
another, `together` all at the same time. The speedup compares the two arms of a repetition.";

#[derive(Debug, Args)]
#[command(after_help = INIT_HELP)]
pub(crate) struct InitArgs {
    /// The file to write. A file that exists is never overwritten.
    #[arg(value_name = "FILE", default_value = "plan.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The plan to check: a shipped one or a plan file.
    #[arg(long, default_value = "tr113", value_name = "NAME|FILE")]
    pub(crate) plan: String,
    /// Only configurations whose id matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// The model, instead of the plan's.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Do not send generation requests, and load no model.
    #[arg(long)]
    pub(crate) no_probe: bool,
    /// The folder for results; only its free space is checked.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Print one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = TERMS)]
pub(crate) struct SweepArgs {
    /// A shipped plan (tr113, tr110, tr113-extended, one-or-two-servers, llama-cpp) or a plan file.
    #[arg(long, default_value = "tr113", value_name = "NAME|FILE")]
    pub(crate) plan: String,
    /// Only configurations whose id matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Print the arms of the plan in running order and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Finish the interrupted sweep in this folder; complete arms are not repeated. Plan, seed, simulator
    /// settings, --admission, --benchmarks, --runtime, --workers and --pin are taken from the folder, and
    /// a flag with another value is refused.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "plan", "only", "dry_run", "repeats", "protocol", "seed", "model", "no_text"])]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = TERMS)]
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
    /// The work of each agent.
    #[arg(long, default_value = "single-call", value_parser = word_of::<String, 2>([
        ("single-call", "One prompt in, one text out"),
        ("full", "Ingest files, analyse, report"),
    ]))]
    pub(crate) workflow: String,
    /// Requests of each agent, one after another.
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
    /// Protocol of the measurement: `rigorous` runs each configuration repeatedly, sequentially and
    /// together; `tr113` runs it once, together only, as TR113 did.
    #[arg(long, value_parser = word_of::<ProtocolKind, 2>([
        ("rigorous", "Repeated, sequentially and together, from a defined server state"),
        ("tr113", "Once, together only, from the server's current state"),
    ]))]
    pub(crate) protocol: Option<ProtocolKind>,
    /// The model, instead of the plan's.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Repetitions of each configuration, instead of the protocol's.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::REPETITIONS.parse(text))]
    pub(crate) repeats: Option<std::num::NonZeroU32>,
    /// Random seed, instead of the plan's. The nonces of prompts do not depend on it.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) nonce: NonceFlag,
    /// Where to write; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextFlag,
    /// Maximum number of requests in flight; unlimited by default.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) admission: Option<std::num::NonZeroU32>,
    /// Skip the quick checks of servers and machine before the run; `tandem doctor` runs all checks.
    #[arg(long)]
    pub(crate) no_checks: bool,
    /// Folder of CSV files that agents with the full workflow read [default: fixtures/benchmarks].
    #[arg(long, value_name = "DIR")]
    pub(crate) benchmarks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Print progress and summary as JSON lines on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Common {
    pub(crate) fn benchmarks(&self) -> &Path {
        let default = Path::new("fixtures/benchmarks");
        self.benchmarks.as_deref().unwrap_or(default)
    }
}
