//! Flags of `tandem init`.

use std::path::PathBuf;

use clap::Args;

const HELP: &str = "\
Run the plan with `tandem sweep --plan FILE`, or try it without a server with --simulate.
docs/plans.md describes every key.

The exit code is 2 when the file exists already, 3 when it cannot be written.";

/// Flags of `tandem init`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct InitArgs {
    /// The file to write. A file that exists is never overwritten.
    #[arg(value_name = "FILE", default_value = "plan.toml")]
    pub(crate) file: PathBuf,
}
