//! Flags of `tandem doctor`.

use clap::Args;

use super::ServerArgs;

const HELP: &str = "\
Without --endpoint the server is OLLAMA_HOST, else 127.0.0.1:11434; the simulator is used only with
--simulate. To find how many requests a server decodes at the same time (its slots), the doctor sends a
few short ones with the options of the plan's largest configuration. That loads the model; a model that
was not loaded before is unloaded again.

The exit code is 1 when something would distort or stop a sweep, 3 when a server cannot be reached.";

/// Flags of `tandem doctor`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
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
    pub(crate) out: std::path::PathBuf,
    /// Print one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
