//! Helpers of the command tests: the binary in a folder of its own, its output, and a running simulator.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use domain::record::{JournalLine, RequestRecord};
use domain::redact::{Redactor, words};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// The binary, without environment variables that change its behaviour.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    for variable in ["OLLAMA_HOST", "TANDEM_API_KEY", "RUST_LOG", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1");
    command
}

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn read_json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = command();
        command.current_dir(self.0.path()).args(words(line));
        command
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = self.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// A command line after commands of a shell, such as `ulimit -f 0`.
    #[cfg(unix)]
    pub(crate) fn in_shell(&self, before: &str, line: &str) -> Command {
        let direct = self.command(line);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]);
        command.arg(direct.get_program()).args(direct.get_args());
        command.current_dir(self.0.path());
        for (name, value) in direct.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn good(&self, line: &str) -> Output {
        good(self.run(line))
    }

    /// Runs a command line that must end with this exit code and with these words on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, expected: i32, words: &[&str]) {
        ended(line, &self.run(line), expected, words);
    }

    /// Command lines with their output, without what differs from run to run.
    pub(crate) fn transcripts(&self, lines: &[&str]) -> String {
        let folder = fs::canonicalize(self.0.path()).unwrap();
        let redactor = Redactor::new()
            .text(folder.to_str().unwrap(), "FOLDER")
            .text(
                concat!("tandem ", env!("CARGO_PKG_VERSION")),
                "tandem VERSION",
            )
            .value_after("peak memory ")
            .value_after("may open; ")
            .value_after("\"peak_memory_bytes\":")
            .value_after("\"environment\":");
        let see = |line: &&str| redactor.transcript(&format!("tandem {line}"), &self.run(line));
        lines.iter().map(see).collect::<Vec<_>>().join("\n")
    }
}

#[track_caller]
pub(crate) fn good(output: Output) -> Output {
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// Checks the exit code of a command, and that its standard error contains all of these words.
#[track_caller]
pub(crate) fn ended(line: &str, output: &Output, expected: i32, words: &[&str]) {
    let (code, errors) = said(output);
    assert_eq!(code, expected, "{line}: {errors}");
    for part in words {
        assert!(errors.contains(part), "{line}: no `{part}` in {errors}");
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The exit code and standard error.
pub(crate) fn said(output: &Output) -> (i32, String) {
    (code(output), text(&output.stderr))
}

#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values of a file of JSON lines, read one at a time.
pub(crate) fn lines<T: DeserializeOwned>(file: &Path) -> impl Iterator<Item = T> + use<T> {
    BufReader::new(File::open(file).unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

pub(crate) fn journal(dir: &Path) -> Vec<JournalLine> {
    lines(&dir.join("journal.jsonl")).collect()
}

pub(crate) fn requests(dir: &Path) -> Vec<RequestRecord> {
    let requests = journal(dir).into_iter().filter_map(|line| match line {
        JournalLine::Request(request) => Some(request),
        _ => None,
    });
    requests.collect()
}

/// Waits until a condition holds that a running command brings about, for at most ten minutes.
pub(crate) fn until(child: &mut Child, holds: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if holds() {
            return;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it ended before: {status}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("ten minutes have passed");
}

/// Presses Ctrl-C and waits for the end.
#[cfg(unix)]
pub(crate) fn interrupt(child: Child) -> Output {
    signal(&child, "-INT");
    child.wait_with_output().unwrap()
}

/// Sends a signal, such as `-HUP`.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

/// An address without a listener.
pub(crate) fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A running `tandem serve` with the instant profile, killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start() -> Self {
        let mut child = command()
            .args(["serve", "--port", "0", "--profile", "instant"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        // Made before its output is read, so that a failure there kills the process.
        let mut serving = Self {
            child,
            url: String::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                rest.split(' ').next().unwrap().clone_into(&mut serving.url);
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        assert!(!serving.url.is_empty(), "it ended before it listened");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
