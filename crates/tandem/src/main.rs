//! The binary that measures: `sweep`, `run`, `load`, `doctor`, `capacity`, `serve`, `calibrate`; and shows recorded
//! sessions: `import`, `show`.
//!
//! Only this crate depends on every crate that measures. It does not link polars or plotters, whose
//! compilation would delay the first sweep on a new machine: `tandem-report` makes the reports.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod budget;
mod checks;
mod commands;
mod cpus;
mod descriptors;
mod flags;
mod flavour;
mod folder;
mod plans;
mod process;
mod progress;
mod recorded;
mod rows;
mod simulated;
mod stage;
mod summary;
mod target;
mod terminal;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use document::output;

use crate::flags::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::start_logging(cli.verbose);
    descriptors::raise();
    match commands::run(&cli.command) {
        Ok(exit) => exit.into(),
        Err(fatal) => {
            // If standard error is closed, the exit code must suffice.
            let _ = write!(output::stderr(), "{}", fatal.lines());
            fatal.exit().into()
        }
    }
}
