//! Developer commands. `cargo xtask help` lists them.
//!
//! This crate depends on none of ours, so that it builds in seconds; it runs the two binaries.
//! Sweeps run in the release profile. Reports run in the dev profile, which the tests have built
//! already: polars in release takes minutes to build and saves well under a second a report.

#![warn(clippy::print_stdout, clippy::print_stderr)]

/// Writes a line to standard output. `println!` panics once its reader is gone, as with `| head`.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Writes a line to standard error, which may be closed as well.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod bench;
mod ci;
mod clients;
mod cycles;
mod delegate;
mod engine;
mod fuzz;
mod licences;
mod prose;
#[path = "../../crates/tandem/tests/commands/serving.rs"]
mod serving;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = include_str!("help/main.txt");

/// A command of this crate: its name, its help, and the function that runs it.
type Own = (
    &'static str,
    &'static str,
    fn(&[String]) -> Result<ExitCode>,
);

const OWN: [Own; 7] = [
    ("bench", bench::HELP, bench::run),
    ("ci", ci::HELP, ci::run),
    ("clients", clients::HELP, clients::run),
    ("engine", engine::HELP, engine::run),
    ("fuzz", fuzz::HELP, fuzz::run),
    ("licences", licences::HELP, licences::run),
    ("tidy", tidy::HELP, tidy::run),
];

fn main() -> ExitCode {
    if let Some(result) = fuzz::as_wrapper() {
        return result.unwrap_or(ExitCode::FAILURE);
    }
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let asks_for_help = rest.iter().any(|arg| arg == "--help" || arg == "-h");
    let print_help = |help: &str| {
        out!("{}", help.trim_end());
        Ok(ExitCode::SUCCESS)
    };
    let own = OWN.iter().find(|(name, ..)| *name == command);
    let result = match (command.as_str(), own) {
        ("" | "help" | "--help" | "-h", _) => print_help(HELP),
        (_, Some((_, help, _))) if asks_for_help => print_help(help),
        (_, Some((_, _, run))) => run(&rest),
        (
            "init" | "sweep" | "run" | "load" | "capacity" | "calibrate" | "doctor" | "serve"
            | "calibrate-profile" | "import" | "show",
            _,
        ) => delegate::tandem(&command, &rest),
        ("report" | "export" | "audit" | "compare", _) => delegate::tandem_report(&command, &rest),
        (other, _) => {
            say!("xtask: unknown command `{other}`\n\n{}", HELP.trim_end());
            Ok(ExitCode::from(2))
        }
    };
    result.unwrap_or_else(|error| {
        say!("xtask: {error:#}");
        ExitCode::from(3)
    })
}

/// Refuses arguments of a command that takes none, or not these.
#[expect(clippy::unnecessary_wraps, reason = "the result of a command")]
fn refuse(command: &str, args: &[String]) -> Result<ExitCode> {
    let args = args.join(" ");
    say!("xtask: {command} does not take {args}; see `cargo xtask {command} --help`");
    Ok(ExitCode::from(2))
}
