//! Flags of `tandem doctor`.

use clap::Args;

use super::ServerArgs;

/// What `--help` says below the flags.
const HELP: &str = "\
Without --endpoint it looks at OLLAMA_HOST, else at 127.0.0.1:11434, and never falls back to the
simulator. To learn how many requests a server decodes at the same time it sends it a few short
ones, with the options of the plan's largest configuration; that loads the model, and a model that
was not loaded before is unloaded again.

The exit code is 1 when something would spoil or stop a sweep, 3 when a server cannot be reached.";

/// Flags of `tandem doctor`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The plan that is to be run: a shipped one or a plan file.
    #[arg(long, default_value = "tr113", value_name = "NAME|FILE")]
    pub(crate) plan: String,
    /// Only configurations whose id matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// The model, instead of the plan's.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Send no request that generates, and load nothing.
    #[arg(long)]
    pub(crate) no_probe: bool,
    /// Where results are to go; only the free space there is looked at.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: std::path::PathBuf,
    /// Machine-readable: one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
