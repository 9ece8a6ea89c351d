//! A binary of this workspace in a folder of its own: its command lines, their output, and scripts of them with snapshots.
//! The tests of both binaries use this file.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use domain::redact::{Redactor, words};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;

/// The repository's fixtures.
pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// The scripts of this crate's command tests.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/scripts");

/// A program, without environment variables that change the binary's behaviour and with the binary on its path.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in ["OLLAMA_HOST", "TANDEM_API_KEY", "RUST_LOG", "COLUMNS"] {
        command.env_remove(variable);
    }
    let folder = Path::new(BINARY).parent().unwrap();
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

    /// Runs a script of `scripts/` and returns the transcript of its commands.
    ///
    /// A script is a list of lines. `write FILE: TEXT` writes a file, `folder NAME` makes a folder, `copy FILE TO` copies a
    /// file, `replace FILE: TEXT => TEXT` changes the first such text in a file, and `remove FILE POINTER` takes a value
    /// out of a JSON file. The binary's name runs it, and every other line is the shell's, so that a script with such a
    /// line needs Unix. `FIXTURES` and `SCRIPTS` stand for the folders of those names; `values` are further names.
    pub(crate) fn script(&self, name: &str, values: &[(&str, &str)]) -> String {
        let mut script = fs::read_to_string(format!("{SCRIPTS}/{name}.txt")).unwrap();
        for (name, value) in [("FIXTURES", FIXTURES), ("SCRIPTS", SCRIPTS)]
            .iter()
            .chain(values)
        {
            script = script.replace(name, value);
        }
        let mut transcript = Vec::new();
        for line in script.lines().filter(|line| !line.starts_with('#')) {
            let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
            let pair = |separator| rest.split_once(separator).unwrap();
            match command {
                "write" => self.write(pair(": ").0, &pair(": ").1.replace("\\n", "\n")),
                "folder" => fs::create_dir(self.path(rest)).unwrap(),
                "copy" => self.write(pair(" ").1, &self.read(pair(" ").0)),
                "replace" => {
                    let (file, change) = pair(": ");
                    let (found, replaced) = change.split_once(" => ").unwrap();
                    let text = self.read(file);
                    assert!(text.contains(found), "{line}");
                    self.write(file, &text.replacen(found, replaced, 1));
                }
                "remove" => self.remove(pair(" ").0, pair(" ").1),
                _ => transcript.push(self.transcript(line)),
            }
        }
        transcript.join("\n")
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
        let mut command = command(BINARY);
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
        let texts = [
            (folder.to_str().unwrap(), "FOLDER"),
            (FIXTURES, "FIXTURES"),
            (SCRIPTS, "SCRIPTS"),
            (env!("CARGO_PKG_VERSION"), "VERSION"),
        ];
        Redactor {
            texts: texts.map(|(text, name)| (text.to_owned(), name)).to_vec(),
            labels: &[
                "peak memory ",
                "may open; ",
                "\"peak_memory_bytes\":",
                "\"environment\":",
            ],
        }
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
        let name = Path::new(BINARY).file_stem().unwrap().to_str().unwrap();
        let own = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '));
        let mut command = match own {
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

/// The exit code of a command with these streams closed at the reader's end: 1 is standard output, 2 standard error.
pub(crate) fn unread(mut command: Command, closed: &[u32]) -> i32 {
    let pipe = |number| {
        if closed.contains(&number) {
            Stdio::from(std::io::pipe().unwrap().1)
        } else {
            Stdio::null()
        }
    };
    let status = command.stdout(pipe(1)).stderr(pipe(2)).status();
    status.unwrap().code().unwrap()
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
