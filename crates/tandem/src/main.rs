//! The command line's measuring half: `sweep`, `run`, `load`, `capacity`, `serve`, `calibrate`,
//! `calibrate-profile`.
//!
//! This is the only place that knows every crate that measures. It does not link polars or
//! plotters, so that the first sweep on a new machine need not wait for them: reports are made by
//! `tandem-report`.

mod budget;
mod checks;
mod commands;
mod descriptors;
mod exit;
mod flags;
mod flavour;
mod folder;
mod plans;
mod process;
mod progress;
mod rows;
mod simulated;
mod stage;
mod summary;
mod target;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;

use crate::exit::{ExitStatus, Fatal};
use crate::flags::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(cli.verbose);
    descriptors::raise();
    let result = match &cli.command {
        Command::Sweep(args) => commands::sweep::sweep(args),
        Command::Run(args) => commands::sweep::run(args),
        Command::Load(args) => commands::load::load(args),
        Command::Doctor(args) => commands::doctor::doctor(args),
        Command::Capacity(args) => commands::capacity::capacity(args),
        Command::Serve(args) => commands::serve::serve(args),
        Command::Calibrate(args) => commands::calibrate::calibrate(args),
        Command::CalibrateProfile(args) => commands::calibrate_profile::calibrate(args),
        Command::Report(args) => return pass_on(args),
    };
    match result {
        Ok(status) => status.into(),
        Err(fatal) => fatal.report(),
    }
}

/// Logs go to standard error, so that standard output stays fit for machines.
fn start_logging(verbose: u8) {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;

    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .init();
}

/// Runs `tandem-report`, which stands beside this binary or on the path, as git runs its
/// subcommands.
fn pass_on(args: &[String]) -> ExitCode {
    let known = ["report", "audit", "compare"];
    let command = args.first().map_or("", String::as_str);
    if !known.contains(&command) {
        return Fatal::usage(anyhow!("no command `{command}`"))
            .hint("see `tandem --help`; report, audit and compare are passed on to tandem-report")
            .report();
    }
    let name = format!("tandem-report{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe()
        .ok()
        .map(|exe| exe.with_file_name(&name));
    let binary = beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| name.into());
    match std::process::Command::new(&binary).args(args).status() {
        Ok(status) => match status.code() {
            Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            None => ExitStatus::Interrupted.into(),
        },
        Err(error) => Fatal::environment(anyhow!("{} could not be started: {error}", binary.display()))
            .hint("build it with `cargo build --workspace --bin tandem-report`, or use `cargo xtask report`")
            .report(),
    }
}
