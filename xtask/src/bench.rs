//! The benchmarks. Performance claims come from here.

use std::process::ExitCode;

use anyhow::Result;

use crate::clients;
use crate::delegate::{cargo, exit, root, succeeds};

pub(crate) const HELP: &str = include_str!("help/bench.txt");

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = args.split_first() else {
        out!("{}", HELP.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    // Runs a benchmark target.
    let target = |target: &str| format!("bench --locked --workspace --bench {target} --");
    // `studies` is an example of the crate `metrics`.
    let study = "run --release --locked --package metrics --example studies --";
    // Runs tests of the commands, by the prefix of their names.
    let tests = "test --release --locked --workspace --test commands -- --nocapture";
    let mut command = cargo();
    let line = match name.as_str() {
        // As the binary is released. The other targets need polars or are small: optimising polars as a whole takes
        // longer than it could save.
        "stream" | "memory" | "startup" | "peers" => {
            let client = "bench --locked --workspace --bench client --profile dist --";
            format!("{client} {name}")
        }
        "report" | "analyse" | "decode" => target(name),
        "simulator" => target("streams"),
        "telemetry" => target("sampling"),
        "soak" => {
            command.env("TANDEM_SOAK_HOURS", "24");
            format!("{tests} soak::")
        }
        "gates" => {
            command.env("TANDEM_GATE_TRIALS", "1000");
            format!("{tests} gates::")
        }
        "validate" => format!("{study} speedup"),
        "laws" | "capacity" => format!("{study} {name}"),
        _ => {
            say!("xtask: no benchmark `{name}`; `cargo xtask bench` lists them");
            return Ok(ExitCode::from(2));
        }
    };
    command.args(line.split(' ')).args(rest);
    if name == "peers" {
        command.args(httpx());
    }
    succeeds(&mut command).map(exit)
}

/// The flag that gives `bench peers` a Python with httpx, or the reason why there is none.
fn httpx() -> [String; 2] {
    let requirements = root().join("crates/tandem/benches/peers/requirements.txt");
    match clients::venv(&clients::scratch().join("peers"), &requirements) {
        Ok(python) => ["--httpx".to_owned(), python.display().to_string()],
        Err(why) => ["--no-httpx".to_owned(), why.to_string()],
    }
}
