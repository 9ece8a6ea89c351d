//! The benchmarks. Performance claims come from here.

use std::process::ExitCode;

use anyhow::Result;

use crate::clients::{self, Outcome};
use crate::delegate::{cargo, exit, root, succeeds};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME [ARGS]]

Runs a benchmark; ARGS are passed on to it. Without a name, lists the benchmarks.
";

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A benchmark target, and the arguments before the user's own.
    Bench(&'static str, &'static [&'static str]),
    /// The example `studies` of the crate `metrics`, and the study it runs.
    Study(&'static str),
    /// Tests of the commands: the prefix of their names, and the variable and value that set their size.
    Test(&'static str, &'static str, &'static str),
}

/// The benchmark target that runs in the `dist` profile, as the binary is released. Those that need
/// polars do not: optimising polars as a whole takes longer than it could save.
const CLIENT: &str = "client";

struct Bench {
    name: &'static str,
    step: Step,
    what: &'static str,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "stream",
        step: Step::Bench("client", &["stream"]),
        what: "client CPU per token and TTFT bias at 1, 32, 256 and 500 streams, beside a bare socket reader",
    },
    Bench {
        name: "memory",
        step: Step::Bench("client", &["memory"]),
        what: "client memory of each waiting agent at 10,000 streams",
    },
    Bench {
        name: "startup",
        step: Step::Bench("client", &["startup"]),
        what: "time from the start of the process to its first request",
    },
    Bench {
        name: "peers",
        step: Step::Bench("client", &["peers"]),
        what: "other load tools beside ours on the same server: httpx, and those on the PATH",
    },
    Bench {
        name: "report",
        step: Step::Bench("report", &[]),
        what: "time to make a report of the 19 recorded runs",
    },
    Bench {
        name: "analyse",
        step: Step::Bench("analyse", &[]),
        what: "time to read and report a load of a million requests, or --requests N",
    },
    Bench {
        name: "decode",
        step: Step::Bench("decode", &[]),
        what: "stream objects decoded per second",
    },
    Bench {
        name: "simulator",
        step: Step::Bench("streams", &[]),
        what: "simulator CPU time per token and token lateness",
    },
    Bench {
        name: "soak",
        step: Step::Test("soak::", "TANDEM_SOAK_HOURS", "24"),
        what: "24 simulated hours: memory, and the journal against the simulator's log",
    },
    Bench {
        name: "telemetry",
        step: Step::Bench("sampling", &[]),
        what: "CPU time of sampling devices, host and server, and the rate kept",
    },
    Bench {
        name: "gates",
        step: Step::Test("gates::", "TANDEM_GATE_TRIALS", "1000"),
        what: "how often gates of the binary fail and pass, on runs whose change is known",
    },
    Bench {
        name: "validate",
        step: Step::Study("speedup"),
        what: "how often stated intervals contain the true value, and how often each verdict is wrong",
    },
    Bench {
        name: "laws",
        step: Step::Study("laws"),
        what: "how often the fitted throughput law is right, on servers whose law is known",
    },
    Bench {
        name: "capacity",
        step: Step::Study("capacity"),
        what: "how often a level and a whole capacity search err, on servers whose capacity is known",
    },
];

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = args.split_first() else {
        out!("{HELP}");
        for bench in BENCHES {
            out!("  {:<12} {}", bench.name, bench.what);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(bench) = BENCHES.iter().find(|known| known.name == name) else {
        say!("xtask: no benchmark `{name}`; `cargo xtask bench` lists them");
        return Ok(ExitCode::from(2));
    };
    let mut rest = rest.to_vec();
    if bench.name == "peers" {
        rest.extend(httpx()?);
    }
    let mut command = cargo();
    match bench.step {
        Step::Bench(name, given) => {
            command.args(["bench", "--locked", "--workspace", "--bench", name]);
            if name == CLIENT {
                command.args(["--profile", "dist"]);
            }
            command.arg("--").args(given);
        }
        Step::Study(study) => {
            command.args(["run", "--release", "--locked", "--package", "metrics"]);
            command.args(["--example", "studies", "--", study]);
        }
        Step::Test(name, variable, value) => {
            command.env(variable, value);
            command.args(["test", "--release", "--locked", "--workspace"]);
            command.args(["--test", "commands", "--", name, "--nocapture"]);
        }
    }
    succeeds(command.args(&rest)).map(exit)
}

/// The flag that gives `bench peers` a Python with httpx, or the reason why there is none.
fn httpx() -> Result<[String; 2]> {
    let requirements = root().join("crates/tandem/benches/peers/requirements.txt");
    let made = clients::venv(&clients::scratch().join("peers"), &requirements)?;
    Ok(match made {
        Ok(python) => ["--httpx".to_owned(), python.display().to_string()],
        Err(Outcome::Skipped(reason)) => ["--no-httpx".to_owned(), reason],
        Err(Outcome::Fails | Outcome::Holds) => [
            "--no-httpx".to_owned(),
            "it could not be installed".to_owned(),
        ],
    })
}
