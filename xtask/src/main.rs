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
mod circles;
mod clients;
mod delegate;
mod engine;
mod fuzz;
mod licences;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
cargo xtask COMMAND [ARGS]

Measure
  sweep      run the 19-configuration matrix of TR113 (or --plan FILE); see `sweep --help`
  run        run one configuration given by flags
  load       send a fixed number of requests and print how they were carried
  doctor     look at servers, plan and machine before a sweep, and say what is in the way
  calibrate  the client's own error: bias, jitter and cost at rising load
  capacity   find how many agents a server carries: capacity --slo 'ttft_p95 < 2s'
  serve      start the Ollama simulator on a port
  engine     a real llama.cpp server with a random model: engine up [--slots N] | down | check

Read
  report     turn the newest sweep or load, or --input PATH, into Markdown, PNG, JSON and CSV
  export     write a results folder as Parquet or CSV files: export FOLDER --out DIR
  audit      hold TR113's claims against its own data
  compare    compare two results: compare BASE NEW [--fail-if 'wall_s > +5%']

Guard
  clients    third-party clients against the simulator, and readers of an export; --conformance
             against any server
  fuzz       inputs that break a reader, with libFuzzer: fuzz [--seconds N] [TARGET...]
  ci         everything that guards the repository; --long fuzzes a minute for each input
  licences   licences, sources, banned crates and advisories, as deny.toml has them
  tidy       crate graph, circles of files, file sizes, stray files, words that do not belong
  bench      benchmarks: bench [NAME] [ARGS]; without a name, lists them
";

fn main() -> ExitCode {
    if let Some(result) = fuzz::as_wrapper() {
        return result.unwrap_or(ExitCode::FAILURE);
    }
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let asks_for_help = matches!(rest.first().map(String::as_str), Some("--help" | "-h"));
    let result: Result<ExitCode> = match command.as_str() {
        "bench" if asks_for_help => bench::run(&[]),
        "ci" | "licences" | "tidy" if asks_for_help => {
            let line = HELP.lines().find(|line| line.trim().starts_with(&command));
            out!("cargo xtask COMMAND\n\n{}", line.unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        "ci" | "licences" | "tidy" if rest.iter().any(|arg| command != "ci" || arg != "--long") => {
            say!("xtask: {command} does not take {}", rest.join(" "));
            Ok(ExitCode::from(2))
        }
        "sweep" | "run" | "load" | "capacity" | "calibrate" | "doctor" | "serve"
        | "calibrate-profile" => delegate::tandem(&command, &rest),
        "report" | "export" | "audit" | "compare" => delegate::tandem_report(&command, &rest),
        "bench" => bench::run(&rest),
        "clients" => clients::run(&rest),
        "engine" => engine::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "ci" => ci::run(rest.iter().any(|arg| arg == "--long")),
        "tidy" => tidy::run(),
        "licences" => licences::run(),
        "" | "help" | "--help" | "-h" => {
            out!("{}", HELP.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        other => {
            say!("xtask: unknown command `{other}`\n\n{HELP}");
            Ok(ExitCode::from(2))
        }
    };
    result.unwrap_or_else(|error| {
        say!("xtask: {error:#}");
        ExitCode::from(3)
    })
}
