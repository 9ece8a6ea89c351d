//! Files of one JSON value.

use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::{Builder, NamedTempFile};

use crate::{LoadError, LoadErrorKind};

/// Reads a JSON file; an error names file and line.
pub fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, LoadError> {
    parse(path, &text_of(path)?, what)
}

fn text_of(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|e| LoadError::io(path, e))
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str, what: &'static str) -> Result<T, LoadError> {
    if text.trim().is_empty() {
        return Err(LoadError::new(path, LoadErrorKind::Empty));
    }
    serde_json::from_str(text).map_err(|e| json_error(path, &e, what))
}

/// Writes a JSON file whole or not at all. Fails when the folder cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Writes a file whole or not at all, in place of one that may be there. Fails when `write` does, and when the folder
/// cannot be written.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    temporary(path, write)?.persist(path)?;
    Ok(())
}

/// Writes a new file whole or not at all. Fails when `write` does, when the folder cannot be written, and when something
/// has the file's name, be it a link to nothing.
pub fn write_new(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    temporary(path, write)?.persist_noclobber(path)?;
    Ok(())
}

/// A file beside `path` with a name of its own and the permissions of any new file, written to the disk; it is removed
/// unless it gets its name.
fn temporary(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut file = Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .make_in(folder.unwrap_or(Path::new(".")), |path| {
            File::create_new(path)
        })?;
    let mut buffer = BufWriter::new(file.as_file_mut());
    write(&mut buffer)?;
    buffer.into_inner().map_err(IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    Ok(file)
}

pub(crate) fn json_error(path: &Path, error: &serde_json::Error, what: &'static str) -> LoadError {
    let message = error.to_string();
    LoadError {
        line: (error.line() > 0).then_some(error.line() as u64),
        ..LoadError::new(path, LoadErrorKind::Json { what, message })
    }
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u64,
}

/// Reads a file that has its version in `schema`, and returns the version too. `lift` converts an older version to the
/// newest supported one; other versions are refused before the file is parsed.
pub fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    supported: RangeInclusive<u32>,
    lift: fn(Value) -> Value,
) -> Result<(u32, T), LoadError> {
    let text = text_of(path)?;
    // A newer file may have another shape, so its version is read before anything else.
    let found = parse::<SchemaOnly>(path, &text, what)?.schema;
    let (oldest, newest) = (*supported.start(), *supported.end());
    let refused = match u32::try_from(found) {
        Ok(schema) if schema == newest => return Ok((schema, parse(path, &text, what)?)),
        Ok(schema) if supported.contains(&schema) => {
            let value = serde_json::from_value(lift(parse(path, &text, what)?));
            let value = value.map_err(|e| json_error(path, &e, what))?;
            return Ok((schema, value));
        }
        Ok(schema) if schema < oldest => LoadErrorKind::OlderSchema {
            found,
            supported: oldest,
        },
        _ => LoadErrorKind::NewerSchema {
            found,
            supported: newest,
        },
    };
    Err(LoadError::new(path, refused))
}
