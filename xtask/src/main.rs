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
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
Usage: cargo xtask COMMAND [ARGS]; `cargo xtask COMMAND --help` describes a command and its flags

Measure (the binary tandem, release profile)
  init       write a commented plan file to start from: init [FILE]
  sweep      run the 19-configuration matrix of TR113, or --plan FILE
  run        run one configuration given by flags
  load       send a fixed number of requests and report latency and throughput
  capacity   find how many agents a server can run within latency limits
  doctor     check servers, plan and machine before a sweep, and say how to fix what is wrong
  calibrate  measure the client's own error: bias, jitter and cost at rising load
  calibrate-profile  fit a simulator profile to recorded runs
  serve      start the Ollama simulator on a port
  engine     start, stop or check a real llama.cpp server with a random model

Read (the binary tandem-report, dev profile)
  report     turn the newest results, or --input PATH, into Markdown, PNG, JSON and CSV
  export     write a results folder as Parquet or CSV files: export FOLDER --out DIR
  audit      check TR113's claims against its own data
  compare    compare two results and apply gates: compare BASE NEW [--fail-if 'wall_s > +5%']

Guard the repository
  ci         run every check below, the tests, clippy and the committed reports
  tidy       check crate graph, import cycles, file sizes, stray files and machine paths
  licences   check licences, sources, banned crates and advisories against deny.toml
  clients    run third-party clients and readers of exports, or the conformance suite against a server
  fuzz       search for inputs that break a reader, with libFuzzer
  bench      run a benchmark; without a name, list them
";

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
            | "calibrate-profile",
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
