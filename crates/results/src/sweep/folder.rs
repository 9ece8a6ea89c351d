//! A sweep's folder while it is written: held by one sweep at a time, created once, resumed after an interruption.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::plan::{ArmSpec, ConfigId, Topology};
use domain::record::{
    JOURNAL_FILE, JournalLine, MANIFEST_FILE, Manifest, RESULTS_SCHEMA, RequestRole, TELEMETRY_FILE,
};
use domain::telemetry::Sample;
use domain::{Nanos, Stamp};
use serde::de::DeserializeOwned;

use super::same::differences;
use crate::{FolderError, LineWriter, LoadErrorKind, Lock, read_versioned, write_json};

/// Stamps of a resumed sweep begin on a multiple of this, so that virtual time keeps falling on whole microseconds.
const RESUME_STEP: u64 = 1_000_000;

/// A results folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct ResultsDir {
    pub dir: PathBuf,
    pub manifest: Manifest,
    /// `None` for a new sweep.
    pub resume: Option<ResumePoint>,
    pub journal: LineWriter,
    pub lock: Lock,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The clock continues here: after the last stamp that was recorded.
    pub offset: Nanos,
    pub complete: BTreeSet<ArmSpec>,
    /// The highest attempt at each arm so far.
    pub attempts: BTreeMap<ArmSpec, u32>,
    /// Agents whose warm load was measured by a probe.
    pub probed: BTreeSet<(ConfigId, Topology, u32)>,
    /// Repairs that were made, in words.
    pub warnings: Vec<String>,
}

impl ResultsDir {
    /// Creates the folder if needed, takes it for this process, and writes the manifest. Fails when the folder
    /// holds results, another process has it, or it cannot be written.
    pub fn create(dir: &Path, manifest: Manifest) -> Result<Self, FolderError> {
        let lock = Lock::begin(dir)?;
        let journal_path = dir.join(JOURNAL_FILE);
        if dir.join(MANIFEST_FILE).exists() || journal_path.exists() {
            return Err(FolderError::AlreadyThere(dir.to_owned()));
        }
        write_manifest(dir, &manifest).map_err(FolderError::before_anything)?;
        let journal =
            LineWriter::create(&journal_path).map_err(FolderError::write(&journal_path))?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            resume: None,
            journal,
            lock,
        })
    }

    /// Takes a folder that an earlier process left and repairs it: an incomplete last line is moved into a file of
    /// its own beside it. Fails when it holds no sweep, another process has it, or its files are of another version or
    /// damaged elsewhere.
    pub fn resume(dir: &Path) -> Result<Self, FolderError> {
        FolderError::ensure_exists(&dir.join(MANIFEST_FILE))?;
        let lock = Lock::take(dir)?;
        let manifest = read_manifest(dir)?;
        let journal_path = dir.join(JOURNAL_FILE);
        let telemetry_path = dir.join(TELEMETRY_FILE);
        let mut point = ResumePoint::default();
        let mut last = Stamp::ZERO;
        let journal = repaired::<JournalLine>(&journal_path, &mut point.warnings)?;
        for numbered in lines(&journal) {
            let line = parse(&journal_path, "journal: ", numbered)?;
            last = last.max(point.add(line));
        }
        let telemetry = repaired::<Sample>(&telemetry_path, &mut point.warnings)?;
        if let Some(numbered) = lines(&telemetry).last() {
            let sample: Sample = parse(&telemetry_path, "", numbered)?;
            last = last.max(sample.at);
        }
        point.offset = Nanos((last.0 / RESUME_STEP + 1) * RESUME_STEP);
        let journal =
            LineWriter::append_to(&journal_path).map_err(FolderError::write(&journal_path))?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            resume: Some(point),
            journal,
            lock,
        })
    }

    /// Fails with a list of the differences unless a sweep under `now` is the same as the one in this folder: plan,
    /// repetitions, provenance, number and kind of servers, model.
    pub fn check_same(&self, now: &Manifest) -> Result<(), FolderError> {
        let differences = differences(&self.manifest, now);
        if differences.is_empty() {
            Ok(())
        } else {
            Err(FolderError::NotTheSame {
                dir: self.dir.clone(),
                differences,
            })
        }
    }
}

impl ResumePoint {
    /// Adds a line and returns its last stamp.
    fn add(&mut self, line: JournalLine) -> Stamp {
        let (run, arm, attempt, ended) = match line {
            JournalLine::Request(r) => {
                if r.role == RequestRole::Probe
                    && r.times.outcome.is_completed()
                    && r.times.counters.load.is_some()
                {
                    let config = r.run.config.clone();
                    self.probed.insert((config, r.run.topology, r.agent));
                }
                (r.run, r.arm, r.attempt, r.times.ended)
            }
            JournalLine::Step(s) => (s.run, s.arm, s.attempt, s.ended),
            JournalLine::Arm(a) => {
                if a.complete {
                    let (run, arm) = (a.run.clone(), a.arm);
                    self.complete.insert(ArmSpec { run, arm });
                }
                (a.run, a.arm, a.attempt, a.ended)
            }
            JournalLine::Mark(m) => return m.at,
        };
        let highest = self.attempts.entry(ArmSpec { run, arm }).or_default();
        *highest = (*highest).max(attempt);
        ended
    }
}

/// Writes `manifest.json` into a folder, whole or not at all. Fails when the folder cannot be written.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), FolderError> {
    let path = dir.join(MANIFEST_FILE);
    write_json(&path, manifest).map_err(FolderError::write(&path))
}

/// Reads `manifest.json` of a sweep that is to be resumed; another schema is refused.
pub fn read_manifest(dir: &Path) -> Result<Manifest, FolderError> {
    let path = dir.join(MANIFEST_FILE);
    FolderError::ensure_exists(&path)?;
    let ours = RESULTS_SCHEMA..=RESULTS_SCHEMA;
    match read_versioned::<Manifest>(&path, "manifest", ours, |file| file) {
        Ok((_, mut manifest)) => {
            manifest.header.settle_provenance();
            Ok(manifest)
        }
        Err(error) => Err(match error.kind {
            LoadErrorKind::OlderSchema { found, supported } => FolderError::OlderSchema {
                path,
                found,
                supported,
            },
            _ => FolderError::BadManifest(error),
        }),
    }
}

/// The lines of a file, none if it does not exist. An incomplete last line is moved to `<name>.cut` with a warning,
/// unless it lacks only its line feed.
fn repaired<T: DeserializeOwned>(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, FolderError> {
    let mut bytes = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(FolderError::read(path))?,
    };
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
    let tail = bytes.split_off(whole);
    if tail.is_empty() {
        return Ok(bytes);
    }
    let append = |path: &Path, text: &[u8]| {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text).map(|()| file));
        written.map_err(FolderError::write(path))
    };
    let line = [&tail[..], b"\n"].concat();
    if serde_json::from_slice::<T>(&tail).is_ok() {
        append(path, b"\n")?;
        bytes.extend(line);
        return Ok(bytes);
    }
    let mut cut = path.as_os_str().to_owned();
    cut.push(".cut");
    let cut = PathBuf::from(cut);
    append(&cut, &line)?;
    let shortened = append(path, b"")?.set_len(whole as u64);
    shortened.map_err(FolderError::write(path))?;
    warnings.push(format!(
        "{}: the last line was cut off while it was being written; its {} bytes were moved to {}",
        path.display(),
        tail.len(),
        cut.display()
    ));
    Ok(bytes)
}

/// Lines that are not empty, with their numbers from 1.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    let lines = bytes.split(|b| *b == b'\n').zip(1..);
    lines.filter(|(line, _)| !line.trim_ascii().is_empty())
}

/// `what` comes before the error's own text.
fn parse<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    (line, number): (&[u8], u64),
) -> Result<T, FolderError> {
    serde_json::from_slice(line).map_err(|e| FolderError::CorruptJournal {
        path: path.to_owned(),
        line: number,
        message: format!("{what}{e}"),
    })
}
