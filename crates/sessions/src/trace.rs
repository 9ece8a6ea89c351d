//! Recorded traces: the starts of requests, and the lengths of their prompts and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use domain::hash::sha256_hex;
use domain::plan::limits;
use domain::record::{JournalLine, RequestRecord, RequestRole};
use domain::{Nanos, Stamp};
use serde_json::Value;
use serde_json::value::RawValue;

/// A recorded trace, sorted by start.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The file's name, without its folder.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    pub entries: Vec<TraceEntry>,
    /// Column and unit of the starts: `timestamp in milliseconds since 1970`.
    pub starts: String,
    /// Requests without a response in the recording, which are not sent.
    pub skipped: u32,
    /// Unused columns, in lowercase and in alphabetical order.
    pub unused: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// Time since the first start of the trace.
    pub start: Nanos,
    pub prompt: TracePrompt,
    /// Tokens of the answer, if the trace has them.
    pub output_tokens: Option<u32>,
    /// Number of the session, from 0 in order of appearance. Requests of a session share an agent, and the
    /// beginning of generated prompts.
    pub session: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracePrompt {
    Text(Arc<str>),
    /// Its length in tokens; a text of about this length is generated.
    Tokens(u32),
    /// Unknown: the load's own prompt is sent.
    Unknown,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    #[error("failed to read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{}:{line}: {what}", path.display())]
    Line {
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The mistake and the fix.
        what: String,
    },
    #[error("{} holds no request; give a file with one a line", .0.display())]
    Empty(PathBuf),
}

/// More tokens are a sign of mixed-up columns.
const MOST_TOKENS: u32 = limits::TOKENS.most;
/// Longest time from the first start to the last; a longer one is a sign of a wrong unit.
const LONGEST: Nanos = Nanos::from_secs(366 * 24 * 3600);

struct Row {
    start: Start,
    prompt: TracePrompt,
    output_tokens: Option<u32>,
    session: Option<String>,
}

struct Start {
    column: &'static str,
    reading: Reading,
    value: f64,
}

/// The unit and the origin of a start's number.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    /// In the unit that the column's name states.
    Fixed(Unit),
    /// Since 1970 in the unit that its magnitude implies, or else in this unit from any origin.
    ByMagnitudeOr(Unit),
    /// Nanoseconds since 1970, from a date and a time.
    Date,
    /// Nanoseconds since the start of a load or a sweep recorded by Tandem.
    Recorded,
}

/// A unit of time: its name, its nanoseconds, and the least number that counts from 1970 in it. Seconds begin in 2001
/// and the other units in 1973; every unit ends in 5138, where the next one begins.
#[derive(Clone, Copy, PartialEq)]
struct Unit(&'static str, f64, f64);

const SECONDS: Unit = Unit("seconds", 1e9, 1e9);
const MILLISECONDS: Unit = Unit("milliseconds", 1e6, 1e11);
const NANOSECONDS: Unit = Unit("nanoseconds", 1.0, 1e17);
const UNITS: [Unit; 4] = [
    SECONDS,
    MILLISECONDS,
    Unit("microseconds", 1e3, 1e14),
    NANOSECONDS,
];

/// Columns by their names in lowercase.
const PROMPT_TOKENS: &[&str] = &[
    "prompt_tokens",
    "input_tokens",
    "input_length",
    "contexttokens",
    "request tokens",
    "num_prefill_tokens",
];
const OUTPUT_TOKENS: &[&str] = &[
    "output_tokens",
    "output_length",
    "generatedtokens",
    "response tokens",
    "num_decode_tokens",
];
const PROMPT: &[&str] = &["prompt", "text"];
const SESSION: &[&str] = &["session", "session_id", "session id", "chat_id"];
/// Starts. The names of the first two state their unit.
const START: &[&str] = &["start_s", "start_ms", "start", "arrived_at", "timestamp"];

const COLUMNS: &str = "a start (start_s, start_ms, timestamp) and a length (prompt_tokens, \
                       input_length, ContextTokens) or a prompt";

impl Trace {
    pub fn sessions(&self) -> u32 {
        let last = self.entries.iter().filter_map(|entry| entry.session).max();
        last.map_or(0, |last| last + 1)
    }

    /// Reads a trace: JSON lines, a JSON array or CSV with a heading, requests.jsonl of a load, journal.jsonl of
    /// a sweep, or the folder of either. Fails when the file cannot be read, a line is wrong, or there is no request.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let path = file_in(path);
        let text = fs::read_to_string(&path).map_err(|e| TraceError::Read(path.clone(), e))?;
        Self::parse(&path, &text)
    }

    /// Parses a trace. `path` is for its name and for messages. Fails when a line is wrong or there is no request.
    pub fn parse(path: &Path, text: &str) -> Result<Self, TraceError> {
        let content = text.trim_start_matches('\u{feff}');
        let is_json = content.trim_start().starts_with(['{', '[']);
        let mut columns = Columns::default();
        let rows = if is_json {
            from_json(content, &mut columns)
        } else {
            from_csv(content, &mut columns)
        };
        let held = rows.and_then(|rows| {
            let (starts, since_first) = starts(&rows)?;
            Ok((starts, rows.into_iter().zip(since_first)))
        });
        let (starts, rows) = held.map_err(|(line, what)| TraceError::Line {
            path: path.to_owned(),
            line,
            what,
        })?;
        let mut rows: Vec<_> = rows.collect();
        let before = rows.len();
        rows.retain(|((_, row), _)| row.output_tokens != Some(0));
        rows.sort_by_key(|(_, start)| *start);
        let first = rows.first().map(|(_, start)| *start);
        let first = first.ok_or_else(|| TraceError::Empty(path.to_owned()))?;
        let skipped = u32::try_from(before - rows.len()).unwrap_or(u32::MAX);
        let mut sessions = BTreeMap::new();
        let entries = rows
            .into_iter()
            .map(|((_, row), start)| TraceEntry {
                start: start.saturating_sub(first),
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
            starts,
            skipped,
            unused: columns.unused(),
        })
    }
}

/// The recorded requests in a results folder; any other path itself.
pub(crate) fn file_in(path: &Path) -> PathBuf {
    let inside = ["requests.jsonl", "journal.jsonl"].map(|name| path.join(name));
    let mut inside = inside.into_iter().filter(|_| path.is_dir());
    inside
        .find(|file| file.exists())
        .unwrap_or_else(|| path.to_owned())
}

/// A column's name in lowercase and its text in a row, if it has any.
type Cell = (String, Option<String>);

/// The columns of a trace, and those that were used.
#[derive(Default)]
struct Columns {
    known: BTreeSet<String>,
    used: BTreeSet<&'static str>,
}

impl Columns {
    /// The first of these columns with a cell in this row.
    fn first<'c>(
        &mut self,
        names: &[&'static str],
        cells: &'c [Cell],
    ) -> Option<(&'static str, &'c str)> {
        let cell = |name| cells.iter().find(|(known, _)| known == name)?.1.as_deref();
        let found = names.iter().find_map(|name| Some((*name, cell(*name)?)));
        self.used.extend(found.map(|(name, _)| name));
        found
    }

    fn unused(self) -> Vec<String> {
        let is_unused = |name: &String| !self.used.contains(name.as_str());
        self.known.into_iter().filter(is_unused).collect()
    }
}

/// The column and unit of the starts in words, and each start since the earliest.
fn starts(rows: &[(u64, Row)]) -> AtLine<(String, Vec<Nanos>)> {
    let values = || rows.iter().map(|(line, row)| (row.start.value, *line));
    let least = values().min_by(|a, b| a.0.total_cmp(&b.0));
    let Some(((first_line, Row { start: usual, .. }), (least, line))) = rows.first().zip(least)
    else {
        return Ok((String::new(), Vec::new()));
    };
    let column = usual.column;
    let is_other = |row: &Row| row.start.column != column || row.start.reading != usual.reading;
    if let Some((line, row)) = rows.iter().find(|(_, row)| is_other(row)) {
        let what = if row.start.column == column {
            format!("{column} is not written as in line {first_line}; write all starts alike")
        } else {
            let other = row.start.column;
            format!("the start is {other} here and {column} in line {first_line}; use one column")
        };
        return Err((*line, what));
    }
    let mut units = UNITS.into_iter();
    let by_magnitude = units.rfind(|Unit(.., since_1970)| least >= *since_1970);
    let (Unit(_, nanos, _), words) = match (usual.reading, by_magnitude) {
        (Reading::Recorded, _) => (NANOSECONDS, "planned starts of an earlier run".to_owned()),
        (Reading::Date, _) => (NANOSECONDS, format!("{column} as date and time")),
        (Reading::Fixed(unit), Some(other)) if other != unit => {
            let what = format!(
                "{column} is {least}, which looks like {} since 1970; name the column timestamp, \
                 or count {} from the trace's beginning",
                other.0, unit.0
            );
            return Err((line, what));
        }
        (Reading::ByMagnitudeOr(_), Some(unit)) => {
            (unit, format!("{column} in {} since 1970", unit.0))
        }
        (Reading::Fixed(unit) | Reading::ByMagnitudeOr(unit), _) => {
            (unit, format!("{column} in {}", unit.0))
        }
    };
    let since_first = |value: f64| Nanos(((value - least) * nanos).round() as u64);
    if let Some((value, line)) = values().find(|(value, _)| since_first(*value) > LONGEST) {
        let days = since_first(value).as_secs_f64() / 86_400.0;
        let what = format!(
            "starts {days:.0} days after the first request, reading {words}; a trace spans a year at \
             most: correct the row, or name the column by its unit (start_s, start_ms)"
        );
        return Err((line, what));
    }
    let starts = values().map(|(value, _)| since_first(value));
    Ok((words, starts.collect()))
}

type AtLine<T> = Result<T, (u64, String)>;

fn from_json(text: &str, columns: &mut Columns) -> AtLine<Vec<(u64, Row)>> {
    let mut rows = Vec::new();
    for (line, entry) in json_entries(text)? {
        let value: Value = serde_json::from_str(entry)
            .map_err(|e| (line, format!("no JSON object ({e}); one a line is wanted")))?;
        let row = from_object(&value, columns).map_err(|what| (line, what))?;
        rows.extend(row.map(|row| (line, row)));
    }
    Ok(rows)
}

/// The lines of JSON lines or the elements of an array, each with its first line number.
fn json_entries(text: &str) -> AtLine<Vec<(u64, &str)>> {
    if !text.trim_start().starts_with('[') {
        let lines = (1..).zip(text.lines());
        return Ok(lines.filter(|(_, line)| !line.trim().is_empty()).collect());
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|e| (e.line() as u64, format!("no JSON array of objects ({e})")))?;
    let (mut rest, mut line) = (text, 1);
    let place = |element: &RawValue| {
        // Between two elements are white space and a comma alone, so that the first match is the element.
        let found = rest.split_once(element.get());
        let (before, _) = found.expect("the element is of this text");
        let at = line + before.matches('\n').count() as u64;
        line = at + element.get().matches('\n').count() as u64;
        rest = &rest[before.len() + element.get().len()..];
        at
    };
    let lines: Vec<u64> = elements.iter().copied().map(place).collect();
    let texts = elements.into_iter().map(RawValue::get);
    Ok(lines.into_iter().zip(texts).collect())
}

/// `None` for a line of a journal that is not a main request.
fn from_object(value: &Value, columns: &mut Columns) -> Result<Option<Row>, String> {
    if let Some(line) = results::recorded(value) {
        let line =
            line.map_err(|e| format!("looks like a recorded request and is not one: {e}"))?;
        return Ok(match line {
            JournalLine::Request(record) => {
                (record.role == RequestRole::Main).then(|| of_record(&record))
            }
            _ => None,
        });
    }
    let object = value.as_object();
    let object = object.ok_or("no JSON object; one a line is wanted")?;
    let mut cells: Vec<Cell> = Vec::new();
    for (key, value) in object {
        let key = key.to_lowercase();
        let is_text = PROMPT.contains(&key.as_str());
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(n) if !is_text => Some(n.to_string()),
            _ if is_text || is_used(&key) => {
                let number = if is_text { "" } else { "a number or " };
                return Err(format!("{key} is {}; give {number}a text", kind(value)));
            }
            _ => None,
        };
        if cells.iter().any(|(known, _)| *known == key) {
            return Err(format!("{key} is given twice; leave one out"));
        }
        if !columns.known.contains(&key) {
            columns.known.insert(key.clone());
        }
        cells.push((key, text));
    }
    row(&cells, columns).map(Some)
}

/// True for a column that rows are read from, other than prompts.
fn is_used(name: &str) -> bool {
    let used = [START, PROMPT_TOKENS, OUTPUT_TOKENS, SESSION];
    used.concat().contains(&name)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        Value::Number(_) => "a number",
        _ => "true or false",
    }
}

fn of_record(record: &RequestRecord) -> Row {
    let times = &record.times;
    let prompt = times.counters.prompt_eval_count;
    let prompt = prompt.and_then(|n| u32::try_from(n).ok());
    Row {
        start: Start {
            column: "scheduled",
            reading: Reading::Recorded,
            value: times.scheduled.since(Stamp::ZERO).0 as f64,
        },
        prompt: prompt.map_or(TracePrompt::Unknown, TracePrompt::Tokens),
        output_tokens: u32::try_from(times.tokens).ok().filter(|n| *n > 0),
        session: Some(match record.turn {
            Some(turn) => format!("session {}", turn.session),
            None => format!("agent {}", record.agent),
        }),
    }
}

fn from_csv(text: &str, columns: &mut Columns) -> AtLine<Vec<(u64, Row)>> {
    let heading = text.trim_start().lines().next().unwrap_or_default();
    // The most frequent separator; the comma, which comes last, if two are equally frequent.
    let by = [b';', b'\t', b','];
    let times = |by: &u8| heading.bytes().filter(|byte| byte == by).count();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(by.into_iter().max_by_key(times).unwrap_or(b','))
        .from_reader(text.as_bytes());
    let at = |e: &csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        (line, format!("no CSV row: {e}"))
    };
    let headings = reader.headers().map_err(|e| at(&e))?.iter();
    let names: Vec<_> = headings.map(|name| name.trim().to_lowercase()).collect();
    for name in &names {
        // A table that was written with its row numbers has a column without a name.
        if !name.is_empty() && !columns.known.insert(name.clone()) {
            return Err((1, format!("{name} is given twice; leave one out")));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| at(&e))?;
        let line = record.position().map_or(1, csv::Position::line);
        let cells = record.iter().map(|text| match text.trim() {
            "" => None,
            text => Some(text.to_owned()),
        });
        let cells: Vec<Cell> = names.iter().cloned().zip(cells).collect();
        let row = row(&cells, columns).map_err(|what| (line, what))?;
        rows.push((line, row));
    }
    Ok(rows)
}

fn row(cells: &[Cell], columns: &mut Columns) -> Result<Row, String> {
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    let found = columns.first(START, cells);
    let (column, text) =
        found.ok_or_else(|| format!("no start among {names:?}; a trace has {COLUMNS}"))?;
    let reading = match column {
        "start_s" => Reading::Fixed(SECONDS),
        "start_ms" => Reading::Fixed(MILLISECONDS),
        _ if text.parse::<f64>().is_err() => Reading::Date,
        // Mooncake's timestamps are milliseconds; those of BurstGPT and Vidur, seconds.
        "timestamp" if names.contains(&"input_length") => Reading::ByMagnitudeOr(MILLISECONDS),
        _ => Reading::ByMagnitudeOr(SECONDS),
    };
    let start = Start {
        column,
        reading,
        value: match reading {
            Reading::Date => moment(column, text)?,
            _ => number(column, text)?,
        },
    };
    let prompt = if let Some((_, text)) = columns.first(PROMPT, cells) {
        TracePrompt::Text(text.into())
    } else if let Some((name, text)) = columns.first(PROMPT_TOKENS, cells) {
        TracePrompt::Tokens(count(name, text)?)
    } else {
        return Err(format!("no prompt among {names:?}; a trace has {COLUMNS}"));
    };
    let output_tokens = columns.first(OUTPUT_TOKENS, cells);
    let output_tokens = output_tokens.map(|(name, text)| count(name, text));
    let session = columns.first(SESSION, cells);
    Ok(Row {
        start,
        prompt,
        output_tokens: output_tokens.transpose()?,
        session: session.map(|(_, text)| text.to_owned()),
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
        .filter(|n| n.fract() == 0.0 && (0.0..=f64::from(MOST_TOKENS)).contains(n))
        .map(|n| n as u32)
        .ok_or_else(|| {
            format!("{name} is `{text}`; give a whole number of tokens, 0 to {MOST_TOKENS}")
        })
}

/// Nanoseconds since 1970 of a date and time; UTC, as Azure's traces write them, where it has no offset.
fn moment(column: &str, text: &str) -> Result<f64, String> {
    let parsed = text.parse::<DateTime<FixedOffset>>();
    let parsed = parsed.or_else(|_| format!("{text}Z").parse());
    let nanos = parsed.ok().and_then(|at| at.timestamp_nanos_opt());
    nanos.map(|nanos| nanos as f64).ok_or_else(|| {
        format!(
            "{column} is `{text}`; give a number, or a time as 2023-11-16 18:15:46.680 (UTC) or \
             2023-11-16T18:15:46.680+02:00"
        )
    })
}

#[cfg(test)]
mod tests;
