//! Reads a sessions file, which may come from anyone.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::FileError;
use crate::file::{FORMAT, Header, Line, VERSION};
use crate::graph::{CALLS, Place, SESSIONS, Workload};

/// Longest file that is read, in bytes.
const LONGEST: u64 = 2 << 30;

/// The text of a file; fails when it is too long for the memory, or no UTF-8.
pub(crate) fn text_of(path: &Path) -> Result<String, FileError> {
    let of = |error| FileError::read(path, &error);
    let length = fs::metadata(path).map_err(of)?.len();
    if length > LONGEST {
        let what = format!("has {length} bytes; give files of at most {LONGEST}");
        return Err(FileError::new(path, None, what));
    }
    fs::read_to_string(path).map_err(of)
}

/// What every version of the first line has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl Workload {
    /// Reads a sessions file. Fails when it cannot be read, and at its first mistake.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &text_of(path)?)
    }

    /// Parses a sessions file; `path` is for messages. Fails at the first mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = (1..).zip(text.split_inclusive('\n'));
        let mut lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let (first, text) = lines.next().ok_or_else(|| {
            let what = format!("is empty; a first line has \"format\":\"{FORMAT}\"");
            FileError::new(path, None, what)
        })?;
        // A newer file may have other keys, so its version is read before them.
        let Version { version } = value(path, first, text)?;
        if version > VERSION.into() {
            let what = format!(
                "version {version} is newer than this program reads ({VERSION}); update tandem"
            );
            return Err(FileError::new(path, Some(first), what));
        }
        let header: Header = value(path, first, text)?;
        let (mut sessions, mut calls) = (Lines::default(), Lines::default());
        for (at, line) in lines {
            match value(path, at, line)? {
                Line::Session(session) => sessions.push(at, session),
                Line::Call(call) => calls.push(at, call),
            }
            if sessions.values.len() > SESSIONS || calls.values.len() > CALLS {
                let what = format!("give at most {SESSIONS} sessions and {CALLS} calls");
                return Err(FileError::new(path, Some(at), what));
            }
        }
        let workload = Self::new(header, sessions.values, calls.values);
        workload.map_err(|(place, what)| {
            let line = match place {
                Place::Header => first,
                Place::Session(at) => sessions.numbers[at],
                Place::Call(at) => calls.numbers[at],
            };
            FileError::new(path, Some(line), what)
        })
    }
}

/// Values with the numbers of their lines.
struct Lines<T> {
    values: Vec<T>,
    numbers: Vec<u64>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: Vec::new(),
        }
    }
}

impl<T> Lines<T> {
    fn push(&mut self, number: u64, value: T) {
        self.values.push(value);
        self.numbers.push(number);
    }
}

fn value<T: DeserializeOwned>(path: &Path, number: u64, line: &str) -> Result<T, FileError> {
    serde_json::from_str(line).map_err(|error| {
        let mut error = FileError::json(path, Some(number), &error);
        error.what += if line.ends_with('\n') {
            "; docs/sessions.md lists the keys of each line"
        } else {
            "; the last line may be cut off, as a killed recorder leaves it: remove it"
        };
        error
    })
}
