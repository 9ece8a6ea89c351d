//! The benchmarks. Performance claims come from here.

use std::process::ExitCode;

use anyhow::Result;

use crate::clients::{self, Outcome};
use crate::delegate::{cargo, exit, root, succeeds};

/// How cargo knows a benchmark, and what is passed before the user's own arguments.
#[derive(Debug, Clone, Copy)]
enum Step {
    Bench(&'static str, &'static [&'static str]),
    /// An example of the crate `metrics`, and what is passed before the user's own arguments.
    Example(&'static str, &'static str),
    /// Tests of the commands at another size: how their names begin, a variable of the environment, and what that is set to.
    Test(&'static str, &'static str, &'static str),
}

/// The benchmarks of the client run it as it is handed out. Those that need polars do not: to optimise
/// that as a whole takes longer than it could save.
const CLIENT: &str = "client";

/// A benchmark by the name users type, what it runs, and what it answers.
struct Bench {
    name: &'static str,
    step: Step,
    what: &'static str,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "stream",
        step: Step::Bench("client", &["stream"]),
        what: "client CPU per token and TTFT bias at 1, 32, 256 and 500 streams, beside the floor",
    },
    Bench {
        name: "memory",
        step: Step::Bench("client", &["memory"]),
        what: "client memory of each waiting agent at 10,000 streams",
    },
    Bench {
        name: "startup",
        step: Step::Bench("client", &["startup"]),
        what: "from the start of the process to its first request",
    },
    Bench {
        name: "peers",
        step: Step::Bench("client", &["peers"]),
        what: "other tools beside ours on the same server: httpx, and what is on the path",
    },
    Bench {
        name: "report",
        step: Step::Bench("report", &[]),
        what: "report generation from the 19 recorded runs",
    },
    Bench {
        name: "analyse",
        step: Step::Bench("analyse", &[]),
        what: "a load of a million requests read and reported; --requests N for another number",
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
        what: "how often gates fail and pass on the binary, on runs whose change is known",
    },
    Bench {
        name: "validate",
        step: Step::Example("studies", "speedup"),
        what: "how often the stated interval holds the known truth, and each verdict word is wrong",
    },
    Bench {
        name: "laws",
        step: Step::Example("studies", "laws"),
        what: "how often what is said of throughput over agents is right, on servers whose law is known",
    },
    Bench {
        name: "capacity",
        step: Step::Example("studies", "capacity"),
        what: "how often a level and a whole capacity search err, on servers whose truth is known",
    },
];

/// `cargo xtask bench`: runs one benchmark, or lists them.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = args.split_first() else {
        out!("cargo xtask bench NAME [ARGS]\n");
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
        Step::Example(name, study) => {
            command.args(["run", "--release", "--locked", "--package", "metrics"]);
            command.args(["--example", name, "--", study]);
        }
        Step::Test(name, variable, value) => {
            command.env(variable, value);
            command.args(["test", "--release", "--locked", "--workspace"]);
            command.args(["--test", "commands", "--", name, "--nocapture"]);
        }
    }
    succeeds(command.args(&rest)).map(exit)
}

/// A Python with httpx for `bench peers`, or why there is none.
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
