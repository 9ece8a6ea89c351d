//! Imports recorded sessions. Each format has a file, which finds sessions and calls with their moments; `timed` makes a
//! workload of them.

mod claude_code;
mod codex;
mod otel;
mod requests;
mod timed;
mod weka;

use std::path::PathBuf;

use chrono::DateTime;
use domain::hash::sha256_hex;
use serde::Deserialize;

use crate::error::FileError;
use crate::file::{Source, SourceFile, SourceKind};
use crate::graph::Workload;

use self::timed::{Recording, fitting};

/// A file that is imported.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// Without a byte order mark.
    pub(crate) text: String,
    /// Of the file's bytes.
    sha256: String,
}

impl Input {
    pub(crate) fn new(path: PathBuf, text: &str) -> Self {
        Self {
            path,
            text: text.trim_start_matches('\u{feff}').to_owned(),
            sha256: sha256_hex(text.as_bytes()),
        }
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The mistake of a line, counted from 1.
    fn mistake(&self, line: u64, what: impl Into<String>) -> FileError {
        FileError::new(&self.path, Some(line), what)
    }

    /// The lines that are not blank, as JSON, with their numbers.
    fn json_lines<'i, T: Deserialize<'i>>(
        &'i self,
    ) -> impl Iterator<Item = Result<(u64, T), FileError>> {
        let lines = (1..).zip(self.text.lines());
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(number, line)| {
            let value = serde_json::from_str(line);
            let value = value.map_err(|error| {
                let mut error = FileError::json(&self.path, Some(number), &error);
                error.what += "; this format has one JSON object a line";
                error
            })?;
            Ok((number, value))
        })
    }

    /// Nanoseconds since 1970 of a date and time with an offset.
    fn moment(&self, line: u64, text: &str) -> Result<i64, FileError> {
        let parsed = DateTime::parse_from_rfc3339(text).ok();
        let nanos = parsed.and_then(|at| at.timestamp_nanos_opt());
        nanos.ok_or_else(|| {
            let what = format!("`{text}` is no time; give one as 2026-11-16T18:15:46.680Z");
            self.mistake(line, what)
        })
    }
}

/// Imports files of one format. Fails when a file has a mistake, or holds no call.
pub(crate) fn import(kind: SourceKind, inputs: &[Input]) -> Result<Workload, FileError> {
    let recording: Recording = match kind {
        SourceKind::Weka => weka::read(inputs),
        SourceKind::ClaudeCode => claude_code::read(inputs),
        SourceKind::Codex => codex::read(inputs),
        SourceKind::Otel => otel::read(inputs),
        SourceKind::Trace => requests::read(inputs),
        SourceKind::Recorder | SourceKind::Written => {
            let what = format!("{kind} is no format of a source; leave --from out");
            Err(FileError::new(&inputs[0].path, None, what))
        }
    }?;
    let file = |input: &Input| SourceFile {
        name: fitting(&input.name()),
        sha256: input.sha256.clone(),
    };
    let files = inputs.iter().map(file).collect();
    let imported = recording.into_workload(Source { kind, files });
    imported.map_err(|(input, what)| match (input, inputs) {
        (Some(at), _) => FileError::new(&inputs[at].path, None, what),
        (None, [input]) => FileError::new(&input.path, None, what),
        (None, _) => {
            let what = format!(
                "in one of the {} files from this one on: {what}",
                inputs.len()
            );
            FileError::new(&inputs[0].path, None, what)
        }
    })
}
