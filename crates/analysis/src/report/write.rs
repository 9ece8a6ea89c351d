//! A report's files: written all or none, and compared with a committed report.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::{Content, Report, ReportError};
use crate::charts::png;
use crate::replace::{self, ReplaceError};

/// What a report's folder may hold beside `report.json`.
const ENTRIES: [&str; 6] = [
    "report.md",
    "appendix.md",
    "audit.md",
    "audit.json",
    "charts",
    "tables",
];
/// Largest difference of a colour channel that still counts as the same picture.
const TOLERANCE: u8 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOutcome {
    /// Files compared.
    pub compared: usize,
    /// What differs, in words and unified diffs, one entry a file.
    pub differences: Vec<String>,
    /// Pictures written for a reader to look at: `*.new.png`, `*.diff.png`.
    pub written: Vec<PathBuf>,
}

impl CheckOutcome {
    pub fn is_match(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Report {
    /// Writes the report to `dir`, replacing an earlier report there. Either every file is written
    /// or the earlier report stays as it was.
    ///
    /// Reports that are written to one place at the same time replace each other one by one. Fails when a file
    /// cannot be written, or the folder holds files of something else.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
        replace::folder(dir, "report.json", &ENTRIES, |fresh| {
            for (name, content) in &self.files {
                let path = fresh.join(name);
                let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
                let written = folder.and_then(|()| fs::write(&path, content.bytes()));
                written.map_err(|e| ReplaceError::write(&path, e))?;
            }
            Ok::<_, ReplaceError>(())
        })?;
        Ok(self.files.keys().map(|file| dir.join(file)).collect())
    }

    /// Compares this report with the one in `dir`: texts exactly, pictures by decoded pixels. For a picture that
    /// differs, `*.new.png` and `*.diff.png` are written beside it. Fails when a committed file cannot be read; a
    /// missing one is a difference.
    pub fn check(&self, dir: &Path) -> Result<CheckOutcome, ReportError> {
        let mut outcome = CheckOutcome::default();
        for (name, content) in &self.files {
            let path = dir.join(name);
            outcome.compared += 1;
            let difference = match (fs::read(&path), content) {
                (Ok(committed), Content::Text(text)) => unified(name, &committed, text),
                (Ok(committed), Content::Png(fresh)) => {
                    check_picture(&path, &committed, fresh, &mut outcome.written)?
                }
                (Err(e), _) if e.kind() == io::ErrorKind::NotFound => {
                    Some(format!("{}: is missing", path.display()))
                }
                (Err(e), _) => return Err(ReportError::read(&path, e)),
            };
            outcome.differences.extend(difference);
        }
        let mut extra = files_in(dir)?;
        extra.retain(|name| !self.files.contains_key(name) && !is_leftover(name));
        outcome.differences.extend(extra.iter().map(|name| {
            let path = dir.join(name);
            format!("{}: is no longer part of the report", path.display())
        }));
        Ok(outcome)
    }
}

fn unified(name: &str, committed: &[u8], fresh: &str) -> Option<String> {
    let committed = String::from_utf8_lossy(committed);
    if committed == fresh {
        return None;
    }
    let diff = TextDiff::from_lines(&*committed, fresh);
    let [old, new] = ["committed", "regenerated"].map(|from| format!("{from}/{name}"));
    let mut diff = diff.unified_diff();
    Some(diff.context_radius(2).header(&old, &new).to_string())
}

/// How a picture differs; the new one and what differs are added to `written`.
fn check_picture(
    path: &Path,
    committed: &[u8],
    fresh: &[u8],
    written: &mut Vec<PathBuf>,
) -> Result<Option<String>, ReportError> {
    let mut keep = |ending: &str, bytes: &[u8]| {
        let sibling = path.with_extension(ending);
        replace_file(&sibling, bytes).map_err(|e| ReplaceError::write(&sibling, e))?;
        written.push(sibling);
        Ok::<(), ReportError>(())
    };
    let words = match png::compare(committed, fresh, TOLERANCE) {
        Ok(diff) if diff.is_match() => return Ok(None),
        Ok(diff) => {
            keep("new.png", fresh)?;
            if !diff.picture.is_empty() {
                keep("diff.png", &diff.picture)?;
            }
            match diff.sizes {
                Some(((a, b), (c, d))) => format!("is {a} × {b} px, regenerated {c} × {d} px"),
                None => format!(
                    "{} pixels differ by more than {TOLERANCE}, at most by {}",
                    diff.differing_pixels, diff.max_channel_difference
                ),
            }
        }
        Err(error) => {
            keep("new.png", fresh)?;
            format!("cannot be compared: {error}")
        }
    };
    Ok(Some(format!("{}: {words}", path.display())))
}

/// What an earlier check wrote.
fn is_leftover(name: &str) -> bool {
    name.ends_with(".new.png") || name.ends_with(".diff.png")
}

/// The files under `dir`, as relative paths with forward slashes.
fn files_in(dir: &Path) -> Result<Vec<String>, ReportError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = dir.join(&folder);
        for entry in fs::read_dir(&here).map_err(|e| ReportError::read(&here, e))? {
            let entry = entry.map_err(|e| ReportError::read(&here, e))?;
            let relative = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(relative);
            } else {
                files.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Replaces a file. A link there is removed, not followed.
fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create_new(path)?.write_all(bytes)
}
