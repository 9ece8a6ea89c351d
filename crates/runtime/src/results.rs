//! A results folder: held by one sweep at a time, created once, resumed after an interruption.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use domain::plan::{Arm, ConfigId, Topology};
use domain::record::{JournalLine, Manifest, RequestRole, RunKey};
use domain::telemetry::Sample;
use domain::{Nanos, Stamp};
use serde::de::DeserializeOwned;

use crate::error::RuntimeError;
use crate::journal::{JOURNAL_FILE, Journal};
use crate::manifest::{MANIFEST_FILE, read_manifest, write_manifest};

/// File name of the telemetry inside a results folder.
pub(crate) const TELEMETRY_FILE: &str = "telemetry.jsonl";
/// Folder of the agents' artefacts inside a results folder.
pub(crate) const ARTEFACTS_DIR: &str = "artefacts";
const LOCK_FILE: &str = "sweep.lock";

/// Stamps of a resumed sweep begin on a multiple of this, so that virtual time keeps falling on
/// whole microseconds.
const RESUME_STEP: u64 = 1_000_000;

/// A results folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct ResultsDir {
    pub(crate) dir: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) resume: Option<ResumePoint>,
    pub(crate) journal: Journal,
    pub(crate) lock: Lock,
}

/// The folder's lock. It ends with the process however that ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, but not while a child process that is just being started still holds a
        // copy of the handle.
        let _ = self.0.unlock();
    }
}

/// Where a stopped sweep goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// Where the clock goes on: after the last stamp that was recorded.
    pub offset: Nanos,
    /// Arms that need not be run again.
    pub complete: BTreeSet<(RunKey, Arm)>,
    /// The highest attempt at each arm so far.
    pub attempts: BTreeMap<(RunKey, Arm), u32>,
    /// Agents whose warm load was measured by a probe.
    pub probed: BTreeSet<(ConfigId, Topology, u32)>,
    /// What had to be repaired, in words.
    pub warnings: Vec<String>,
}

impl ResultsDir {
    /// Makes the folder, takes it for this process, and writes the manifest.
    pub fn create(dir: &Path, manifest: Manifest) -> Result<Self, RuntimeError> {
        fs::create_dir_all(dir).map_err(|source| RuntimeError::Write {
            path: dir.to_owned(),
            source,
        })?;
        let lock = take_lock(dir)?;
        let journal_path = dir.join(JOURNAL_FILE);
        if dir.join(MANIFEST_FILE).exists() || journal_path.exists() {
            return Err(RuntimeError::AlreadyThere {
                dir: dir.to_owned(),
            });
        }
        write_manifest(dir, &manifest)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&journal_path)
            .map_err(|source| RuntimeError::Write {
                path: journal_path.clone(),
                source,
            })?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            resume: None,
            journal: Journal::new(journal_path, Box::new(file)),
            lock,
        })
    }

    /// Takes a folder that an earlier process left, and repairs what it left half written: the end
    /// of a line that was being written is moved into a file of its own beside it.
    pub fn resume(dir: &Path) -> Result<Self, RuntimeError> {
        if !dir.join(MANIFEST_FILE).exists() {
            return Err(RuntimeError::NothingThere {
                dir: dir.to_owned(),
            });
        }
        let lock = take_lock(dir)?;
        let manifest = read_manifest(dir)?;
        let journal_path = dir.join(JOURNAL_FILE);
        let telemetry_path = dir.join(TELEMETRY_FILE);
        let mut warnings = Vec::new();
        warnings.extend(repair::<JournalLine>(&journal_path)?);
        warnings.extend(repair::<Sample>(&telemetry_path)?);
        let mut point = ResumePoint {
            warnings,
            ..ResumePoint::default()
        };
        let mut last = Stamp::ZERO;
        for line in read_lines::<JournalLine>(&journal_path)? {
            point.take_in(&line);
            last = last.max(ended(&line));
        }
        if let Some(sample) = last_line::<Sample>(&telemetry_path)? {
            last = last.max(sample.at);
        }
        point.offset = Nanos((last.0 / RESUME_STEP + 1) * RESUME_STEP);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&journal_path)
            .map_err(|source| RuntimeError::Write {
                path: journal_path.clone(),
                source,
            })?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            resume: Some(point),
            journal: Journal::new(journal_path, Box::new(file)),
            lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The manifest, as written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where a resumed sweep goes on; `None` for a new one.
    pub fn resume_point(&self) -> Option<&ResumePoint> {
        self.resume.as_ref()
    }

    /// An error that lists the differences, unless a sweep under `now` would be the same as the
    /// one in this folder: plan, repetitions, provenance, number and kind of servers, model.
    pub fn check_same(&self, now: &Manifest) -> Result<(), RuntimeError> {
        let differences = differences(&self.manifest, now);
        if differences.is_empty() {
            Ok(())
        } else {
            Err(RuntimeError::NotTheSame {
                dir: self.dir.clone(),
                differences,
            })
        }
    }
}

impl ResumePoint {
    fn take_in(&mut self, line: &JournalLine) {
        let (run, arm, attempt) = match line {
            JournalLine::Request(r) => {
                if r.role == RequestRole::Probe
                    && r.times.outcome.is_completed()
                    && r.times.counters.load.is_some()
                {
                    self.probed
                        .insert((r.run.config.clone(), r.run.topology, r.agent));
                }
                (&r.run, r.arm, r.attempt)
            }
            JournalLine::Step(s) => (&s.run, s.arm, s.attempt),
            JournalLine::Arm(a) => {
                if a.complete {
                    self.complete.insert((a.run.clone(), a.arm));
                }
                (&a.run, a.arm, a.attempt)
            }
            JournalLine::Mark(_) => return,
        };
        let highest = self.attempts.entry((run.clone(), arm)).or_default();
        *highest = (*highest).max(attempt);
    }
}

/// The last moment that a line speaks of.
fn ended(line: &JournalLine) -> Stamp {
    match line {
        JournalLine::Request(r) => r.times.ended,
        JournalLine::Step(s) => s.ended,
        JournalLine::Arm(a) => a.ended,
        JournalLine::Mark(m) => m.at,
    }
}

fn take_lock(dir: &Path) -> Result<Lock, RuntimeError> {
    let path = dir.join(LOCK_FILE);
    let failed = |source| RuntimeError::Write {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Who holds it is a courtesy; that it is held is the fact.
            let _ = file.read_to_string(&mut owner);
            return Err(RuntimeError::InUse {
                dir: dir.to_owned(),
                owner: owner.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // The file stays when the sweep ends: removing it would let two processes lock two files of
    // one name.
    file.set_len(0).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    write!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(Lock(file))
}

fn read_whole(path: &Path) -> Result<Option<Vec<u8>>, RuntimeError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RuntimeError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes the file end in a whole line. What was cut off in the middle moves to `<name>.cut`, which
/// gathers all such ends; says so in words.
fn repair<T: DeserializeOwned>(path: &Path) -> Result<Option<String>, RuntimeError> {
    let Some(bytes) = read_whole(path)? else {
        return Ok(None);
    };
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let tail = &bytes[whole..];
    if tail.is_empty() {
        return Ok(None);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RuntimeError::Write { path, source }
    };
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(failed(path))?;
    if serde_json::from_slice::<T>(tail).is_ok() {
        file.write_all(b"\n").map_err(failed(path))?;
        return Ok(None);
    }
    let mut cut_name = path.as_os_str().to_owned();
    cut_name.push(".cut");
    let cut = PathBuf::from(cut_name);
    let mut aside = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&cut)
        .map_err(failed(&cut))?;
    aside.write_all(tail).map_err(failed(&cut))?;
    aside.write_all(b"\n").map_err(failed(&cut))?;
    file.set_len(whole as u64).map_err(failed(path))?;
    Ok(Some(format!(
        "{}: the last line was cut off while it was being written; its {} bytes were moved to {}",
        path.display(),
        tail.len(),
        cut.display()
    )))
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RuntimeError> {
    let bytes = read_whole(path)?.unwrap_or_default();
    bytes
        .split(|b| *b == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| {
            serde_json::from_slice(line).map_err(|e| RuntimeError::CorruptJournal {
                path: path.to_owned(),
                line: number,
                message: e.to_string(),
            })
        })
        .collect()
}

fn last_line<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RuntimeError> {
    let bytes = read_whole(path)?.unwrap_or_default();
    let lines = bytes.split(|b| *b == b'\n').zip(1..);
    let Some((line, number)) = lines.filter(|(line, _)| !line.is_empty()).last() else {
        return Ok(None);
    };
    serde_json::from_slice(line)
        .map(Some)
        .map_err(|e| RuntimeError::CorruptJournal {
            path: path.to_owned(),
            line: number,
            message: e.to_string(),
        })
}

fn differences(there: &Manifest, here: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |key: &str, there: String, here: String| {
        if there != here {
            found.push(format!("{key}: there {there}, here {here}"));
        }
    };
    compare(
        "repetitions",
        there.repetitions.to_string(),
        here.repetitions.to_string(),
    );
    compare(
        "provenance",
        format!("{:?}", there.header.provenance),
        format!("{:?}", here.header.provenance),
    );
    compare(
        "endpoints",
        there.header.endpoints.len().to_string(),
        here.header.endpoints.len().to_string(),
    );
    for (i, (a, b)) in there
        .header
        .endpoints
        .iter()
        .zip(&here.header.endpoints)
        .enumerate()
    {
        compare(
            &format!("endpoints[{i}].server"),
            format!("{} {}", a.server.kind, a.server.version),
            format!("{} {}", b.server.kind, b.server.version),
        );
        let digest = |facts: &domain::record::EndpointFacts| {
            facts
                .model
                .as_ref()
                .and_then(|model| model.digest.clone())
                .unwrap_or_else(|| "unknown".to_owned())
        };
        compare(
            &format!("endpoints[{i}].model.digest"),
            digest(a),
            digest(b),
        );
    }
    if there.plan_hash != here.plan_hash {
        let plan = |manifest: &Manifest| {
            serde_json::to_value(&manifest.plan).expect("a plan has no maps with non-string keys")
        };
        let before = found.len();
        value_differences("plan", &plan(there), &plan(here), &mut found);
        if found.len() == before {
            found.push(format!(
                "plan_hash: there {}, here {}",
                there.plan_hash, here.plan_hash
            ));
        }
    }
    found
}

/// Paths at which two JSON values differ.
fn value_differences(
    path: &str,
    there: &serde_json::Value,
    here: &serde_json::Value,
    found: &mut Vec<String>,
) {
    use serde_json::Value;
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                value_differences(
                    &format!("{path}.{key}"),
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                value_differences(&format!("{path}[{i}]"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            found.push(format!(
                "{path}: there {} entries, here {}",
                a.len(),
                b.len()
            ));
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: there {a}, here {b}")),
    }
}

/// Where a sweep in a folder would go on, and the manifest it would go on under. Takes the folder
/// only while it looks; [`ResultsDir::resume`] keeps it.
pub fn resume_point(dir: &Path) -> Result<ResumePoint, RuntimeError> {
    ResultsDir::resume(dir).map(|results| results.resume.unwrap_or_default())
}
