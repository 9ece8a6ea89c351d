//! A real llama.cpp server with a random model, for trying things out and for CI.
//!
//! Everything it needs lies under `target/engine`: a Python environment with the packages of
//! `engine/requirements.txt`, the model that `engine/make_gguf.py` writes, and what
//! `engine/serve.py` says of the running server.

mod check;
mod http;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::clients::{self, Outcome};
use crate::delegate::{exit, root, target};

pub(crate) use check::check;

const HELP: &str = "\
cargo xtask engine up [--slots N] [--port PORT] [--context TOKENS] [--threads N]
cargo xtask engine down
cargo xtask engine check    a sweep with one slot and one with two, and what they must show
";

/// Runs one of the engine's commands.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let (command, rest) = args
        .split_first()
        .map_or(("", args), |(c, r)| (c.as_str(), r));
    match command {
        "up" => up(rest),
        "down" => down(),
        "check" => check().map(exit),
        _ => {
            say!("{}", HELP.trim_end());
            Ok(ExitCode::from(2))
        }
    }
}

/// What is installed, and where.
#[derive(Debug)]
struct Engine {
    folder: PathBuf,
    python: PathBuf,
    model: PathBuf,
}

/// Where everything lies; `target/` unless cargo was told otherwise.
fn folder() -> PathBuf {
    target().join("engine")
}

/// The announcement of the running server.
fn announcement() -> PathBuf {
    folder().join("server.json")
}

/// Installs what is missing. A machine without Python or without a package index has no engine, which
/// is no error: the inner one says why.
fn install() -> Result<Result<Engine, String>> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let requirements = root().join("engine/requirements.txt");
    let python = match clients::venv(&folder.join("venv"), &requirements)? {
        Ok(python) => python,
        Err(Outcome::Skipped(why)) => return Ok(Err(why)),
        Err(_) => return Ok(Err("its packages could not be installed".to_owned())),
    };
    let script = root().join("engine/make_gguf.py");
    let model = folder.join("random.gguf");
    if !is_current(&folder.join("model.stamp"), &script, &model)? {
        say!("engine: writing {}", model.display());
        let mut make = Command::new(&python);
        make.arg(&script).arg(&model);
        if let Err(why) = succeeds(&mut make) {
            bail!("the model could not be written: {why}");
        }
        fs::copy(&script, folder.join("model.stamp"))?;
    }
    Ok(Ok(Engine {
        folder,
        python,
        model,
    }))
}

/// True when `made` is there and was made from `source` as it is now.
fn is_current(stamp: &Path, source: &Path, made: &Path) -> Result<bool> {
    let now = fs::read(source).with_context(|| source.display().to_string())?;
    Ok(made.exists() && fs::read(stamp).is_ok_and(|then| then == now))
}

/// Runs a command; the last line it said when it fails.
fn succeeds(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    Err(format!(
        "{name}: {}",
        last.unwrap_or("failed without a word")
    ))
}

/// A server started by us.
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
    /// Starts a server and waits until it is healthy.
    fn start(&self, args: &[String], detached: bool) -> Result<Server> {
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
            apart(&mut command);
        } else {
            // It ends when this pipe closes, however we end.
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
            let last = log.lines().last().unwrap_or("no word").to_owned();
            bail!(
                "the server did not start: {last} (see {})",
                log_path.display()
            );
        };
        Ok(Server { child, facts })
    }
}

/// Ctrl-C in the terminal is not for a server that is to stay.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn apart(_: &mut Command) {}

/// The running server's announcement, when it still answers.
fn running() -> Option<Value> {
    let text = fs::read_to_string(announcement()).ok()?;
    let facts: Value = serde_json::from_str(&text).ok()?;
    let url = facts["url"].as_str()?;
    http::get(url, "/health").ok()?;
    Some(facts)
}

fn up(args: &[String]) -> Result<ExitCode> {
    if let Some(facts) = running() {
        say!(
            "engine: already up at {} with {} slots; `cargo xtask engine down` ends it",
            facts["url"].as_str().unwrap_or_default(),
            facts["slots"]
        );
        return Ok(ExitCode::from(2));
    }
    let engine = install()?.map_err(|why| anyhow!("no engine here: {why}"))?;
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
    // Only a server that answers under its announced address is ours to end: a number of a process
    // may belong to another one by now.
    let Some(facts) = running() else {
        let _ = fs::remove_file(announcement());
        say!("engine: not up");
        return Ok(ExitCode::SUCCESS);
    };
    let pid = facts["pid"]
        .as_u64()
        .context("the announcement has no pid")?;
    let mut end = if cfg!(windows) {
        let mut end = Command::new("taskkill");
        end.args(["/F", "/PID", &pid.to_string()]);
        end
    } else {
        let mut end = Command::new("kill");
        end.args(["-TERM", &pid.to_string()]);
        end
    };
    succeeds(&mut end).map_err(anyhow::Error::msg)?;
    fs::remove_file(announcement())?;
    say!("engine: ended");
    Ok(ExitCode::SUCCESS)
}
