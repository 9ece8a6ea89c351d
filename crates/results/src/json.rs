//! Files of one JSON value.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// Reads a file that says its version in `schema`, and returns that too. What is older than the
/// newest supported version is lifted to it; what is not supported is refused before it is parsed.
pub fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    supported: RangeInclusive<u32>,
    lift: fn(Value) -> Value,
) -> Result<(u32, T), LoadError> {
    let found = read_json::<SchemaOnly>(path, what)?.schema;
    let (oldest, newest) = (*supported.start(), *supported.end());
    let refused = match u32::try_from(found) {
        Ok(schema) if schema == newest => return Ok((schema, read_json(path, what)?)),
        Ok(schema) if supported.contains(&schema) => {
            let value = serde_json::from_value(lift(read_json(path, what)?));
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
