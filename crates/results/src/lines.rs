//! Reads files of one JSON value a line, and says what happens to lines that cannot be read.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::blocks::{self, Block};
use crate::json::json_error;
use crate::{LeftOut, LoadError};

struct Problem {
    /// From 1, within its block.
    line: u64,
    cut_off: bool,
    error: serde_json::Error,
}

pub(crate) type ReadLine<T> = fn(&[u8]) -> serde_json::Result<T>;

/// Reads a line as this program writes it.
pub(crate) fn line<T: DeserializeOwned>(line: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(line)
}

/// Reads every line of a block that is not blank. Returns the values, the number of all lines, and
/// those that could not be read.
fn values<T>(block: Block<'_>, read: ReadLine<T>) -> (Vec<T>, u64, Vec<Problem>) {
    let mut lines = 0;
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for (line, text, cut_off) in block.lines() {
        lines = line;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match read(text) {
            Ok(value) => values.push(value),
            Err(error) => problems.push(Problem {
                line,
                cut_off,
                error,
            }),
        }
    }
    (values, lines, problems)
}

/// Reads a file block by block on every core: `make` turns the values of a block into a part, and `take` gets the parts
/// in the order of the file. Each line that cannot be read is an error, or is skipped with `keep_going`. A last line
/// without its line feed is only a warning: a killed writer leaves it so. In messages, `what` is what a line holds, and
/// `writer` the kind of run that wrote the file.
pub(crate) fn fold<V, T: Send>(
    path: &Path,
    what: &'static str,
    writer: &str,
    left_out: &mut LeftOut,
    read: ReadLine<V>,
    make: impl Fn(Vec<V>) -> T + Sync,
    mut take: impl FnMut(T),
) -> Result<(), LoadError> {
    let mut lines_before = 0;
    blocks::parse(
        path,
        |block| {
            let (values, lines, problems) = values(block, read);
            (make(values), lines, problems)
        },
        |(part, lines, problems)| {
            for problem in problems {
                let line = lines_before + problem.line;
                if problem.cut_off {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    left_out.warnings.push(format!(
                        "{name} line {line} is cut off, as a killed {writer} leaves it; it is left out"
                    ));
                    continue;
                }
                let mut error = json_error(path, &problem.error, what);
                error.line = Some(line);
                left_out.or_skip::<()>(Err(error))?;
            }
            lines_before += lines;
            take(part);
            Ok(())
        },
    )
}

pub(crate) fn read<T: Send>(
    path: &Path,
    what: &'static str,
    writer: &str,
    left_out: &mut LeftOut,
    read: ReadLine<T>,
) -> Result<Vec<T>, LoadError> {
    let mut all = Vec::new();
    let take = |values: Vec<T>| all.extend(values);
    fold(path, what, writer, left_out, read, |values| values, take)?;
    Ok(all)
}
