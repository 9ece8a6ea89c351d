//! A CSV file as a polars frame of text columns, with typed access that knows line numbers.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use domain::plan::ConfigId;
use polars::prelude::{DataFrame, StringChunked};
use polars_io::SerReader as _;
use polars_io::csv::read::CsvReadOptions;

use super::{LoadError, LoadErrorKind};

/// A CSV file. Every column is text until a cell is asked for, so that a bad cell is reported with
/// its line and column instead of turning the column into something else.
#[derive(Debug)]
pub(crate) struct Grid {
    path: PathBuf,
    frame: DataFrame,
}

impl Grid {
    /// Reads the file. Refuses rows whose length differs from the header's.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let bytes = fs::read(path).map_err(|e| LoadError::io(path, e))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(LoadError::new(path, LoadErrorKind::Empty));
        }
        check_shape(path, &bytes)?;
        let frame = CsvReadOptions::default()
            .with_has_header(true)
            .with_infer_schema_length(Some(0))
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish()
            .map_err(|e| LoadError::new(path, LoadErrorKind::Csv(e.to_string())))?;
        Ok(Self {
            path: path.to_owned(),
            frame,
        })
    }

    /// The header of a CSV file, without reading the rest.
    pub(crate) fn header(path: &Path) -> Result<Vec<String>, LoadError> {
        let mut reader = csv::Reader::from_path(path).map_err(|e| csv_error(path, &e))?;
        let header = reader.headers().map_err(|e| csv_error(path, &e))?;
        Ok(header.iter().map(str::to_owned).collect())
    }

    pub(crate) fn rows(&self) -> usize {
        self.frame.height()
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.frame.get_column_index(column).is_some()
    }

    /// The file's line of a row: the header is line 1.
    pub(crate) fn line(row: usize) -> u64 {
        row as u64 + 2
    }

    fn column(&self, column: &str) -> Result<&StringChunked, LoadError> {
        let missing = || {
            let known = self
                .frame
                .get_column_names()
                .iter()
                .map(ToString::to_string)
                .collect();
            LoadError::at(
                &self.path,
                1,
                LoadErrorKind::MissingColumn {
                    column: column.to_owned(),
                    known,
                },
            )
        };
        self.frame
            .column(column)
            .ok()
            .and_then(|c| c.str().ok())
            .ok_or_else(missing)
    }

    /// The text of a cell; `None` when it is empty.
    pub(crate) fn text(&self, row: usize, column: &str) -> Result<Option<&str>, LoadError> {
        let text = self.column(column)?.get(row).map(str::trim);
        Ok(text.filter(|t| !t.is_empty()))
    }

    fn parsed<T>(
        &self,
        row: usize,
        column: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        let Some(text) = self.text(row, column)? else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| self.bad(row, column, text, expected))
    }

    fn bad(&self, row: usize, column: &str, value: &str, expected: &'static str) -> LoadError {
        LoadError::at(
            &self.path,
            Self::line(row),
            LoadErrorKind::BadCell {
                column: column.to_owned(),
                value: value.to_owned(),
                expected,
            },
        )
    }

    /// A finite number, when the cell holds one.
    pub(crate) fn number(&self, row: usize, column: &str) -> Result<Option<f64>, LoadError> {
        self.parsed(row, column, "a number", |t| {
            t.parse::<f64>().ok().filter(|v| v.is_finite())
        })
    }

    /// A number at least zero.
    pub(crate) fn amount(&self, row: usize, column: &str) -> Result<f64, LoadError> {
        let value = self.parsed(row, column, "a number, 0 or more", |t| {
            t.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0)
        })?;
        self.some(row, column, value, "a number, 0 or more")
    }

    /// A whole number at least zero.
    pub(crate) fn count(&self, row: usize, column: &str) -> Result<Option<u64>, LoadError> {
        self.parsed(row, column, "a whole number", |t| t.parse::<u64>().ok())
    }

    /// A truth value: `true`, `false`, `yes`, `no`.
    pub(crate) fn flag(&self, row: usize, column: &str) -> Result<Option<bool>, LoadError> {
        self.parsed(row, column, "true or false", |t| {
            match t.to_ascii_lowercase().as_str() {
                "true" | "yes" => Some(true),
                "false" | "no" => Some(false),
                _ => None,
            }
        })
    }

    /// A configuration's id.
    pub(crate) fn config(&self, row: usize, column: &str) -> Result<ConfigId, LoadError> {
        let name = self.text(row, column)?;
        let name = self.some(row, column, name, "a configuration id")?;
        ConfigId::new(name).ok_or_else(|| {
            let kind = LoadErrorKind::BadConfigId(name.to_owned());
            LoadError::at(&self.path, Self::line(row), kind)
        })
    }

    /// `value`, or an error about an empty cell.
    pub(crate) fn some<T>(
        &self,
        row: usize,
        column: &str,
        value: Option<T>,
        expected: &'static str,
    ) -> Result<T, LoadError> {
        value.ok_or_else(|| self.bad(row, column, "", expected))
    }
}

/// Every row as long as the header: a row that was cut off is found here, with its line.
fn check_shape(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let mut reader = csv::Reader::from_reader(bytes);
    for (row, record) in reader.records().enumerate() {
        record.map_err(|e| LoadError {
            line: Some(Grid::line(row)),
            ..csv_error(path, &e)
        })?;
    }
    Ok(())
}

fn csv_error(path: &Path, error: &csv::Error) -> LoadError {
    let line = error.position().map(csv::Position::line);
    let kind = match error.kind() {
        csv::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
            LoadErrorKind::NotFound
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => LoadErrorKind::Csv(format!(
            "this row has {len} cells where the header has {expected_len}; was the file cut off?"
        )),
        _ => LoadErrorKind::Csv(error.to_string()),
    };
    LoadError {
        path: path.to_owned(),
        line,
        kind,
        can_be_left_out: false,
    }
}
