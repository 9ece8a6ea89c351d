//! One process at a time writes into a results folder, and into that folder alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use domain::record::capacity::LEVELS_FOLDER;
use domain::record::{ARTEFACTS_FOLDER, TELEMETRY_FILE};

use crate::load::REPETITION;
use crate::{FolderError, Kind};

const LOCK_FILE: &str = "tandem.lock";

/// A results folder's lock. It ends with the process.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough while a starting child process still has a copy of the handle.
        let _ = self.0.unlock();
    }
}

impl Lock {
    /// Creates the folder if needed and takes it for a new run. Fails if another process holds it, or if a link in it
    /// would lead writes out of it.
    pub fn begin(dir: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(dir).map_err(FolderError::begin(dir))?;
        Self::take(dir).map_err(FolderError::before_anything)
    }

    /// Takes a folder in which a run is resumed; fails as [`Lock::begin`] does.
    pub fn take(dir: &Path) -> Result<Self, FolderError> {
        refuse_links(dir)?;
        let path = dir.join(LOCK_FILE);
        let failed = |source| FolderError::write(&path)(source);
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
                // The owner's id is only for the message.
                let _ = file.read_to_string(&mut owner);
                return Err(FolderError::InUse {
                    dir: dir.to_owned(),
                    owner: owner.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The file stays when the run ends: removing it would let two processes lock two files of one name.
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        write!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self(file))
    }
}

/// Refuses a folder with a link where a run writes: a folder prepared by another user could redirect the writes
/// anywhere.
fn refuse_links(dir: &Path) -> Result<(), FolderError> {
    let of_kinds = Kind::ALL.into_iter();
    let of_kinds = of_kinds.flat_map(|kind| [Some(kind.file()), kind.lines()]);
    let others = [LOCK_FILE, TELEMETRY_FILE, ARTEFACTS_FOLDER, LEVELS_FOLDER];
    // `manifest` for `manifest.json`, and for `manifest.json.abc123.tmp`, which it is written to first.
    let stem = |name: &str| name.split('.').next().map(str::to_owned);
    let ours: Vec<_> = of_kinds.flatten().chain(others).map(stem).collect();
    for entry in fs::read_dir(dir).map_err(FolderError::read(dir))? {
        let entry = entry.map_err(FolderError::read(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ours.contains(&stem(&name)) || name.starts_with(REPETITION) {
            refuse_link(&entry)?;
        }
    }
    Ok(())
}

/// Refuses a link, and a folder that holds one at any depth.
fn refuse_link(entry: &fs::DirEntry) -> Result<(), FolderError> {
    let path = entry.path();
    let kind = entry.file_type().map_err(FolderError::read(&path))?;
    if kind.is_symlink() {
        return Err(FolderError::Link(path));
    }
    if kind.is_dir() {
        for entry in fs::read_dir(&path).map_err(FolderError::read(&path))? {
            refuse_link(&entry.map_err(FolderError::read(&path))?)?;
        }
    }
    Ok(())
}
