//! Flags of `tandem load`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use metrics::load::Slo;
use runtime::load::Rate;

use crate::args::ServerArgs;
use crate::flavour::RuntimeFlags;

/// Flags of `tandem load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The model.
    #[arg(long, value_name = "NAME", default_value = "gemma3:latest")]
    pub(crate) model: String,
    /// Agents. Closed loop: each sends its next request when its last one has ended; 8 when not
    /// given. With --rate: the most requests in flight; no limit when not given.
    #[arg(long, value_name = "N")]
    pub(crate) agents: Option<NonZeroU32>,
    /// Requests in all.
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) requests: NonZeroU32,
    /// Most tokens of each answer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) num_predict: i64,
    /// Open loop: requests start at so many per second, whatever became of those before them.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// How the starts of an open loop are spread.
    #[arg(long, value_enum, default_value_t = ArrivalsArg::Constant, requires = "rate")]
    pub(crate) arrivals: ArrivalsArg,
    /// Closed loop: from the end of an agent's request to its next one, such as 200ms.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with = "rate")]
    pub(crate) think: Duration,
    /// Limits that a request must keep to count as good, such as `ttft<2s,tpot<80ms`; of ttft,
    /// ttft_scheduled, tpot and e2e.
    #[arg(long, value_name = "LIMITS")]
    pub(crate) slo: Option<Slo>,
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
    /// Do not load the model first: the first requests wait for it.
    #[arg(long)]
    pub(crate) no_preload: bool,
    /// Root of arrivals, nonces and sampling seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What becomes of what was measured.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Where to write each request and the figures; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The beginning of the new folder's name.
    #[arg(long, value_name = "NAME", default_value = "load", conflicts_with = "out", value_parser = folder_name)]
    pub(crate) name: String,
    /// Write nothing: the figures are printed and no request is kept.
    #[arg(long, conflicts_with_all = ["out", "name"])]
    pub(crate) no_record: bool,
    /// Machine-readable: one JSON object on standard output. docs/load.md has its keys.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arrival processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalsArg {
    /// Equal gaps.
    Constant,
    /// Independent, exponentially distributed gaps.
    Poisson,
}

fn rate(text: &str) -> Result<Rate, String> {
    text.parse()
        .ok()
        .and_then(Rate::new)
        .ok_or_else(|| "give a number above zero".to_owned())
}

/// A name that can begin a folder's.
fn folder_name(text: &str) -> Result<String, String> {
    domain::plan::ConfigId::new(text)
        .map(|id| id.as_str().to_owned())
        .ok_or_else(|| "use letters, digits, `.`, `_` and `-`".to_owned())
}
