//! Flags of `tandem calibrate`, and the flag that skips the calibration before a run.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use domain::plan::limits;
use domain::record::HttpClient;

use super::server::HTTP_CLIENTS;
use super::{RuntimeFlags, word_of};

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 when some streams could not be used.")]
pub(crate) struct CalibrateArgs {
    /// Concurrent streams of each load. After the last load its rate is doubled until the bias reaches
    /// 1 ms or the CPU is fully used.
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "1,32,128,500", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) streams: Vec<NonZeroU32>,
    /// Take about a second instead of half a minute: the loads of the calibration before a run.
    #[arg(long, conflicts_with = "streams")]
    pub(crate) quick: bool,
    /// The protocol.
    #[arg(long, default_value = "ollama", value_parser = word_of::<String, 2>([
        ("ollama", "Ollama's native API"),
        ("openai", "OpenAI-compatible chat completions"),
    ]))]
    pub(crate) api: String,
    /// The HTTP client that is calibrated: Tandem's own sockets (`direct`, the default) or `reqwest`.
    #[arg(long, value_parser = word_of::<HttpClient, 2>(HTTP_CLIENTS))]
    pub(crate) http: Option<HttpClient>,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Also write DIR/calibration.json; `tandem report --input DIR` makes a report of it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object on standard output. docs/calibration.md describes its keys.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flag of every command that measures real servers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BudgetFlag {
    /// Do not measure the client's own error, which takes about a second with a real server. The report
    /// then cannot state how much of it is in the figures.
    #[arg(long)]
    pub(crate) no_calibrate: bool,
}
