//! Tables as the audit reads them: named columns, cells that may be empty.

use std::collections::BTreeSet;
use std::path::Path;

use super::derive::derive;
use super::error::{AuditError, RecomputeError};
use super::row::{Cell, Row};

/// A named set of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    name: String,
    columns: BTreeSet<String>,
    list: Vec<Row>,
}

impl Rows {
    /// Rows under a name; their columns are those that any of them fills.
    pub fn new(name: &str, rows: Vec<Row>) -> Self {
        let columns = rows.iter().flat_map(|row| row.columns().cloned()).collect();
        Self {
            name: name.to_owned(),
            columns,
            list: rows,
        }
    }

    /// Reads a CSV table with at least `config` and `scenario`. Recorded runs (those with both
    /// agents' times) gain the columns that `derive` adds.
    pub fn read(name: &str, path: &Path) -> Result<Self, AuditError> {
        let row_error = |line: u64, problem: String| AuditError::Row {
            path: path.to_owned(),
            line,
            problem,
        };
        let file = std::fs::File::open(path).map_err(|source| AuditError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut reader = csv::Reader::from_reader(file);
        let headers = reader
            .headers()
            .map_err(|error| row_error(1, error.to_string()))?
            .clone();
        for needed in ["config", "scenario"] {
            if !headers.iter().any(|header| header == needed) {
                return Err(row_error(
                    1,
                    format!("no column `{needed}`; the header must name it"),
                ));
            }
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                row_error(line, error.to_string())
            })?;
            let field = |column: &str| {
                let index = headers.iter().position(|header| header == column);
                index.and_then(|index| record.get(index)).unwrap_or("")
            };
            let mut row = Row::new(field("config"), field("scenario"));
            for (header, value) in headers.iter().zip(&record) {
                if header == "config" || header == "scenario" || value.trim().is_empty() {
                    continue;
                }
                row = row.with(header, Cell::parse(value));
            }
            rows.push(derive(row));
        }
        let mut rows = Self::new(name, rows);
        // A column that exists but is empty everywhere is known, and has no value.
        rows.columns.extend(headers.iter().map(str::to_owned));
        Ok(rows)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.list.iter()
    }

    pub(super) fn require(&self, column: &str) -> Result<(), RecomputeError> {
        if self.columns.contains(column) {
            return Ok(());
        }
        Err(RecomputeError::UnknownColumn {
            rows: self.name.clone(),
            column: column.to_owned(),
            known: join(self.columns.iter()),
        })
    }
}

pub(super) fn join<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}
