//! Third-party clients against the simulator, third-party readers of exported frames, and the conformance
//! suite against any server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::delegate::{Profile, build, cargo, exit, root, succeeds, target};

pub(crate) const HELP: &str = "\
Usage: cargo xtask clients
       cargo xtask clients --conformance --endpoint URL --model NAME [--embedder NAME]

Runs the third-party clients in clients/ against the simulator, and opens an export with pandas, polars and
DuckDB. With --conformance, runs the protocol conformance suite against a server instead.

  --endpoint URL     the server under test
  --model NAME       a model of that server; the suite loads and unloads it
  --embedder NAME    a model that makes embeddings, when --model does not
";

/// How a package manager's errors read when its index cannot be reached, rather than a pin being wrong.
const UNREACHABLE: &[&str] = &[
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "Name or service not known",
    "Temporary failure in name resolution",
    "Could not resolve host",
    "Failed to establish a new connection",
    "Connection refused",
    "Connection timed out",
    "Network is unreachable",
];

pub(crate) enum Outcome {
    Holds,
    Fails,
    /// Not run, for this reason.
    Skipped(String),
}

/// Checks that could not be made on this machine, with the reason.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Outcome {
    /// False for a failure. Prints failures and skipped clients, and remembers the latter.
    pub(crate) fn settle(self, name: &str) -> bool {
        match self {
            Self::Holds => true,
            Self::Fails => {
                say!("{name}: FAILED");
                false
            }
            Self::Skipped(why) => {
                let what = format!("{name}: {why}");
                say!("skipped: {what}");
                SKIPPED
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(what);
                true
            }
        }
    }
}

pub(crate) fn skipped() -> Vec<String> {
    SKIPPED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let ok = match args {
        [] => all()?,
        [first, rest @ ..] if first == "--conformance" => conformance(rest)?,
        _ => {
            say!("{}", HELP.trim_end());
            return Ok(ExitCode::from(2));
        }
    };
    Ok(exit(ok))
}

/// Runs every client against a new simulator; true when none failed.
pub(crate) fn all() -> Result<bool> {
    let folder = root().join("clients");
    let server = Server::start(&folder)?;
    let scratch = scratch();
    let mut ok = true;
    for (name, client) in [
        (
            "ollama and openai (Python)",
            python as fn(&Path, &Path, &str) -> Result<Outcome>,
        ),
        ("pandas, polars and DuckDB", frames),
        ("ollama (JavaScript)", node),
        ("ollama-rs", rust),
    ] {
        ok &= client(&folder, &scratch, &server.endpoint)?.settle(name);
    }
    Ok(ok)
}

/// A simulator on a free port, stopped when dropped.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let binary = build("tandem", Profile::Dev)?;
        let mut child = Command::new(&binary)
            .args(["serve", "--port", "0", "--profile"])
            .arg(folder.join("profile.toml"))
            .arg("--fault")
            .arg(folder.join("faults.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", binary.display()))?;
        let output = child.stdout.take().context("the simulator has no output")?;
        // Built before the output is read, so that an error there stops the simulator.
        let mut server = Self {
            child,
            endpoint: String::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line.context("the simulator's output could not be read")?;
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                let endpoint = rest.split_whitespace().next().unwrap_or_default();
                endpoint.clone_into(&mut server.endpoint);
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        if server.endpoint.is_empty() {
            bail!("the simulator ended before it listened");
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the clients' packages are installed.
pub(crate) fn scratch() -> PathBuf {
    target().join("clients")
}

/// A Python in a virtual environment with pinned requirements; the inner error is the outcome of a client
/// that cannot have one.
pub(crate) fn venv(place: &Path, requirements: &Path) -> Result<Result<PathBuf, Outcome>> {
    let python = place.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let wanted = std::fs::read(requirements).with_context(|| requirements.display().to_string())?;
    let stamp = place.join("requirements.stamp");
    if python.exists() && std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(Ok(python));
    }
    say!(
        "installing {} into {}",
        requirements.display(),
        place.display()
    );
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(place);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(["--only-binary", ":all:", "--requirement"])
        .arg(requirements);
    for command in [&mut make, &mut pip] {
        if let Some(outcome) = install(command)? {
            return Ok(Err(outcome));
        }
    }
    std::fs::write(&stamp, wanted)?;
    Ok(Ok(python))
}

fn python(folder: &Path, scratch: &Path, endpoint: &str) -> Result<Outcome> {
    let sources = folder.join("python");
    let python = match venv(&scratch.join("python"), &sources.join("requirements.txt"))? {
        Ok(python) => python,
        Err(outcome) => return Ok(outcome),
    };
    let mut holds = true;
    for script in ["ollama_client.py", "openai_client.py"] {
        let mut command = Command::new(&python);
        command.arg("-B").arg(sources.join(script)).arg(endpoint);
        holds &= succeeds(&mut command)?;
    }
    Ok(verdict(holds))
}

/// Exports a load and opens the files as `docs/export.md` shows.
fn frames(folder: &Path, scratch: &Path, _: &str) -> Result<Outcome> {
    let sources = folder.join("python");
    let requirements = sources.join("frames-requirements.txt");
    let python = match venv(&scratch.join("frames-python"), &requirements)? {
        Ok(python) => python,
        Err(outcome) => return Ok(outcome),
    };
    let report = build("tandem-report", Profile::Dev)?;
    let place = scratch.join("frames");
    let load = root().join("fixtures/load");
    let load = load
        .to_str()
        .context("the repository's path is not UTF-8")?;
    let commands: [&[&str]; 3] = [
        &["export", load, "--overwrite", "--out", "export"],
        &[
            "export",
            load,
            "--overwrite",
            "--out",
            "csv",
            "--format",
            "csv",
        ],
        &["report", "--input", load, "--out", "report"],
    ];
    std::fs::create_dir_all(&place)?;
    for arguments in commands {
        let mut command = Command::new(&report);
        command
            .args(arguments)
            .current_dir(&place)
            .stdout(Stdio::null());
        if !succeeds(&mut command)? {
            return Ok(Outcome::Fails);
        }
    }
    let mut command = Command::new(&python);
    command.arg("-B").arg(sources.join("frames.py"));
    command.arg(root().join("docs/export.md")).arg(&place);
    succeeds(&mut command).map(verdict)
}

fn node(folder: &Path, scratch: &Path, endpoint: &str) -> Result<Outcome> {
    let sources = folder.join("node");
    let place = scratch.join("node");
    std::fs::create_dir_all(&place)
        .with_context(|| format!("{} could not be made", place.display()))?;
    for name in ["package.json", "package-lock.json", "checks.mjs"] {
        let from = sources.join(name);
        std::fs::copy(&from, place.join(name))
            .with_context(|| format!("{} could not be copied", from.display()))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&place);
    if let Some(skipped) = install(&mut npm)? {
        return Ok(skipped);
    }
    let mut command = Command::new("node");
    command.args(["checks.mjs", endpoint]).current_dir(&place);
    succeeds(&mut command).map(verdict)
}

fn rust(folder: &Path, scratch: &Path, endpoint: &str) -> Result<Outcome> {
    let manifest = folder.join("rust/Cargo.toml");
    let target = scratch.join("rust");
    let mut fetch = cargo();
    fetch
        .args(["fetch", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest);
    if let Some(skipped) = install(&mut fetch)? {
        return Ok(skipped);
    }
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .env("CARGO_TARGET_DIR", target)
        .args(["--", endpoint]);
    succeeds(&mut command).map(verdict)
}

pub(crate) fn verdict(holds: bool) -> Outcome {
    if holds {
        Outcome::Holds
    } else {
        Outcome::Fails
    }
}

/// Runs a package manager; `Some` when it fails.
pub(crate) fn install(command: &mut Command) -> Result<Option<Outcome>> {
    let program = command.get_program().display().to_string();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some(Outcome::Skipped(format!(
                "{program} is not installed"
            ))));
        }
        Err(error) => return Err(error).with_context(|| format!("{program} could not be started")),
    };
    if output.status.success() {
        return Ok(None);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    if UNREACHABLE.iter().any(|sign| words.contains(sign)) {
        return Ok(Some(Outcome::Skipped(format!(
            "{program} cannot reach its package index"
        ))));
    }
    say!("{}", words.trim_end());
    Ok(Some(Outcome::Fails))
}

fn conformance(args: &[String]) -> Result<bool> {
    let mut command = cargo();
    command.args(["test", "--locked", "--workspace", "--test", "conformance"]);
    command.args(["--", "--nocapture", "a_real_server_conforms"]);
    let mut given = Vec::new();
    for pair in args.chunks(2) {
        let (name, value) = match pair {
            [name, value] => (name.as_str(), value),
            _ => bail!("{} needs a value\n\n{HELP}", pair[0]),
        };
        let variable = match name {
            "--endpoint" => "TANDEM_CONFORMANCE_ENDPOINT",
            "--model" => "TANDEM_CONFORMANCE_MODEL",
            "--embedder" => "TANDEM_CONFORMANCE_EMBEDDER",
            other => bail!("unknown flag `{other}`\n\n{HELP}"),
        };
        command.env(variable, value);
        given.push(name);
    }
    if !(given.contains(&"--endpoint") && given.contains(&"--model")) {
        bail!("--endpoint and --model are needed\n\n{HELP}");
    }
    succeeds(&mut command)
}
