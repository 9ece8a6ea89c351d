//! The benchmarks. Performance claims come from here.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::clients;
use crate::delegate::{cargo, exit, root, succeeds};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME [ARGS]]

Runs a benchmark; ARGS are passed on to it. Without a name, lists the benchmarks.

  stream       client CPU per token and TTFT bias at 1, 32, 256 and 500 streams, beside a bare socket reader
  memory       client memory of each waiting agent at 10,000 streams
  startup      time from the start of the process to its first request
  peers        other load tools beside ours on the same server: httpx, and those on the PATH
  report       time to make a report of the 19 recorded runs
  analyse      time to read and report a load of a million requests, or --requests N
  decode       stream objects decoded per second
  simulator    simulator CPU time per token and token lateness
  soak         24 simulated hours: memory, and the journal against the simulator's log
  telemetry    CPU time of sampling devices, host and server, and the rate kept
  gates        how often gates of the binary fail and pass, on runs whose change is known
  validate     how often stated intervals contain the true value, and how often each verdict is wrong
  laws         how often the fitted throughput law is right, on servers whose law is known
  capacity     how often a level and a whole capacity search err, on servers whose capacity is known
";

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
