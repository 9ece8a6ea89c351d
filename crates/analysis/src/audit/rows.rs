//! Tables as the audit reads them: named columns, cells that may be empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use metrics::PublishedRow;

use super::error::{AuditError, RecomputeError};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// Anything else: a name, a flag (`yes`, `no`).
    Text(String),
}

impl Cell {
    /// A number where the text is one, a flag's `true` and `false` as `yes` and `no`.
    pub(super) fn parse(text: &str) -> Self {
        match text.trim() {
            "true" => Self::Text("yes".to_owned()),
            "false" => Self::Text("no".to_owned()),
            text => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Self::Number(number),
                _ => Self::Text(text.to_owned()),
            },
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    cells: BTreeMap<String, Cell>,
}

impl Row {
    /// A row of one configuration. Options that the id spells (`bvc_g60_c512_t0.6`,
    /// `het_g60_g120`) become the columns `num_gpu`, `num_ctx` and `temperature` of agent B.
    pub fn new(config: &str, scenario: &str) -> Self {
        let mut row = Self::default()
            .text("config", config)
            .text("scenario", scenario);
        for part in config.split('_') {
            for (prefix, column) in [("g", "num_gpu"), ("c", "num_ctx"), ("t", "temperature")] {
                let value = part
                    .strip_prefix(prefix)
                    .and_then(|rest| rest.parse::<f64>().ok());
                if let Some(value) = value {
                    row = row.number(column, value);
                }
            }
        }
        row
    }

    /// With a number in the column.
    #[must_use]
    pub fn number(mut self, column: &str, value: f64) -> Self {
        self.cells.insert(column.to_owned(), Cell::Number(value));
        self
    }

    /// With a text in the column.
    #[must_use]
    pub fn text(mut self, column: &str, value: &str) -> Self {
        self.cells
            .insert(column.to_owned(), Cell::Text(value.to_owned()));
        self
    }

    /// With a flag in the column: `yes` or `no`.
    #[must_use]
    pub fn flag(self, column: &str, value: bool) -> Self {
        self.text(column, if value { "yes" } else { "no" })
    }

    /// The cell of a column, `None` when empty.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.cells.get(column)
    }

    /// The number in a column, `None` when empty or not a number.
    pub fn get(&self, column: &str) -> Option<f64> {
        match self.cells.get(column) {
            Some(Cell::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The configuration's id, or an empty text.
    pub fn config(&self) -> &str {
        match self.cells.get("config") {
            Some(Cell::Text(id)) => id,
            _ => "",
        }
    }
}

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
        let columns = rows
            .iter()
            .flat_map(|row| row.cells.keys().cloned())
            .collect();
        Self {
            name: name.to_owned(),
            columns,
            list: rows,
        }
    }

    /// The published table.
    pub fn published(rows: &[PublishedRow]) -> Self {
        let rows = rows.iter().map(|published| {
            let row = Row::new(published.config.as_str(), &published.scenario)
                .number("speedup", published.speedup)
                .number("efficiency_percent", published.efficiency_percent)
                .flag("contention", published.contention);
            let row = match published.ttft_delta_ms {
                Some(delta) => row.number("ttft_delta_ms", delta),
                None => row,
            };
            match published.tp_delta {
                Some(delta) => row.number("tp_delta", delta),
                None => row,
            }
        });
        Self::new("published", rows.collect())
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
                row.cells.insert(header.to_owned(), Cell::parse(value));
            }
            rows.push(super::derive::derive(row));
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
