//! Third-party clients against the simulator, third-party readers of exported frames, and the conformance
//! suite against any server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use crate::delegate::{Profile, build, cargo, exit, quietly, root, succeeds, target};
use crate::serving::Serving;

pub(crate) const HELP: &str = include_str!("help/clients.txt");

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

/// Why a check cannot be made on this machine: an error that fails no suite.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Skipped(pub(crate) String);

/// Checks that could not be made on this machine, with the reason.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn skipped_checks() -> MutexGuard<'static, Vec<String>> {
    SKIPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn skipped() -> Vec<String> {
    skipped_checks().clone()
}

/// False for a check that failed. Prints failures and skipped checks, and remembers the latter.
pub(crate) fn settle(name: &str, result: Result<bool>) -> bool {
    let failure = match result {
        Ok(true) => return true,
        Ok(false) => String::new(),
        Err(error) if error.is::<Skipped>() => {
            let what = format!("{name}: {error}");
            say!("skipped: {what}");
            skipped_checks().push(what);
            return true;
        }
        Err(error) => format!(": {error:#}"),
    };
    say!("{name}: FAILED{failure}");
    false
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
    let mut serve = Command::new(build("tandem", Profile::Dev)?);
    serve
        .args(["serve", "--port", "0", "--profile"])
        .arg(folder.join("profile.toml"))
        .arg("--fault")
        .arg(folder.join("faults.toml"));
    let server = Serving::start(&mut serve).context("the simulator could not be started")?;
    let (folder, url) = (folder.as_path(), server.url.as_str());
    let mut ok = settle("ollama and openai (Python)", python(folder, url));
    ok &= settle("pandas, polars and DuckDB", frames(folder));
    ok &= settle("ollama (JavaScript)", node(folder, url));
    ok &= settle("ollama-rs", rust(folder, url));
    Ok(ok)
}

/// Where the clients' packages are installed.
pub(crate) fn scratch() -> PathBuf {
    target().join("clients")
}

/// A Python in a virtual environment with pinned requirements. Fails as [`install`] does.
pub(crate) fn venv(place: &Path, requirements: &Path) -> Result<PathBuf> {
    let python = place.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let wanted = std::fs::read(requirements).with_context(|| requirements.display().to_string())?;
    let stamp = place.join("requirements.stamp");
    if python.exists() && std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let (from, to) = (requirements.display(), place.display());
    say!("installing {from} into {to}");
    let make = ["-m", "venv", "--clear"];
    install(Command::new("python3").args(make).arg(place))?;
    let pip =
        "-m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement";
    install(Command::new(&python).args(pip.split(' ')).arg(requirements))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}

fn python(folder: &Path, endpoint: &str) -> Result<bool> {
    let sources = folder.join("python");
    let python = venv(&scratch().join("python"), &sources.join("requirements.txt"))?;
    let check = |script| {
        let mut command = Command::new(&python);
        succeeds(command.arg("-B").arg(sources.join(script)).arg(endpoint))
    };
    let ollama = check("ollama_client.py")?;
    Ok(check("openai_client.py")? && ollama)
}

/// Exports a load and opens the files as `docs/export.md` shows.
fn frames(folder: &Path) -> Result<bool> {
    let sources = folder.join("python");
    let requirements = sources.join("frames-requirements.txt");
    let python = venv(&scratch().join("frames-python"), &requirements)?;
    let report = build("tandem-report", Profile::Dev)?;
    let place = scratch().join("frames");
    let load = root().join("fixtures/load");
    std::fs::create_dir_all(&place)?;
    for (command, rest) in [
        (&["export"][..], "--overwrite --out export"),
        (&["export"], "--overwrite --out csv --format csv"),
        (&["report", "--input"], "--out report"),
    ] {
        let mut run = Command::new(&report);
        run.args(command).arg(&load).args(rest.split(' '));
        if !succeeds(run.current_dir(&place).stdout(Stdio::null()))? {
            return Ok(false);
        }
    }
    let mut command = Command::new(&python);
    command.arg("-B").arg(sources.join("frames.py"));
    succeeds(command.arg(root().join("docs/export.md")).arg(&place))
}

fn node(folder: &Path, endpoint: &str) -> Result<bool> {
    let sources = folder.join("node");
    let place = scratch().join("node");
    std::fs::create_dir_all(&place)
        .with_context(|| format!("{} could not be made", place.display()))?;
    for name in ["package.json", "package-lock.json", "checks.mjs"] {
        let from = sources.join(name);
        std::fs::copy(&from, place.join(name))
            .with_context(|| format!("{} could not be copied", from.display()))?;
    }
    let in_place = |program, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(&place);
        command
    };
    install(&mut in_place("npm", &["ci", "--no-audit", "--no-fund"]))?;
    succeeds(&mut in_place("node", &["checks.mjs", endpoint]))
}

fn rust(folder: &Path, endpoint: &str) -> Result<bool> {
    let manifest = folder.join("rust/Cargo.toml");
    let cargo = |subcommand| {
        let mut command = cargo();
        command
            .args([subcommand, "--quiet", "--locked", "--manifest-path"])
            .arg(&manifest)
            .env("CARGO_TARGET_DIR", scratch().join("rust"));
        command
    };
    install(&mut cargo("fetch"))?;
    succeeds(cargo("run").args(["--", endpoint]))
}

/// Runs a package manager. Fails with [`Skipped`] when it is not installed or cannot reach its index.
pub(crate) fn install(command: &mut Command) -> Result<()> {
    let Err(error) = quietly(command) else {
        return Ok(());
    };
    let program = command.get_program().display();
    let cause = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if cause == Some(io::ErrorKind::NotFound) {
        bail!(Skipped(format!("{program} is not installed")));
    }
    let words = error.to_string();
    if UNREACHABLE.iter().any(|sign| words.contains(sign)) {
        bail!(Skipped(format!("{program} cannot reach its package index")));
    }
    Err(error)
}

fn conformance(args: &[String]) -> Result<bool> {
    let mut command = cargo();
    command.args(["test", "--locked", "--workspace", "--test", "conformance"]);
    command.args(["--", "--nocapture", "a_real_server_conforms"]);
    for pair in args.chunks(2) {
        let [flag, value] = pair else {
            bail!("{} needs a value\n\n{HELP}", pair[0]);
        };
        let name = match flag.as_str() {
            "--endpoint" | "--model" | "--embedder" => flag[2..].to_uppercase(),
            other => bail!("unknown flag `{other}`\n\n{HELP}"),
        };
        command.env(format!("TANDEM_CONFORMANCE_{name}"), value);
    }
    let is_given = |flag: &str| args.iter().step_by(2).any(|arg| arg == flag);
    if !(is_given("--endpoint") && is_given("--model")) {
        bail!("--endpoint and --model are needed\n\n{HELP}");
    }
    succeeds(&mut command)
}
