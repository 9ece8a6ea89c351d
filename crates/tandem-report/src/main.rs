//! `tandem-report`: turns records into reports or data files, audits published claims, compares runs.
//! See ARCHITECTURE.md.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod audit;
mod compare;
mod export;
mod report;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use document::output;
use domain::exit::{Exit, Fatal};

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    start_logging(args.verbose);
    match run(&args.command) {
        Ok(exit) => exit.into(),
        Err(fatal) => {
            // If standard error is closed, the exit code alone reports the failure.
            let _ = write!(output::stderr(), "{}", fatal.lines());
            fatal.exit().into()
        }
    }
}

fn run(command: &Command) -> Result<Exit, Fatal> {
    let mut out = output::stdout();
    let exit = match command {
        Command::Report(args) => report::run(args, &mut out),
        Command::Export(args) => export::run(args, &mut out),
        Command::Audit(args) => audit::run(args, &mut out),
        Command::Compare(args) => compare::run(args, &mut out),
    }?;
    out.flush()?;
    Ok(exit)
}

/// Logs go to standard error; `RUST_LOG` overrides `-v`.
fn start_logging(verbose: u8) {
    use tracing_subscriber::EnvFilter;

    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(output::stderr)
        .with_ansi(output::stderr().has_colours())
        .without_time()
        .init();
}
