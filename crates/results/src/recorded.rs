//! Reads record lines of any file and any version.

use domain::record::{JournalLine, schema1};
use serde_json::{Value, json};

/// Reads a line of a journal or of a load's requests; a request is returned as a journal line. `None` for a value
/// that is neither. Fails when it begins as one and cannot be read as one.
pub fn recorded(line: &Value) -> Option<serde_json::Result<JournalLine>> {
    let object = line.as_object()?;
    let now = if object.contains_key("t") {
        schema1::journal_line(line.clone())
    } else if object.contains_key("prompt_sha256") {
        let mut row = line.clone();
        if !object.contains_key("times") {
            row = schema1::request(row);
        }
        json!({ "request": row })
    } else {
        let ours = ["request", "step", "arm", "mark"].map(|what| object.get(what));
        let ours = object.len() == 1 && ours.iter().flatten().any(|content| content.is_object());
        ours.then(|| line.clone())?
    };
    Some(serde_json::from_value(now))
}
