//! Reading benchmark tables: every CSV file of a folder, column by column.

use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use domain::hash::sha256_hex;
use statrs::statistics::{Data, Max as _, Min as _, OrderStatistics};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    #[error("failed to read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("no CSV file in {}; put benchmark tables there, or name another folder", .0.display())]
    Empty(PathBuf),
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

/// Figures of a column, in the unit of its values.
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
        let numbers = self.numbers.as_ref()?.iter().copied().flatten();
        let mut data = Data::new(numbers.collect::<Vec<_>>());
        (!data.is_empty()).then(|| Figures {
            n: data.len(),
            min: data.min(),
            median: OrderStatistics::median(&mut data),
            max: data.max(),
        })
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> IngestError {
    let path = path.to_owned();
    |source| IngestError::Read(path, source)
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
        return Err(IngestError::Empty(dir.to_owned()));
    }
    Ok(files)
}

/// Reads every `*.csv` of a folder, in the order of their names. Fails when a file cannot be read or is not a table of
/// finite numbers and text, and when there is no file.
pub fn read_tables(dir: &Path) -> Result<Vec<Table>, IngestError> {
    let read = |path: &PathBuf| parse_table(path, &fs::read(path).map_err(unreadable(path))?);
    files(dir)?.iter().map(read).collect()
}

/// SHA-256 over the names and contents of every `*.csv` of a folder. Fails when a file cannot be read, and when there
/// is no file.
pub fn tables_sha256(dir: &Path) -> Result<String, IngestError> {
    let mut all = Vec::new();
    for path in files(dir)? {
        let bytes = fs::read(&path).map_err(unreadable(&path))?;
        let name = file_name(&path);
        // A digest for each file, so that moving bytes from one file to the next changes the result.
        all.extend(format!("{} {name}\n", sha256_hex(&bytes)).into_bytes());
    }
    Ok(sha256_hex(&all))
}

fn parse_table(path: &Path, bytes: &[u8]) -> Result<Table, IngestError> {
    let path = path.to_owned();
    let malformed = |line, message| IngestError::Malformed {
        path: path.clone(),
        line,
        message,
    };
    let from_csv = |e: csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        let message = match e.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("{len} cells where the heading has {expected_len}"),
            csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
            _ => e.to_string(),
        };
        malformed(line, message)
    };
    let mut reader = csv::Reader::from_reader(bytes);
    let headings = reader.headers().map_err(from_csv)?.clone();
    if headings.is_empty() {
        return Err(malformed(1, "no heading".to_owned()));
    }
    let rows: Vec<_> = (reader.records().collect::<Result<_, _>>()).map_err(from_csv)?;
    let columns = headings.iter().enumerate().map(|(place, name)| {
        let numbers = parse_numbers(&rows, place)
            .map_err(|line| malformed(line, format!("`{name}` is not a finite number")))?;
        let name = name.trim().to_owned();
        Ok(Column { name, numbers })
    });
    Ok(Table {
        columns: columns.collect::<Result<_, IngestError>>()?,
        name: file_name(&path),
        rows: rows.len(),
        bytes: bytes.len() as u64,
    })
}

/// A column's numbers where every non-empty cell is one; the line of the first that is infinite or NaN.
fn parse_numbers(rows: &[StringRecord], column: usize) -> Result<Option<Vec<Option<f64>>>, u64> {
    let cells = rows.iter().map(|row| match row[column].trim() {
        "" => Ok(None),
        cell => cell.parse().map(Some),
    });
    let Ok(numbers) = cells.collect::<Result<Vec<Option<f64>>, _>>() else {
        return Ok(None);
    };
    let is_odd = |number: &Option<f64>| number.is_some_and(|number| !number.is_finite());
    if let Some(row) = numbers.iter().position(is_odd) {
        return Err(rows[row].position().map_or(0, csv::Position::line));
    }
    Ok(Some(numbers).filter(|numbers| numbers.iter().any(Option::is_some)))
}
