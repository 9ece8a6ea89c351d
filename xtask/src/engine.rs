//! A real llama.cpp server with a random model, for experiments and for CI.
//!
//! Its files are under `target/engine`: a Python environment with the packages of
//! `engine/requirements.txt`, the model that `engine/make_gguf.py` writes, and the announcement of the
//! running server that `engine/serve.py` prints.

mod check;
mod http;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clients;
use crate::delegate::{exit, quietly, root, target};

pub(crate) use check::check;

pub(crate) const HELP: &str = include_str!("help/engine.txt");

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    match args
        .split_first()
        .map(|(command, rest)| (command.as_str(), rest))
    {
        Some(("up", rest)) => up(rest),
        Some(("down", _)) => down(),
        Some(("check", _)) => Ok(exit(check())),
        _ => {
            say!("{}", HELP.trim_end());
            Ok(ExitCode::from(2))
        }
    }
}

#[derive(Debug)]
struct Engine {
    folder: PathBuf,
    python: PathBuf,
    model: PathBuf,
}

fn folder() -> PathBuf {
    target().join("engine")
}

fn announcement() -> PathBuf {
    folder().join("server.json")
}

/// Installs what is missing. Fails as [`clients::install`] does on a machine without Python or without a package
/// index.
fn install() -> Result<Engine> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let requirements = root().join("engine/requirements.txt");
    let python = clients::venv(&folder.join("venv"), &requirements)?;
    let script = root().join("engine/make_gguf.py");
    let model = folder.join("random.gguf");
    let stamp = folder.join("model.stamp");
    // The stamp is the script that made the model.
    let current = fs::read(&script).with_context(|| script.display().to_string())?;
    if !model.exists() || fs::read(&stamp).ok() != Some(current) {
        say!("engine: writing {}", model.display());
        quietly(Command::new(&python).arg(&script).arg(&model))
            .context("the model could not be written")?;
        fs::copy(&script, stamp)?;
    }
    Ok(Engine {
        folder,
        python,
        model,
    })
}

#[derive(Debug)]
struct Server {
    child: Child,
    facts: Value,
}

impl Server {
    fn url(&self) -> &str {
        self.facts["url"].as_str().unwrap_or_default()
    }
}

impl Engine {
    fn start(&self, args: &[impl AsRef<OsStr>], detached: bool) -> Result<Server> {
        let log_path = self.folder.join("server.log");
        let log = File::create(&log_path).with_context(|| log_path.display().to_string())?;
        let mut command = Command::new(&self.python);
        command
            .arg(root().join("engine/serve.py"))
            .arg(&self.model)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(log);
        if detached {
            command.arg("--detached").stdin(Stdio::null());
            // Ctrl-C in the terminal must not stop a server that shall outlive this command.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        } else {
            // The server ends when this pipe closes, however this process ends.
            command.stdin(Stdio::piped());
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("{} could not be started", self.python.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Ok(facts) = serde_json::from_str(&line) else {
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            let last = log.lines().last().unwrap_or("no output").to_owned();
            bail!(
                "the server did not start: {last} (see {})",
                log_path.display()
            );
        };
        Ok(Server { child, facts })
    }
}

/// The announcement of the running server; none when no server answers at its address.
fn running() -> Option<Value> {
    let text = fs::read_to_string(announcement()).ok()?;
    let facts: Value = serde_json::from_str(&text).ok()?;
    let url = facts["url"].as_str()?;
    http::request(url, "/health", "").ok()?;
    Some(facts)
}

fn up(args: &[String]) -> Result<ExitCode> {
    if let Some(facts) = running() {
        say!(
            "engine: already up at {} with {} slots; `cargo xtask engine down` stops it",
            facts["url"].as_str().unwrap_or_default(),
            facts["slots"]
        );
        return Ok(ExitCode::from(2));
    }
    let engine = install().context("cannot install the engine")?;
    let server = engine.start(args, true)?;
    fs::write(announcement(), server.facts.to_string())?;
    out!(
        "llama.cpp (xllamacpp {}) at {} with {} slots\n\
         Next: cargo xtask sweep --plan fixtures/plans/llama-cpp.toml --endpoint {}",
        server.facts["xllamacpp"].as_str().unwrap_or("?"),
        server.url(),
        server.facts["slots"],
        server.url()
    );
    Ok(ExitCode::SUCCESS)
}

fn down() -> Result<ExitCode> {
    // Only a server that answers at its announced address may be stopped: its process id may belong to
    // another process by now.
    let Some(facts) = running() else {
        let _ = fs::remove_file(announcement());
        say!("engine: not up");
        return Ok(ExitCode::SUCCESS);
    };
    let pid = facts["pid"]
        .as_u64()
        .context("the announcement has no pid")?;
    let (program, flags): (_, &[_]) = if cfg!(windows) {
        ("taskkill", &["/F", "/PID"])
    } else {
        ("kill", &["-TERM"])
    };
    let mut stop = Command::new(program);
    quietly(stop.args(flags).arg(pid.to_string()))?;
    fs::remove_file(announcement())?;
    say!("engine: stopped");
    Ok(ExitCode::SUCCESS)
}
