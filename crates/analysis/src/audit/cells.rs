//! The published report's other figures, against what the rows at hand give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::error::{AuditError, RecomputeError};
use super::figures::{Sources, Value};
use super::judge::{Judge, Published, Relation};
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
        let judge = Judge {
            published: &self.value,
            relation: Relation::Equals,
            tolerance: self.tolerance.unwrap_or(0.0),
        };
        judge.holds(recomputed) != Some(true)
    }
}

impl PublishedCells {
    /// Reads a file of published figures.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        Self::parse(path, &AuditError::read(path)?)
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
                let entry = format!("{name} ({}, {}, {})", cell.section, cell.row, cell.column);
                return Err(AuditError::entry(path, line, entry, problem));
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
                        let entry = format!("{}, {}, {}", cell.section, cell.row, cell.column);
                        return Err(AuditError::entry(
                            &self.path,
                            *line,
                            entry,
                            error.to_string(),
                        ));
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
