//! Recorded traces: when requests came, and how long their prompts and answers were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::hash::sha256_hex;
use domain::record::{JournalLine, RequestRecord, RequestRole};
use domain::{Nanos, Stamp};
use serde_json::Value;

/// A recorded trace, in the order of its starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The file's name, without its folder.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The requests.
    pub entries: Vec<TraceEntry>,
}

/// One request of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// From the first start of the trace.
    pub start: Nanos,
    /// What was asked.
    pub prompt: TracePrompt,
    /// Tokens of the answer, where the trace says.
    pub output_tokens: Option<u32>,
    /// Requests of one session share an agent, and the beginning of made-up prompts. From 0, in
    /// order of appearance.
    pub session: Option<u32>,
}

/// What a trace says of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracePrompt {
    /// Its text.
    Text(Arc<str>),
    /// Its length in tokens; a text of about this length is made up.
    Tokens(u32),
    /// Nothing: the load's own prompt is sent.
    Unknown,
}

/// A trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It says something that is no trace.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and the fix.
        what: String,
    },
    /// It holds no request.
    #[error("{} holds no request; give a file with one a line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Longest prompt and answer, tokens: beyond it somebody mixed up columns.
const MOST_TOKENS: u64 = 10_000_000;

/// What is known of a request before starts are counted from the first one.
struct Row {
    at: Nanos,
    prompt: TracePrompt,
    output_tokens: Option<u32>,
    session: Option<String>,
}

/// Words for what a column holds, in lowercase.
const PROMPT_TOKENS: &[&str] = &[
    "prompt_tokens",
    "input_tokens",
    "input_length",
    "contexttokens",
    "request tokens",
];
const OUTPUT_TOKENS: &[&str] = &[
    "output_tokens",
    "output_length",
    "generatedtokens",
    "response tokens",
];
const PROMPT: &[&str] = &["prompt", "text"];
const SESSION: &[&str] = &["session", "session_id", "chat_id"];
/// Starts by their unit; `timestamp` has the unit of the trace that its other columns are of.
const START_S: &[&str] = &["start_s", "start", "arrived_at"];
const START_MS: &[&str] = &["start_ms"];
const TIMESTAMP: &str = "timestamp";

const COLUMNS: &str = "a start (start_s, start_ms, timestamp) and a length (prompt_tokens, \
                       input_length, ContextTokens) or a prompt";

impl Trace {
    /// How many sessions it has.
    pub fn sessions(&self) -> u32 {
        let last = self.entries.iter().filter_map(|entry| entry.session).max();
        last.map_or(0, |last| last + 1)
    }

    /// Reads a trace: JSON lines or CSV with a heading, requests.jsonl of a load, journal.jsonl of
    /// a sweep, or the folder of either.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let mut path = path.to_owned();
        if path.is_dir() {
            let inside = ["requests.jsonl", "journal.jsonl"].map(|name| path.join(name));
            if let Some(file) = inside.into_iter().find(|file| file.exists()) {
                path = file;
            }
        }
        let text = fs::read_to_string(&path).map_err(|source| TraceError::Read {
            path: path.clone(),
            source,
        })?;
        Self::parse(&path, &text)
    }

    /// A trace from its text. `path` is for its name and for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, TraceError> {
        let content = text.trim_start_matches('\u{feff}');
        let is_json = content.trim_start().starts_with('{');
        let rows = if is_json {
            from_json_lines(content)
        } else {
            from_csv(content)
        };
        let mut rows = rows.map_err(|(line, what)| TraceError::Line {
            path: path.to_owned(),
            line,
            what,
        })?;
        rows.sort_by_key(|row| row.at);
        let Some(first) = rows.first().map(|row| row.at) else {
            return Err(TraceError::Empty {
                path: path.to_owned(),
            });
        };
        let mut sessions = BTreeMap::new();
        let entries = rows
            .into_iter()
            .map(|row| TraceEntry {
                start: row.at.saturating_sub(first),
                prompt: row.prompt,
                output_tokens: row.output_tokens,
                session: row.session.map(|name| {
                    let next = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
                    *sessions.entry(name).or_insert(next)
                }),
            })
            .collect();
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            sha256: sha256_hex(text.as_bytes()),
            entries,
        })
    }
}

type AtLine<T> = Result<T, (u64, String)>;

fn from_json_lines(text: &str) -> AtLine<Vec<Row>> {
    let mut rows = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(line).map_err(|e| {
            (
                number,
                format!("no JSON object ({e}); one a line is wanted"),
            )
        })?;
        rows.extend(from_object(&value).map_err(|what| (number, what))?);
    }
    Ok(rows)
}

/// None for a line of a journal that is no request of the measured work.
fn from_object(value: &Value) -> Result<Option<Row>, String> {
    if let Some(line) = results::recorded(value) {
        let line =
            line.map_err(|e| format!("looks like a recorded request and is not one: {e}"))?;
        return Ok(match line {
            JournalLine::Request(record) if record.role == RequestRole::Main => {
                Some(of_record(&record))
            }
            _ => None,
        });
    }
    let object = value
        .as_object()
        .ok_or("no JSON object; one a line is wanted")?;
    let named: BTreeMap<String, &Value> = object
        .iter()
        .map(|(key, value)| (key.to_lowercase(), value))
        .collect();
    let cell = |name: &str| {
        named.get(name).and_then(|value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    };
    row(&named.keys().map(String::as_str).collect::<Vec<_>>(), cell).map(Some)
}

fn of_record(record: &RequestRecord) -> Row {
    let times = &record.times;
    let prompt = times.counters.prompt_eval_count;
    Row {
        at: times.scheduled.since(Stamp::ZERO),
        prompt: prompt
            .and_then(|n| u32::try_from(n).ok())
            .map_or(TracePrompt::Unknown, TracePrompt::Tokens),
        output_tokens: u32::try_from(times.tokens).ok().filter(|n| *n > 0),
        session: Some(match record.turn {
            Some(turn) => format!("session {}", turn.session),
            None => format!("agent {}", record.agent),
        }),
    }
}

fn from_csv(text: &str) -> AtLine<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = |e: &csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        (line, format!("no CSV row: {e}"))
    };
    let names: Vec<String> = reader
        .headers()
        .map_err(|e| at(&e))?
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| at(&e))?;
        let line = record.position().map_or(1, csv::Position::line);
        let cell = |name: &str| {
            let place = columns.iter().position(|column| *column == name)?;
            let text = record.get(place)?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        rows.push(row(&columns, cell).map_err(|what| (line, what))?);
    }
    Ok(rows)
}

/// A row from cells by their lowercase names.
fn row(columns: &[&str], cell: impl Fn(&str) -> Option<String>) -> Result<Row, String> {
    let first = |names: &[&'static str]| {
        let mut found = names.iter().map(|name| (*name, cell(name)));
        found.find_map(|(name, text)| Some((name, text?)))
    };
    let at = if let Some((name, text)) = first(START_S) {
        Nanos::from_secs_f64(number(name, &text)?)
    } else if let Some((name, text)) = first(START_MS) {
        Nanos::from_millis_f64(number(name, &text)?)
    } else if let Some(text) = cell(TIMESTAMP) {
        match text.parse::<f64>() {
            // Mooncake's are milliseconds; BurstGPT's, seconds.
            Ok(_) if columns.contains(&"input_length") => {
                Nanos::from_millis_f64(number(TIMESTAMP, &text)?)
            }
            Ok(_) => Nanos::from_secs_f64(number(TIMESTAMP, &text)?),
            Err(_) => moment(&text)?,
        }
    } else {
        return Err(format!("no start among {columns:?}; a trace has {COLUMNS}"));
    };
    let prompt = match (first(PROMPT), first(PROMPT_TOKENS)) {
        (Some((_, text)), _) => TracePrompt::Text(text.into()),
        (None, Some((name, text))) => TracePrompt::Tokens(count(name, &text)?),
        (None, None) => {
            return Err(format!(
                "no prompt among {columns:?}; a trace has {COLUMNS}"
            ));
        }
    };
    let output_tokens = first(OUTPUT_TOKENS)
        .map(|(name, text)| count(name, &text))
        .transpose()?
        .filter(|n| *n > 0);
    Ok(Row {
        at,
        prompt,
        output_tokens,
        session: first(SESSION).map(|(_, text)| text),
    })
}

fn number(name: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() && n >= 0.0 => Ok(n),
        _ => Err(format!("{name} is `{text}`; give a number, zero or more")),
    }
}

fn count(name: &str, text: &str) -> Result<u32, String> {
    text.parse::<f64>()
        .ok()
        .filter(|n| n.fract() == 0.0 && (0.0..=MOST_TOKENS as f64).contains(n))
        .map(|n| n as u32)
        .ok_or_else(|| {
            format!("{name} is `{text}`; give a whole number of tokens, 0 to {MOST_TOKENS}")
        })
}

/// Since 1970, of a date and time, as Azure's traces write them: UTC, with or without saying
/// so.
fn moment(text: &str) -> Result<Nanos, String> {
    let utc = text.strip_suffix("+00:00").unwrap_or(text);
    humantime::parse_rfc3339_weak(utc)
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .map(Nanos::from)
        .ok_or_else(|| {
            format!("timestamp is `{text}`; give seconds, or UTC as 2023-11-16 18:15:46.680")
        })
}

#[cfg(test)]
mod tests;
