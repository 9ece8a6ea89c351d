//! Reading benchmark tables: every CSV file of a folder, column by column.

use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use domain::hash::sha256_hex;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no CSV file in {}; put benchmark tables there, or name another folder", path.display())]
    Empty { path: PathBuf },
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    /// Without the heading.
    pub rows: usize,
    /// Size of the file.
    pub bytes: u64,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// Its cells if every non-empty cell is a number, else `None`. An empty cell is `None`, not zero.
    pub numbers: Option<Vec<Option<f64>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Cells with a number.
    pub n: usize,
    pub min: f64,
    /// The median; the mean of the middle two if their number is even.
    pub median: f64,
    pub max: f64,
}

impl Column {
    /// The column's figures; `None` for words and for a column without any number.
    pub fn figures(&self) -> Option<Figures> {
        let mut sorted: Vec<f64> = self.numbers.as_ref()?.iter().copied().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        Some(Figures {
            n,
            min: *sorted.first()?,
            median: f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]),
            max: *sorted.last()?,
        })
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> IngestError {
    let path = path.to_owned();
    move |source| IngestError::Read { path, source }
}

/// Every `*.csv` of a folder, in the order of their names; at least one.
fn files(dir: &Path) -> Result<Vec<PathBuf>, IngestError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        if path.extension().is_some_and(|ext| ext == "csv") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(IngestError::Empty {
            path: dir.to_owned(),
        });
    }
    Ok(files)
}

/// Reads every `*.csv` of a folder, in the order of their names. Fails when a file cannot be read or is not a table of
/// finite numbers and text, and when there is no file.
pub fn read_tables(dir: &Path) -> Result<Vec<Table>, IngestError> {
    files(dir)?
        .iter()
        .map(|path| {
            let bytes = fs::read(path).map_err(unreadable(path))?;
            parse_table(path, &bytes)
        })
        .collect()
}

/// SHA-256 over the names and contents of every `*.csv` of a folder. Fails when a file cannot be read, and when there
/// is no file.
pub fn tables_sha256(dir: &Path) -> Result<String, IngestError> {
    let mut all = Vec::new();
    for path in files(dir)? {
        let bytes = fs::read(&path).map_err(unreadable(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A digest for each file, so that moving bytes from one file to the next changes the result.
        all.extend(format!("{} {name}\n", sha256_hex(&bytes)).into_bytes());
    }
    Ok(sha256_hex(&all))
}

fn parse_table(path: &Path, bytes: &[u8]) -> Result<Table, IngestError> {
    let malformed = |line: u64, message: String| IngestError::Malformed {
        path: path.to_owned(),
        line,
        message,
    };
    let from_csv = |e: &csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        let message = match e.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => {
                format!("{len} cells where the heading has {expected_len}")
            }
            csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
            _ => e.to_string(),
        };
        malformed(line, message)
    };
    let mut reader = csv::Reader::from_reader(bytes);
    let headings = reader.headers().map_err(|e| from_csv(&e))?.clone();
    if headings.is_empty() {
        return Err(malformed(1, "no heading".to_owned()));
    }
    let rows: Vec<_> = (reader.records().collect::<Result<_, _>>()).map_err(|e| from_csv(&e))?;
    let columns = (headings.iter().enumerate())
        .map(|(place, name)| {
            let numbers = parse_numbers(&rows, place)
                .map_err(|line| malformed(line, format!("`{name}` is not a finite number")))?;
            Ok(Column {
                name: name.trim().to_owned(),
                numbers,
            })
        })
        .collect::<Result<_, IngestError>>()?;
    Ok(Table {
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        rows: rows.len(),
        bytes: bytes.len() as u64,
        columns,
    })
}

/// A column's numbers where every non-empty cell is one; the line of the first that is infinite or NaN.
fn parse_numbers(rows: &[StringRecord], column: usize) -> Result<Option<Vec<Option<f64>>>, u64> {
    let mut numbers = Vec::with_capacity(rows.len());
    let mut not_finite = None;
    for row in rows {
        let cell = row[column].trim();
        if cell.is_empty() {
            numbers.push(None);
            continue;
        }
        let Ok(number) = cell.parse::<f64>() else {
            return Ok(None);
        };
        if !number.is_finite() {
            not_finite.get_or_insert(row.position().map_or(0, csv::Position::line));
        }
        numbers.push(Some(number));
    }
    match not_finite {
        Some(line) => Err(line),
        None if numbers.iter().all(Option::is_none) => Ok(None),
        None => Ok(Some(numbers)),
    }
}
