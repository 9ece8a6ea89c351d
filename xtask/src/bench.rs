//! The benchmarks. Performance claims come from here.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::clients;
use crate::delegate::{cargo, exit, root, succeeds};

pub(crate) const HELP: &str = include_str!("help/bench.txt");

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = args.split_first() else {
        out!("{}", HELP.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = match name.as_str() {
        // As the binary is released. The other targets need polars or are small: optimising polars as a whole takes
        // longer than it could save.
        "stream" | "memory" | "startup" | "peers" => {
            target("client", &["--profile", "dist", "--", name])
        }
        "report" | "analyse" | "decode" => target(name, &["--"]),
        "simulator" => target("streams", &["--"]),
        "telemetry" => target("sampling", &["--"]),
        "soak" => tests("soak::", "TANDEM_SOAK_HOURS", "24"),
        "gates" => tests("gates::", "TANDEM_GATE_TRIALS", "1000"),
        "validate" => study("speedup"),
        "laws" | "capacity" => study(name),
        _ => {
            say!("xtask: no benchmark `{name}`; `cargo xtask bench` lists them");
            return Ok(ExitCode::from(2));
        }
    };
    command.args(rest);
    if name == "peers" {
        command.args(httpx());
    }
    succeeds(&mut command).map(exit)
}

/// Runs a benchmark target.
fn target(name: &str, args: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["bench", "--locked", "--workspace", "--bench", name]);
    command.args(args);
    command
}

/// Runs a study: `studies` is an example of the crate `metrics`.
fn study(name: &str) -> Command {
    let mut command = cargo();
    command.args(["run", "--release", "--locked", "--package", "metrics"]);
    command.args(["--example", "studies", "--", name]);
    command
}

/// Runs tests of the commands, by the prefix of their names, with the variable that sets their size.
fn tests(prefix: &str, variable: &str, size: &str) -> Command {
    let mut command = cargo();
    command.env(variable, size);
    command.args(["test", "--release", "--locked", "--workspace"]);
    command.args(["--test", "commands", "--", prefix, "--nocapture"]);
    command
}

/// The flag that gives `bench peers` a Python with httpx, or the reason why there is none.
fn httpx() -> [String; 2] {
    let requirements = root().join("crates/tandem/benches/peers/requirements.txt");
    match clients::venv(&clients::scratch().join("peers"), &requirements) {
        Ok(python) => ["--httpx".to_owned(), python.display().to_string()],
        Err(why) => ["--no-httpx".to_owned(), why.to_string()],
    }
}
