//! Opens a file of any known format, recognised by its content.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::FileError;
use crate::file::{FORMAT, SourceKind};
use crate::graph::Workload;
use crate::import::{Input, import};
use crate::read::text_of;
use crate::trace::file_in;

/// Lines of a file that are looked at: logs begin with records that many programs could have written.
const LINES: usize = 50;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Sessions,
    Source(SourceKind),
}

/// Reads a sessions file, or imports files of one source, at least one. `from` is their format, which is detected if it is absent.
/// Fails when a file cannot be read or has a mistake, and when files of several formats are given.
pub fn open(paths: &[PathBuf], from: Option<SourceKind>) -> Result<Workload, FileError> {
    let input = |path: &PathBuf| {
        let path = file_in(path);
        let text = text_of(&path)?;
        Ok(Input::new(path, &text))
    };
    let mut inputs: Vec<Input> = paths.iter().map(input).collect::<Result<_, _>>()?;
    // A program that wrote nothing leaves an empty log beside the others.
    let is_blank = |input: &Input| input.text.trim().is_empty();
    if !inputs.iter().all(is_blank) {
        inputs.retain(|input| !is_blank(input));
    }
    of_inputs(&inputs, from)
}

/// As [`open`], of one file with this text.
pub fn parse(path: &Path, text: &str, from: Option<SourceKind>) -> Result<Workload, FileError> {
    of_inputs(&[Input::new(path.to_owned(), text)], from)
}

fn of_inputs(inputs: &[Input], from: Option<SourceKind>) -> Result<Workload, FileError> {
    let formats = inputs
        .iter()
        .map(|input| from.map_or_else(|| detect(&input.text), Format::Source));
    let formats: Vec<Format> = formats.collect();
    let first = formats[0];
    let other = formats.iter().position(|format| *format != first);
    if let Some(at) = other.or((first == Format::Sessions && formats.len() > 1).then_some(1)) {
        let (this, that) = (formats[at].words(), first.words());
        let what = format!(
            "is {this} and the first file is {that}; give one sessions file, or files of one source"
        );
        return Err(FileError::new(&inputs[at].path, None, what));
    }
    match first {
        Format::Sessions => Workload::parse(&inputs[0].path, &inputs[0].text),
        Format::Source(kind) => import(kind, inputs).map_err(|mut error| {
            if from.is_none() && kind == SourceKind::Trace {
                error.what += "; if it is no trace of requests, name its format with --from";
            }
            error
        }),
    }
}

impl Format {
    fn words(self) -> String {
        match self {
            Self::Sessions => "a sessions file".to_owned(),
            Self::Source(kind) => format!("of the format {kind}"),
        }
    }
}

/// What is no other format is taken for a trace, whose reader names what it wants.
fn detect(text: &str) -> Format {
    let text = text.trim_start();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut lines = lines
        .take(LINES)
        .map_while(|line| serde_json::from_str(line).ok());
    let whole = || {
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        values.next().and_then(Result::ok)
    };
    let first: Option<Value> = lines.next().or_else(whole);
    let Some(first) = first else {
        return Format::Source(SourceKind::Trace);
    };
    let mut values = std::iter::once(first).chain(lines);
    values
        .find_map(|value| of_value(&value))
        .unwrap_or(Format::Source(SourceKind::Trace))
}

fn of_value(value: &Value) -> Option<Format> {
    let first = value.get(0).unwrap_or(value);
    let has = |key: &str| first.get(key).is_some();
    if first["format"] == FORMAT {
        return Some(Format::Sessions);
    }
    let is_span = has("attributes") && ["spanId", "span_id", "context"].into_iter().any(has);
    let kinds = [
        (SourceKind::Weka, has("requests") && has("block_size")),
        (SourceKind::Otel, has("resourceSpans") || is_span),
        (SourceKind::Codex, has("payload") && has("timestamp")),
        (
            SourceKind::ClaudeCode,
            ["sessionId", "parentUuid", "leafUuid"].into_iter().any(has)
                || first["type"] == "file-history-snapshot"
                || (first["type"] == "summary" && has("summary")),
        ),
    ];
    let found = kinds.into_iter().find(|(_, is_found)| *is_found);
    found.map(|(kind, _)| Format::Source(kind))
}
