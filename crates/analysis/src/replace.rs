//! Replaces a folder in one step: either every file of the new folder is there, or the old one stays.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use domain::exit::{Exit, Fails};
use same_file::Handle;

/// A folder could not be replaced; it is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    #[error("{}: cannot be written; what was there before is unchanged", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The folder holds something else.
    #[error("{}: is not empty and holds no {marker}; give --out a new or an empty folder", path.display())]
    Foreign {
        path: PathBuf,
        /// The file that a folder of this kind holds.
        marker: &'static str,
    },
    /// The folder is of this kind, and another file or folder was put into it.
    #[error(
        "{}: was not written by this command, and replacing the folder would remove it; move it, or give \
         --out another folder",
        entry.display()
    )]
    Mixed {
        /// The file or folder.
        entry: PathBuf,
    },
}

impl Fails for ReplaceError {
    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Environment,
            Self::Foreign { .. } | Self::Mixed { .. } => Exit::Usage,
        }
    }
}

impl ReplaceError {
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Lets `fill` write a new folder beside `dir`, then puts it in the place of `dir`, which must be absent, empty,
/// or hold a file named `marker` and apart from it only `entries`. Processes that replace one folder at the same
/// time wait for each other.
pub(crate) fn folder<T, E: From<ReplaceError>>(
    dir: &Path,
    marker: &'static str,
    entries: &[&str],
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let sibling = |what: &str| parent.join(format!(".{name}.{what}"));
    let [fresh, old, lock] = ["partial", "old", "lock"].map(sibling);
    fs::create_dir_all(parent).map_err(|e| ReplaceError::write(parent, e))?;
    let held = take(&lock).map_err(|e| ReplaceError::write(&lock, e))?;
    let prepare = || {
        recover(dir, &old, marker)?;
        refuse_foreign(dir, marker, entries)?;
        remove_if_there(&fresh)?;
        fs::create_dir(&fresh).map_err(|e| ReplaceError::write(&fresh, e))
    };
    let result = prepare().map_err(E::from).and_then(|()| {
        let filled = fill(&fresh)?;
        swap(&fresh, dir, &old)?;
        Ok(filled)
    });
    if result.is_err() {
        // Only this process uses the partial folder; failing to remove it must not hide the cause.
        let _ = fs::remove_dir_all(&fresh);
    }
    // Removed while it is held, so that a process that waits for it finds another file there. One that
    // stays does no harm.
    let _ = fs::remove_file(&lock);
    drop(held);
    result
}

/// Waits until this process holds the lock file at `path`.
fn take(path: &Path) -> io::Result<File> {
    loop {
        if path.is_symlink() {
            fs::remove_file(path)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        match file.lock() {
            // A file system without locks.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            locked => locked?,
        }
        // The holder before removed the file when it was done, and another process may have made a new one.
        let held = Handle::from_file(file.try_clone()?)?;
        if Handle::from_path(path).is_ok_and(|there| there == held) {
            return Ok(file);
        }
    }
}

/// Puts the old folder back if a process was killed between the two renames.
fn recover(dir: &Path, old: &Path, marker: &str) -> Result<(), ReplaceError> {
    if old.join(marker).is_file() && !dir.exists() {
        fs::rename(old, dir).map_err(|e| ReplaceError::write(dir, e))?;
    }
    Ok(())
}

/// Ignores hidden files beside the marker: a file manager writes them.
fn refuse_foreign(dir: &Path, marker: &'static str, entries: &[&str]) -> Result<(), ReplaceError> {
    let unreadable = |e| ReplaceError::write(dir, e);
    let list = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        list => list.map_err(unreadable)?,
    };
    let mut foreign = None;
    for entry in list {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if name != marker && !name.starts_with('.') && !entries.contains(&name.as_ref()) {
            foreign = Some(dir.join(name.as_ref()));
        }
    }
    let is_of_this_kind = dir.join(marker).is_file();
    match foreign {
        Some(entry) if is_of_this_kind => Err(ReplaceError::Mixed { entry }),
        None if is_of_this_kind || is_empty(dir).map_err(unreadable)? => Ok(()),
        _ => Err(ReplaceError::Foreign {
            path: dir.to_owned(),
            marker,
        }),
    }
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(dir)?.next().is_none())
}

fn swap(fresh: &Path, dir: &Path, old: &Path) -> Result<(), ReplaceError> {
    remove_if_there(old)?;
    let had = dir.exists();
    if had {
        fs::rename(dir, old).map_err(|e| ReplaceError::write(dir, e))?;
    }
    if let Err(e) = fs::rename(fresh, dir) {
        if had {
            fs::rename(old, dir).map_err(|e| ReplaceError::write(dir, e))?;
        }
        return Err(ReplaceError::write(dir, e));
    }
    remove_if_there(old)
}

fn remove_if_there(dir: &Path) -> Result<(), ReplaceError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ReplaceError::write(dir, e)),
        _ => Ok(()),
    }
}
