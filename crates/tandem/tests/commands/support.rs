//! Helpers of the command tests: the binary in a folder of its own, its output, and a running simulator.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::iter;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use domain::record::{JournalLine, RequestRecord};
use domain::redact::{Redactor, words};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// The repository's fixtures.
pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// The scripts of the command tests.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/scripts");

/// A program, without environment variables that change the binary's behaviour and with the binary on its path.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in ["OLLAMA_HOST", "TANDEM_API_KEY", "RUST_LOG", "COLUMNS"] {
        command.env_remove(variable);
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_tandem")).parent().unwrap();
    let others = std::env::var_os("PATH").unwrap();
    let path = iter::once(folder.to_owned()).chain(std::env::split_paths(&others));
    command.env("PATH", std::env::join_paths(path).unwrap());
    command.env("NO_COLOR", "1");
    command
}

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
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

    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Removes a value from an object or an array in a JSON file.
    pub(crate) fn remove(&self, name: &str, pointer: &str) {
        let mut json: Value = self.read_json(name);
        let (object, key) = pointer.rsplit_once('/').unwrap();
        let is_removed = match json.pointer_mut(object).unwrap() {
            Value::Array(values) => !values.remove(key.parse().unwrap()).is_null(),
            values => values.as_object_mut().unwrap().remove(key).is_some(),
        };
        assert!(is_removed, "{name}: no {pointer}");
        self.write(name, &json.to_string());
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_tandem"));
        command.current_dir(self.0.path()).args(words(line));
        command
    }

    /// A line of a shell, which finds the binary as `tandem`.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = command("sh");
        command.current_dir(self.0.path()).args(["-c", line]);
        command
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        started(self.command(line))
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn good(&self, line: &str) -> Output {
        ended(line, self.run(line), 0, &[])
    }

    /// Runs a command line that must end with this exit code and with these words on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, expected: i32, words: &[&str]) {
        ended(line, self.run(line), expected, words);
    }

    /// Replaces what differs from run to run.
    fn redactor(&self) -> Redactor {
        let folder = fs::canonicalize(self.0.path()).unwrap();
        Redactor::new()
            .text(folder.to_str().unwrap(), "FOLDER")
            .text(FIXTURES, "FIXTURES")
            .text(SCRIPTS, "SCRIPTS")
            .text(
                concat!("tandem ", env!("CARGO_PKG_VERSION")),
                "tandem VERSION",
            )
            .value_after("peak memory ")
            .value_after("may open; ")
            .value_after("\"peak_memory_bytes\":")
            .value_after("\"environment\":")
    }

    /// The lines of a command's outputs that contain one of these words, without what differs from run to run.
    pub(crate) fn excerpt(&self, output: &Output, words: &[&str]) -> String {
        let printed = text(&output.stdout) + &text(&output.stderr);
        let lines = printed
            .lines()
            .filter(|line| words.iter().any(|word| line.contains(word)));
        self.redactor()
            .redact(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// A line of a shell with its exit code and output, without what differs from run to run. A line that only runs the
    /// binary needs no shell.
    pub(crate) fn transcript(&self, line: &str) -> String {
        let mut command = match line.strip_prefix("tandem ") {
            Some(alone) if !alone.contains(['>', '|', ';', '$']) => self.command(alone),
            _ => self.shell(line),
        };
        self.redactor().transcript(line, &command.output().unwrap())
    }
}

/// Starts a command, whose output can be read after its end.
pub(crate) fn started(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Checks the exit code of a command, and that its standard error contains all of these words.
#[track_caller]
pub(crate) fn ended(line: &str, output: Output, expected: i32, words: &[&str]) -> Output {
    let errors = text(&output.stderr);
    assert_eq!(code(&output), expected, "{line}: {errors}");
    for part in words {
        assert!(errors.contains(part), "{line}: no `{part}` in {errors}");
    }
    output
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
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

/// The lines of a journal up to the end of its n-th arm.
pub(crate) fn through_arm(journal: &str, arms: usize) -> &str {
    let mut ends = journal.match_indices("\n{\"arm\":");
    let (start, _) = ends.nth(arms - 1).unwrap();
    let line = journal[start + 1..].find('\n').unwrap();
    &journal[..=start + 1 + line]
}

/// The rows of a sweep's requests, or those of a load or a level.
pub(crate) fn requests(dir: &Path) -> Vec<RequestRecord> {
    if dir.join("requests.jsonl").exists() {
        return lines(&dir.join("requests.jsonl")).collect();
    }
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
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A server of one request a connection: `answer` gets the request's path and its number, and returns status,
/// content type and body. Returns the address.
pub(crate) fn answering(
    answer: impl Fn(&str, usize) -> (&'static str, &'static str, String) + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (nth, socket) in listener.incoming().enumerate() {
            let mut socket = socket.unwrap();
            let mut request = BufReader::new(socket.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while request.read_line(&mut head).is_ok_and(|read| read > 2) {
                let last = head.lines().last().unwrap().to_lowercase();
                if let Some(bytes) = last.strip_prefix("content-length: ") {
                    length = bytes.parse().unwrap();
                }
            }
            let _ = request.read_exact(&mut vec![0; length]);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, kind, body) = answer(path, nth);
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

/// A running `tandem serve` with the instant profile, killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start() -> Self {
        let mut child = command(env!("CARGO_BIN_EXE_tandem"))
            .args(["serve", "--port", "0", "--profile", "instant"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        // Made before its output is read, so that a failure there kills the process.
        let mut serving = Self {
            child,
            url: String::new(),
        };
        let lines = output.lines().map(Result::unwrap);
        for line in lines.take_while(|line| !line.starts_with("Ctrl-C")) {
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                rest.split(' ').next().unwrap().clone_into(&mut serving.url);
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
