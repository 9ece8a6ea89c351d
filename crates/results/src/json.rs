//! Files of one JSON value.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{LoadError, LoadErrorKind};

/// Reads a JSON file; an error names file and line.
pub fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, LoadError> {
    let text = fs::read_to_string(path).map_err(|e| LoadError::io(path, e))?;
    if text.trim().is_empty() {
        return Err(LoadError::new(path, LoadErrorKind::Empty));
    }
    serde_json::from_str(&text).map_err(|e| json_error(path, &e, what))
}

pub(crate) fn json_error(path: &Path, error: &serde_json::Error, what: &'static str) -> LoadError {
    let message = error.to_string();
    LoadError {
        path: path.to_owned(),
        line: (error.line() > 0).then_some(error.line() as u64),
        kind: LoadErrorKind::Json { what, message },
        can_be_left_out: false,
    }
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u64,
}

/// The file's version. One that is newer or older than those that can be read is refused. Call it
/// first: a newer file may not even parse as ours.
pub fn read_schema(
    path: &Path,
    what: &'static str,
    supported: RangeInclusive<u32>,
) -> Result<u32, LoadError> {
    let found = read_json::<SchemaOnly>(path, what)?.schema;
    let (oldest, newest) = (*supported.start(), *supported.end());
    let kind = match u32::try_from(found) {
        Ok(schema) if supported.contains(&schema) => return Ok(schema),
        Ok(schema) if schema < oldest => LoadErrorKind::OlderSchema {
            found,
            supported: oldest,
        },
        _ => LoadErrorKind::NewerSchema {
            found,
            supported: newest,
        },
    };
    Err(LoadError::new(path, kind))
}
