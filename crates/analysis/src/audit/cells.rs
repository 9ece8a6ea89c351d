//! The published report's other figures, against what the rows at hand give.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::claims::{View, lines};
use super::error::{AuditError, RecomputeError};
use super::judge::{Judge, Published, Relation};
use super::sources::Sources;
use super::value::Value;

/// Figures that a report prints in tables and summary lines (`tables.toml`).
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedCells {
    path: PathBuf,
    views: Vec<View>,
    cells: Vec<(usize, PublishedCell)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: i64,
    #[serde(default)]
    views: Vec<View>,
    cells: Vec<PublishedCell>,
}

/// A published figure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCell {
    /// Section of the report.
    pub section: String,
    /// Row of its table.
    pub row: String,
    /// Column of its table.
    pub column: String,
    /// As printed.
    pub printed: String,
    /// As a value.
    pub value: Published,
    /// Half a unit in the last printed place.
    pub tolerance: Option<f64>,
    recompute: Option<String>,
    not_testable: Option<String>,
}

/// A published figure beside what the rows give.
#[derive(Debug, Clone, PartialEq)]
pub struct CellCheck<'c> {
    /// What is published.
    pub cell: &'c PublishedCell,
    /// What the rows give; `None` when they cannot tell.
    pub recomputed: Option<Value>,
    /// Whether the rows give something else.
    pub differs: bool,
    /// Why the rows cannot tell.
    pub why: Option<String>,
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

    fn check(
        &self,
        sources: &Sources,
        path: &Path,
        line: usize,
    ) -> Result<CellCheck<'_>, AuditError> {
        let given = self.recompute.as_ref().map(|query| sources.exact(query));
        let (recomputed, why) = match given {
            None => (None, self.not_testable.clone()),
            Some(Ok(computed)) => (Some(computed.value), None),
            Some(Err(RecomputeError::Lacking(why))) => (None, Some(why)),
            Some(Err(RecomputeError::Wrong(problem))) => {
                return Err(self.refused(path, line, &problem));
            }
        };
        let judge = Judge {
            published: &self.value,
            relation: Relation::Equals,
            tolerance: self.tolerance.unwrap_or(0.0),
        };
        let differs = |value| judge.holds(value) != Some(true);
        Ok(CellCheck {
            cell: self,
            differs: recomputed.as_ref().is_some_and(differs),
            recomputed,
            why,
        })
    }

    fn refused(&self, path: &Path, line: usize, problem: &str) -> AuditError {
        let place = format!("cell ({}, {}, {})", self.section, self.row, self.column);
        AuditError::refused(path, line, format!("{place}: {problem}"))
    }
}

impl PublishedCells {
    /// Reads a file of published figures.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        Self::parse(path, &AuditError::read(path)?)
    }

    /// Checks the text of a file of published figures; `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let file: File = AuditError::versioned(path, text)?;
        let cells: Vec<_> = lines(text, "[[cells]]").zip(file.cells).collect();
        for (line, cell) in &cells {
            if let Some(problem) = cell.problem() {
                return Err(cell.refused(path, *line, problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            views: file.views,
            cells,
        })
    }

    /// Computes every figure from the table named `runs` in `sources`, which its queries name `input`. A
    /// figure is unknown where the table lacks what it needs; a query that cannot be run is an error.
    pub fn check(&self, sources: &Sources, runs: &str) -> Result<Vec<CellCheck<'_>>, AuditError> {
        let mut sources = sources.clone();
        let input = sources.tables.get(runs).cloned();
        sources
            .tables
            .extend(input.map(|table| ("input".to_owned(), table)));
        let sources = sources.with_views(&self.path, &self.views)?;
        let cells = self.cells.iter();
        cells
            .map(|(line, cell)| cell.check(&sources, &self.path, *line))
            .collect()
    }
}
