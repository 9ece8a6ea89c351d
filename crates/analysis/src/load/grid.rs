//! A CSV file as rows of text, with typed access that knows line numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use csv::{Reader, StringRecord};
use domain::plan::ConfigId;
use polars::prelude::{Column, DataFrame};

use super::{LoadError, LoadErrorKind};

/// A CSV file. Cells stay text until they are read, so that a bad one is reported with its
/// line and column and does not change the type of the column.
#[derive(Debug)]
pub(crate) struct Grid {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Grid {
    /// Reads the file. Refuses rows whose length differs from the header's.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let bytes = fs::read(path).map_err(|e| LoadError::io(path, e))?;
        Self::parse(path, &bytes)
    }

    /// As [`read`](Self::read), from a file's content; `path` is for errors.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(LoadError::new(path, LoadErrorKind::Empty));
        }
        let mut reader = Reader::from_reader(bytes);
        let header = names(&mut reader, path)?;
        let rows = reader.records().enumerate().map(|(row, record)| {
            record.map_err(|e| LoadError {
                line: Some(line(row)),
                ..csv_error(path, &e)
            })
        });
        Ok(Self {
            path: path.to_owned(),
            header,
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// The header of a CSV file, without reading the rest.
    pub(crate) fn header(path: &Path) -> Result<Vec<String>, LoadError> {
        let mut reader = Reader::from_path(path).map_err(|e| csv_error(path, &e))?;
        names(&mut reader, path)
    }

    /// A data frame with typed columns: numbers, stamps as seconds since 1970, or flags, where all cells of a column
    /// parse as one of these, else texts. An empty cell is null.
    pub(crate) fn frame(&self) -> Result<DataFrame, LoadError> {
        let column = |(place, name): (usize, &String)| {
            let cell = |row| {
                StringRecord::get(row, place)
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
            };
            let cells: Vec<Option<&str>> = self.rows.iter().map(cell).collect();
            let name = name.as_str().into();
            let numbers = all(&cells, number).or_else(|| all(&cells, stamp));
            match (numbers, all(&cells, flag)) {
                (Some(numbers), _) => Column::new(name, numbers),
                (None, Some(flags)) => Column::new(name, flags),
                (None, None) => Column::new(name, cells),
            }
        };
        let columns = self.header.iter().enumerate().map(column).collect();
        DataFrame::new(self.rows.len(), columns)
            .map_err(|e| LoadError::at(&self.path, 1, LoadErrorKind::Csv(e.to_string())))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|row| Row { grid: self, row })
    }
}

/// Parses every cell that is not empty; `None` when one cannot be parsed.
fn all<T>(cells: &[Option<&str>], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let parsed = cells
        .iter()
        .map(|cell| cell.map_or(Some(None), |text| parse(text).map(Some)));
    parsed.collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// An RFC 3339 stamp as seconds since 1970.
pub(crate) fn stamp(text: &str) -> Option<f64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

/// The line number of a row in the file; the header is line 1.
const fn line(row: usize) -> u64 {
    row as u64 + 2
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    grid: &'a Grid,
    row: usize,
}

impl<'a> Row<'a> {
    fn place(self, column: &str) -> Option<usize> {
        self.grid.header.iter().position(|name| name == column)
    }

    /// The text of a cell; `None` when it is empty.
    fn text(self, column: &str) -> Result<Option<&'a str>, LoadError> {
        let place = self.place(column).ok_or_else(|| {
            let kind = LoadErrorKind::MissingColumn {
                column: column.to_owned(),
                known: self.grid.header.clone(),
            };
            LoadError::at(&self.grid.path, 1, kind)
        })?;
        let text = self.grid.rows[self.row].get(place).map(str::trim);
        Ok(text.filter(|t| !t.is_empty()))
    }

    fn error(self, kind: LoadErrorKind) -> LoadError {
        LoadError::at(&self.grid.path, line(self.row), kind)
    }

    fn bad(self, column: &str, value: &str, expected: &'static str) -> LoadError {
        self.error(LoadErrorKind::BadCell {
            column: column.to_owned(),
            value: value.to_owned(),
            expected,
        })
    }

    fn parsed<T>(
        self,
        column: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        let read = |text| parse(text).ok_or_else(|| self.bad(column, text, expected));
        self.text(column)?.map(read).transpose()
    }

    /// Reads a cell that must not be empty.
    pub(crate) fn needed<T>(
        self,
        column: &str,
        expected: &'static str,
        read: impl FnOnce(Self, &str) -> Result<Option<T>, LoadError>,
    ) -> Result<T, LoadError> {
        read(self, column)?.ok_or_else(|| self.bad(column, "", expected))
    }

    /// Reads a cell of a column that the file may lack.
    pub(crate) fn if_there<T>(
        self,
        column: &str,
        read: impl FnOnce(Self, &str) -> Result<Option<T>, LoadError>,
    ) -> Result<Option<T>, LoadError> {
        match self.place(column) {
            Some(_) => read(self, column),
            None => Ok(None),
        }
    }

    /// A finite number; `None` when the cell is empty.
    pub(crate) fn number(self, column: &str) -> Result<Option<f64>, LoadError> {
        self.parsed(column, "a number", number)
    }

    /// A number at least zero.
    pub(crate) fn amount(self, column: &str) -> Result<f64, LoadError> {
        let expected = "a number, 0 or more";
        let parse = |t: &str| number(t).filter(|v| *v >= 0.0);
        self.needed(column, expected, |row, column| {
            row.parsed(column, expected, parse)
        })
    }

    /// A whole number at least zero.
    pub(crate) fn count(self, column: &str) -> Result<Option<u64>, LoadError> {
        self.parsed(column, "a whole number", |t| t.parse().ok())
    }

    /// A truth value: `true`, `false`, `yes`, `no`.
    pub(crate) fn flag(self, column: &str) -> Result<Option<bool>, LoadError> {
        self.parsed(column, "true or false", flag)
    }

    pub(crate) fn names(self) -> Result<(ConfigId, String), LoadError> {
        let id = self.needed("config", "a configuration id", Self::text)?;
        let config = ConfigId::new(id)
            .ok_or_else(|| self.error(LoadErrorKind::BadConfigId(id.to_owned())))?;
        let scenario = self.needed("scenario", "a scenario's name", Self::text)?;
        Ok((config, scenario.to_owned()))
    }
}

fn names<R: std::io::Read>(reader: &mut Reader<R>, path: &Path) -> Result<Vec<String>, LoadError> {
    let header = reader.headers().map_err(|e| csv_error(path, &e))?;
    Ok(header.iter().map(str::to_owned).collect())
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
