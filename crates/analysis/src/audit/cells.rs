//! The published report's other figures, against what the rows at hand give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::claims::{Entries, Published};
use super::error::{AuditError, RecomputeError};
use super::figures::{Sources, Value};
use super::method::Recompute;
use super::recompute::Context;

/// Figures that a report prints in tables and summary lines (`tables.toml`).
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedCells {
    path: PathBuf,
    quantities: BTreeMap<String, Recompute>,
    cells: Vec<(usize, PublishedCell)>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedCell {
    section: String,
    row: String,
    column: String,
    printed: String,
    value: Published,
    tolerance: Option<f64>,
    recompute: Option<Recompute>,
    not_testable: Option<String>,
}

/// A published figure beside what the rows give.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellCheck {
    /// Section of the report.
    pub section: String,
    /// Row of its table.
    pub row: String,
    /// Column of its table.
    pub column: String,
    /// As printed.
    pub printed: String,
    /// As a value.
    pub published: Published,
    /// What the rows give; `None` when they cannot tell.
    pub recomputed: Option<Value>,
    /// Half a unit in the last printed place.
    pub tolerance: Option<f64>,
    /// Whether the rows give something else.
    pub differs: bool,
    /// Why the rows cannot tell.
    pub why: Option<String>,
}

impl PublishedCell {
    fn differs(&self, recomputed: &Value) -> bool {
        let outside = |low: f64, high: f64, recomputed: f64| {
            let slack = self.tolerance.unwrap_or(0.0) + 1e-9 * high.abs().max(1.0);
            recomputed < low - slack || recomputed > high + slack
        };
        match (&self.value, recomputed) {
            (Published::One(Value::Number(one)), Value::Number(number)) => {
                outside(*one, *one, *number)
            }
            (Published::Range([low, high]), Value::Number(number)) => outside(*low, *high, *number),
            (Published::One(Value::Text(published)), Value::Text(text)) => published != text,
            _ => true,
        }
    }
}

impl PublishedCells {
    /// Reads a file of published figures.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let text = std::fs::read_to_string(path).map_err(|source| AuditError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file of published figures; `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let file = Entries::parse(path, text, "cells")?;
        let mut cells = Vec::new();
        for (index, entry) in file.entries.into_iter().enumerate() {
            let line = entry.line;
            let name = format!("cell {}", index + 1);
            let cell: PublishedCell = entry.read(path, &name)?;
            let problem = match (&cell.recompute, &cell.not_testable, &cell.value) {
                (None, None, _) | (Some(_), Some(_), _) => {
                    Some("must have either `recompute` or `not_testable`")
                }
                (Some(_), None, Published::One(Value::Number(_)) | Published::Range(_))
                    if !cell.tolerance.is_some_and(|t| t.is_finite() && t >= 0.0) =>
                {
                    Some("must have a `tolerance` of 0 or more")
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(AuditError::Entry {
                    path: path.to_owned(),
                    line,
                    entry: format!("{name} ({}, {}, {})", cell.section, cell.row, cell.column),
                    problem: problem.to_owned(),
                });
            }
            cells.push((line, cell));
        }
        Ok(Self {
            path: path.to_owned(),
            quantities: file.quantities,
            cells,
        })
    }

    /// Computes every figure from the rows named `rows` in `sources`. Rows that lack what a figure
    /// needs make it unknown; a column, key or set of rows that does not exist is an error.
    pub fn check(&self, sources: &Sources, rows: &str) -> Result<Vec<CellCheck>, AuditError> {
        let context = Context {
            sources,
            quantities: &self.quantities,
            default_rows: rows,
        };
        let mut checks = Vec::new();
        for (line, cell) in &self.cells {
            let (recomputed, why) = match &cell.recompute {
                None => (None, cell.not_testable.clone()),
                Some(method) => match context.evaluate(method) {
                    Ok(value) => (Some(value), None),
                    Err(
                        error @ (RecomputeError::NoRows { .. }
                        | RecomputeError::TooFew { .. }
                        | RecomputeError::Zero { .. }),
                    ) => (None, Some(error.to_string())),
                    Err(error) => {
                        return Err(AuditError::Entry {
                            path: self.path.clone(),
                            line: *line,
                            entry: format!("{}, {}, {}", cell.section, cell.row, cell.column),
                            problem: error.to_string(),
                        });
                    }
                },
            };
            let differs = recomputed
                .as_ref()
                .is_some_and(|recomputed| cell.differs(recomputed));
            checks.push(CellCheck {
                section: cell.section.clone(),
                row: cell.row.clone(),
                column: cell.column.clone(),
                printed: cell.printed.clone(),
                published: cell.value.clone(),
                recomputed,
                tolerance: cell.tolerance,
                differs,
                why,
            });
        }
        Ok(checks)
    }
}
