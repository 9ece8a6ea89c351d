//! The program, run in a temporary folder with the fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use domain::redact::{Redactor, words};
use tempfile::TempDir;

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        for name in "tr113 load calibration capacity one-or-two-servers".split(' ') {
            copy(&fixtures.join(name), &place.path("fixtures").join(name));
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-report"));
        command
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .env_remove("COLUMNS")
            .args(words(line));
        command
    }

    /// Runs a command line that must succeed, and returns its standard output.
    pub(crate) fn succeeds(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, 0, "{line}: {out}{err}");
        out
    }

    fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command line: exit code, standard output, standard error.
    pub(crate) fn run(&self, line: &str) -> (i32, String, String) {
        let output = self.output(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        (output.status.code().unwrap(), out, err)
    }

    pub(crate) fn transcripts(&self, lines: &[&str]) -> String {
        let each = lines.iter().map(|line| {
            Redactor::new()
                .text(env!("CARGO_PKG_VERSION"), "VERSION")
                .transcript(&format!("tandem-report {line}"), &self.output(line))
        });
        each.collect::<Vec<_>>().join("\n")
    }

    /// Writes the one-server runs with every wall time and execution time `factor` times as long.
    pub(crate) fn slower(&self, factor: f64) {
        let text = self.read("fixtures/tr113/one-server.csv");
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let longer = |(cell, name): (&str, &&str)| match cell.parse::<f64>() {
            Ok(value) if name.ends_with("_s") => (value * factor).to_string(),
            _ => cell.to_owned(),
        };
        let lines = text.lines().map(|line| {
            let cells: Vec<_> = line.split(',').zip(&header).map(longer).collect();
            cells.join(",") + "\n"
        });
        self.write("slower.csv", &lines.collect::<String>());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &place);
        } else {
            fs::copy(&entry, place).unwrap();
        }
    }
}
