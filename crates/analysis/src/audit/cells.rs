//! Checks the plain figures in a published report's tables against what the recorded runs give.

use std::path::Path;

use serde::Deserialize;

use super::claims::{View, lines};
use super::error::{AuditError, RecomputeError};
use super::judge::{Judge, Published, Relation};
use super::sources::Sources;
use super::value::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: i64,
    #[serde(default)]
    views: Vec<View>,
    cells: Vec<PublishedCell>,
}

/// A published figure, as `tables.toml` states it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCell {
    pub section: String,
    pub row: String,
    pub column: String,
    /// The figure's text in the report.
    pub printed: String,
    pub value: Published,
    /// Half a unit in the last printed place.
    pub tolerance: Option<f64>,
    recompute: Option<String>,
    not_testable: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CellCheck {
    pub cell: PublishedCell,
    /// What the runs give; `None` when they lack data that the query needs.
    pub recomputed: Option<Value>,
    pub differs: bool,
}

/// Recomputes the figures of a file of table cells (`tables.toml`) from the table of runs named `runs`, which
/// its queries name `input`. A query that cannot be run is an error.
pub fn check_cells(
    path: &Path,
    sources: &Sources,
    runs: &str,
) -> Result<Vec<CellCheck>, AuditError> {
    let text = AuditError::read(path)?;
    let file: File = AuditError::versioned(path, &text)?;
    let mut sources = sources.clone();
    let input = sources.tables.get(runs).cloned();
    sources
        .tables
        .extend(input.map(|table| ("input".to_owned(), table)));
    let sources = sources.with_views(path, &text, &file.views)?;
    let cells = file.cells.into_iter().zip(lines(&text, "[[cells]]"));
    let check = |(cell, line): (PublishedCell, usize)| {
        let place = format!("cell ({}, {}, {})", cell.section, cell.row, cell.column);
        cell.check(&sources)
            .map_err(|problem| AuditError::invalid(path, line, format!("{place}: {problem}")))
    };
    cells.map(check).collect()
}

impl PublishedCell {
    fn problem(&self) -> Option<&'static str> {
        let tolerated = self.tolerance.is_some_and(|t| t.is_finite() && t >= 0.0);
        match (&self.recompute, &self.not_testable, &self.value) {
            (None, None, _) | (Some(_), Some(_), _) => {
                Some("must have either `recompute` or `not_testable`")
            }
            (None, Some(_), _) | (_, _, Published::One(Value::Text(_))) => None,
            _ if tolerated => None,
            _ => Some("must have a `tolerance` of 0 or more"),
        }
    }

    fn check(self, sources: &Sources) -> Result<CellCheck, String> {
        if let Some(problem) = self.problem() {
            return Err(problem.to_owned());
        }
        let recomputed = match self.recompute.as_ref().map(|query| sources.exact(query)) {
            Some(Ok(computed)) => Some(computed.value),
            Some(Err(RecomputeError::InvalidQuery(problem))) => return Err(problem),
            Some(Err(RecomputeError::MissingData(_))) | None => None,
        };
        let judge = Judge {
            published: &self.value,
            relation: Relation::Equals,
            tolerance: self.tolerance.unwrap_or(0.0),
        };
        let differs = |value| judge.holds(value) != Some(true);
        Ok(CellCheck {
            differs: recomputed.as_ref().is_some_and(differs),
            recomputed,
            cell: self,
        })
    }
}
