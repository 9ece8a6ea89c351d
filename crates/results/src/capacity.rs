//! A capacity run's folder: `capacity.json`, and under `levels` a load's folder for each level.

use std::path::{Path, PathBuf};

use domain::record::capacity::{
    CAPACITY_FILE, CAPACITY_SCHEMA, CapacityRecord, LEVELS_FOLDER, LevelRecord, level_folder,
};
use domain::record::load::{LOAD_SCHEMA, REQUESTS_FILE};
use domain::record::{RequestRecord, schema1};

use crate::{
    FolderError, LeftOut, LoadError, LoadErrorKind, Lock, load, read_versioned, write_json,
};

const WHAT: &str = "capacity run";

/// Reads `capacity.json`, and returns the version that it was written in. Fails when it is missing, unreadable, or
/// of a newer version.
pub fn read(folder: &Path) -> Result<(u32, CapacityRecord), LoadError> {
    let path = folder.join(CAPACITY_FILE);
    let supported = 1..=CAPACITY_SCHEMA;
    let (schema, mut record): (_, CapacityRecord) =
        read_versioned(&path, WHAT, supported, schema1::with_header)?;
    record.header.settle_provenance();
    Ok((schema, record))
}

/// Takes the folder of a run that is to be resumed and reads its `capacity.json`. Another version is refused, because
/// a resumed run appends rows in this program's format.
pub fn resume(folder: &Path) -> Result<(Lock, CapacityRecord), FolderError> {
    let path = folder.join(CAPACITY_FILE);
    FolderError::ensure_exists(&path)?;
    let lock = Lock::take(folder)?;
    let ours = CAPACITY_SCHEMA..=CAPACITY_SCHEMA;
    let read = read_versioned(&path, WHAT, ours, |file| file);
    let (_, mut record): (_, CapacityRecord) = read.map_err(FolderError::BadManifest)?;
    record.header.settle_provenance();
    Ok((lock, record))
}

/// Replaces `capacity.json` in one step. Fails when it cannot be written; the old one stays then.
pub fn write(folder: &Path, record: &CapacityRecord) -> Result<(), FolderError> {
    let path = folder.join(CAPACITY_FILE);
    write_json(&path, record).map_err(FolderError::write(&path))
}

/// The folder of the next level of a run. A killed run leaves the rows of its last level; they stay, and the level is
/// run again in a folder of its own.
pub fn next_level(folder: &Path, record: &CapacityRecord, agents: u32) -> PathBuf {
    let name = level_folder(record.probes.len() + 1, agents);
    let levels = folder.join(LEVELS_FOLDER);
    let mut level = levels.join(&name);
    let mut attempt = 1_u32;
    while level.exists() {
        attempt += 1;
        level = levels.join(format!("{name}-{attempt}"));
    }
    level
}

/// Reads the requests of a level of a run whose `capacity.json` has the version `schema`, as [`load::rows`] does.
pub fn rows(
    folder: &Path,
    schema: u32,
    probe: &LevelRecord,
    left_out: &mut LeftOut,
) -> Result<Vec<RequestRecord>, LoadError> {
    let level = folder.join(LEVELS_FOLDER).join(&probe.folder);
    let path = level.join(REQUESTS_FILE);
    // The versions of levels and runs rose together.
    let schema = schema + (LOAD_SCHEMA - CAPACITY_SCHEMA);
    let before = left_out.warnings.len();
    let rows = load::rows(&path, schema, left_out);
    for text in &mut left_out.warnings[before..] {
        *text = format!("{}: {text}", probe.folder);
    }
    match rows {
        // A level that was stopped before a request had ended.
        Err(error) if matches!(error.kind, LoadErrorKind::Empty) && probe.window.is_none() => {
            Ok(Vec::new())
        }
        other => other.map_err(LoadError::of_a_part),
    }
}
