//! Files of one JSON value.

use std::fs;
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

/// Refuses a file of another version. Call it first: a newer file may not even parse as ours.
pub fn refuse_schema(path: &Path, what: &'static str, supported: u32) -> Result<(), LoadError> {
    let found = read_json::<SchemaOnly>(path, what)?.schema;
    if found == u64::from(supported) {
        return Ok(());
    }
    let kind = if found > u64::from(supported) {
        LoadErrorKind::NewerSchema { found, supported }
    } else {
        LoadErrorKind::OlderSchema { found, supported }
    };
    Err(LoadError::new(path, kind))
}
