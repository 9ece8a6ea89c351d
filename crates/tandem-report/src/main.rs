//! `tandem-report`: turns records into reports, audits published claims, compares two sets of data.
//! See ARCHITECTURE.md.

mod args;
mod audit;
mod compare;
mod exit;
mod report;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let args = Args::parse();
    logs(args.verbose);
    let mut out = std::io::stdout().lock();
    let result = match &args.command {
        Command::Report(args) => report::run(args, &mut out),
        Command::Audit(args) => audit::run(args, &mut out),
        Command::Compare(args) => compare::run(args, &mut out),
    };
    match result.and_then(|exit| out.flush().map(|()| exit).map_err(Failure::from)) {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            failure.exit.into()
        }
    }
}

/// Logs go to standard error; `RUST_LOG` overrules `-v`.
fn logs(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(
            std::env::var_os("NO_COLOR").is_none()
                && std::io::IsTerminal::is_terminal(&std::io::stderr()),
        )
        .without_time()
        .init();
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
