//! Files of one JSON value a line, and what comes of lines that cannot be read.

use std::path::Path;

use crate::blocks::{self, Block};
use crate::json::json_error;
use crate::{LoadError, Skipped};

/// A line that cannot be read.
pub(crate) struct Problem {
    /// From 1, within its block.
    line: u64,
    cut_off: bool,
    error: serde_json::Error,
}

/// Hands every line of a block that is not blank to `read`. Gives the number of all lines, and those
/// that could not be read.
pub(crate) fn each(
    block: Block<'_>,
    mut read: impl FnMut(&[u8]) -> serde_json::Result<()>,
) -> (u64, Vec<Problem>) {
    let mut lines = 0;
    let mut problems = Vec::new();
    for (line, text, cut_off) in block.lines() {
        lines = line;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Err(error) = read(text) {
            problems.push(Problem {
                line,
                cut_off,
                error,
            });
        }
    }
    (lines, problems)
}

/// What a file's unreadable lines come to, block after block in the order of the file: an error, or
/// with `keep_going` something skipped. A last line without its line feed is what a killed writer
/// leaves: a warning.
pub(crate) struct Unreadable<'a> {
    pub(crate) path: &'a Path,
    /// What a line holds.
    pub(crate) what: &'static str,
    /// Who wrote the file.
    pub(crate) writer: &'static str,
    pub(crate) keep_going: bool,
    pub(crate) skipped: &'a mut Vec<Skipped>,
    pub(crate) warnings: &'a mut Vec<String>,
    pub(crate) lines_before: u64,
}

impl Unreadable<'_> {
    /// The next block.
    pub(crate) fn add(&mut self, lines: u64, problems: &[Problem]) -> Result<(), LoadError> {
        for problem in problems {
            let line = self.lines_before + problem.line;
            if problem.cut_off {
                let name = self.path.file_name().unwrap_or_default().to_string_lossy();
                self.warnings.push(format!(
                    "{name} line {line} is cut off, as a killed {} leaves it; it is left out",
                    self.writer
                ));
                continue;
            }
            let mut error = json_error(self.path, &problem.error, self.what);
            error.line = Some(line);
            if !self.keep_going {
                return Err(error.of_a_part());
            }
            self.skipped.push(Skipped::from_error(&error));
        }
        self.lines_before += lines;
        Ok(())
    }
}

/// Reads every line's value, in the order of the file.
pub(crate) fn read<T: Send>(
    mut unreadable: Unreadable<'_>,
    read: fn(&[u8]) -> serde_json::Result<T>,
) -> Result<Vec<T>, LoadError> {
    let mut all = Vec::new();
    blocks::parse(
        unreadable.path,
        |block| {
            let mut values: Vec<T> = Vec::new();
            let (lines, problems) = each(block, |line| {
                values.push(read(line)?);
                Ok(())
            });
            (values, lines, problems)
        },
        |(values, lines, problems)| {
            unreadable.add(lines, &problems)?;
            all.extend(values);
            Ok(())
        },
    )?;
    Ok(all)
}
