//! What was typed. Nothing here reads files or the network.

use std::path::{Path, PathBuf};

use crate::commands::calibrate::{BudgetFlag, CalibrateArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::flavour::RuntimeFlags;

/// Does running agents concurrently really pay, on this server, with these options?
///
/// Exit codes: 0 done; 1 done, but some requests or arms failed; 2 wrong usage or plan;
/// 3 the environment is not ready (no server, no model, disk full); 130 interrupted (Ctrl-C or
/// SIGTERM).
#[derive(Debug, Parser)]
#[command(name = "tandem", version, propagate_version = true)]
#[command(after_help = "report, audit and compare are passed on to tandem-report")]
pub(crate) struct Cli {
    /// More log lines: -v info, -vv debug, -vvv trace. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plan: the 19 configurations of TR113 by default.
    Sweep(SweepArgs),
    /// Run one configuration given by flags.
    Run(RunArgs),
    /// Send a fixed number of requests to a server and print how it carried them.
    Load(crate::commands::load::LoadArgs),
    /// Look at servers, plan and machine before a sweep, and say what is in the way.
    Doctor(crate::commands::doctor::DoctorArgs),
    /// Find how many agents a server carries under limits on its latencies.
    Capacity(crate::commands::capacity::CapacityArgs),
    /// Serve the Ollama simulator on a port, for any client.
    Serve(ServeArgs),
    /// Measure the client's own error: how late its stamps are, at rising load, and what it costs.
    Calibrate(CalibrateArgs),
    /// Fit a simulator profile to recorded runs and print the fit error of each quantity.
    CalibrateProfile(CalibrateProfileArgs),
    /// Reports, audits and comparisons are `tandem-report`'s; this passes them on.
    #[command(external_subcommand)]
    Report(Vec<String>),
}

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
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "plan", "only", "dry_run", "repeats", "protocol", "seed", "model"])]
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
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) runs: u32,
    /// An agent's options, as `num_gpu=60,num_ctx=512,temperature=0.8`, or `default` for none; once
    /// per agent.
    #[arg(long = "agent", value_name = "OPTIONS", required = true)]
    pub(crate) agents: Vec<String>,
    /// What each agent does.
    #[arg(long, value_enum, default_value_t = Workflow::SingleCall)]
    pub(crate) workflow: Workflow,
    /// Generations of each agent, one after another.
    #[arg(long, value_name = "N", default_value_t = 1)]
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
    #[arg(long, value_name = "N")]
    pub(crate) repeats: Option<std::num::NonZeroU32>,
    /// Root of everything random, instead of the plan's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Where to write; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Most requests in flight at once; all of them by default.
    #[arg(long, value_name = "N")]
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

/// What each request of a load asks for.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// The model.
    #[arg(long, value_name = "NAME", default_value = "gemma3:latest")]
    pub(crate) model: String,
    /// Most tokens of each answer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) num_predict: i64,
    /// The prompt of every request.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Explain in a few plain paragraphs how a computer runs several programs at once."
    )]
    pub(crate) prompt: String,
    /// Send the same prompt every time. Without it each begins with a nonce, so that a prefix
    /// cache helps none of them.
    #[arg(long)]
    pub(crate) same_prompt: bool,
}

/// A name that can begin a folder's.
pub(crate) fn folder_name(text: &str) -> Result<String, String> {
    domain::plan::ConfigId::new(text)
        .map(|id| id.as_str().to_owned())
        .ok_or_else(|| "use letters, digits, `.`, `_` and `-`".to_owned())
}

/// Which server, and how the simulator behaves where it stands in for one.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// A server; repeat it for one server per agent. Without it: OLLAMA_HOST, else
    /// 127.0.0.1:11434, else the simulator.
    #[arg(long = "endpoint", value_name = "URL")]
    pub(crate) endpoints: Vec<String>,
    /// What the servers speak: once for all of them, or once for each in the order of --endpoint.
    /// `auto`, the default, asks: Ollama's own API first, then an OpenAI-compatible one (llama.cpp,
    /// vLLM, SGLang, LM Studio). The latter take a key from TANDEM_API_KEY.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) api: Vec<ApiArg>,
    /// Use the embedded simulator even when a server is there.
    #[arg(long, conflicts_with_all = ["endpoints", "no_simulate"])]
    pub(crate) simulate: bool,
    /// A missing server is an error.
    #[arg(long)]
    pub(crate) no_simulate: bool,
    /// Simulated seconds per real second; `max` skips every wait. Recorded durations are in
    /// simulated time either way and do not depend on it.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub(crate) time_scale: TimeScaleArg,
    /// The simulator's profile: a shipped one (rtx4080-laptop, instant) or a file [default:
    /// rtx4080-laptop].
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// Slots per loaded model on the simulator (OLLAMA_NUM_PARALLEL), instead of the profile's.
    #[arg(long, value_name = "N")]
    pub(crate) num_parallel: Option<u32>,
    /// Faults on the simulator: a file of rules, or `KIND=RATE` such as `reset-mid-token=0.05`;
    /// may be repeated.
    #[arg(long = "fault", value_name = "FILE|KIND=RATE")]
    pub(crate) faults: Vec<String>,
    /// Write what the simulator really did, as JSONL: what reached it, what it sent, reloads.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["endpoints", "no_simulate"])]
    pub(crate) simulator_log: Option<PathBuf>,
}

/// The simulator's profile when none is named.
const DEFAULT_PROFILE: &str = "rtx4080-laptop";

/// Where the benchmark tables lie when nobody says.
const DEFAULT_BENCHMARKS: &str = "fixtures/benchmarks";

impl ServerArgs {
    /// The simulator's profile: a shipped one or a file.
    pub(crate) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(DEFAULT_PROFILE)
    }
}

impl Common {
    /// Folder of CSV files that agents with the full workflow read.
    pub(crate) fn benchmarks(&self) -> &Path {
        let default = Path::new(DEFAULT_BENCHMARKS);
        self.benchmarks.as_deref().unwrap_or(default)
    }
}

/// Flags of `tandem serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A shipped profile (rtx4080-laptop, instant) or a file.
    #[arg(long, value_name = "NAME|FILE", default_value = "rtx4080-laptop")]
    pub(crate) profile: String,
    /// Port; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 11434)]
    pub(crate) port: u16,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub(crate) host: std::net::IpAddr,
    /// Servers on one simulated GPU, on consecutive ports.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) servers: u16,
    /// Root of everything random, instead of the profile's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Slots per loaded model, instead of the profile's.
    #[arg(long, value_name = "N")]
    pub(crate) num_parallel: Option<u32>,
    /// Behave like this Ollama release (0.11.4 and before: every request queues in one FIFO).
    #[arg(long, value_name = "X.Y.Z")]
    pub(crate) ollama_version: Option<String>,
    /// Simulated seconds per real second.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Faults: a plan file, or `KIND=RATE` such as `reset-mid-token=0.05`; may be repeated.
    #[arg(long = "fault", value_name = "FILE|KIND=RATE")]
    pub(crate) faults: Vec<String>,
    /// Also write what the simulator really did to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// Flags of `tandem calibrate-profile`.
#[derive(Debug, Args)]
pub(crate) struct CalibrateProfileArgs {
    /// Recorded runs: a figures table (CSV) such as fixtures/tr113/recorded.csv, or a results
    /// folder; may be repeated. Runs with a server for each agent fit what sharing a device costs.
    #[arg(long, value_name = "PATH", required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// The model, instead of the profile's first.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// The profile to start from.
    #[arg(long, value_name = "NAME|FILE", default_value = "rtx4080-laptop")]
    pub(crate) profile: String,
    /// Write the fitted profile here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiArg {
    /// Ask it.
    Auto,
    /// Ollama's native API.
    Ollama,
    /// OpenAI-compatible chat completions.
    Openai,
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

/// `--time-scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TimeScaleArg {
    /// Skip every wait.
    Max,
    /// So many simulated seconds per real second.
    Times(f64),
}

impl std::str::FromStr for TimeScaleArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() && n > 0.0 => Ok(Self::Times(n)),
            _ => Err(
                "give a number above zero (60 = a simulated minute a second) or `max`".to_owned(),
            ),
        }
    }
}
