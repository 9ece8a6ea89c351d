//! What a claim is tested against: tables of rows, and single figures under dotted keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::derive::derive;
use super::error::{AuditError, RecomputeError};
use super::value::{Row, Value};

/// A table: rows, and columns that a row may lack.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    pub(super) columns: BTreeSet<String>,
    pub(super) list: Vec<Row>,
}

impl Rows {
    /// Reads a CSV table with at least `config` and `scenario`. Rows gain the columns that
    /// `derive` adds, and the options that their ids spell (`bvc_g60_c512_t0.6`, `het_g60_g120`)
    /// as `num_gpu`, `num_ctx` and `temperature` of agent B. `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let refuse = |error: csv::Error| {
            let line = error.position().map(|at| at.line() as usize);
            AuditError::refused(path, line, error.to_string())
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers().map_err(refuse)?.clone();
        for needed in ["config", "scenario"] {
            if !headers.iter().any(|header| header == needed) {
                let problem = format!("no column `{needed}`; the header must name it");
                return Err(AuditError::refused(path, 1, problem));
            }
        }
        let mut list = Vec::new();
        for record in reader.records() {
            let record = record.map_err(refuse)?;
            let cells = headers.iter().zip(&record);
            let cells = cells.filter(|(_, cell)| !cell.trim().is_empty());
            let named = cells.map(|(header, cell)| (header.to_owned(), Value::parse(cell)));
            let mut row: Row = named.collect();
            for name in ["config", "scenario"] {
                let place = headers.iter().position(|header| header == name);
                let text = place.and_then(|at| record.get(at)).unwrap_or_default();
                row.insert(name.to_owned(), Value::Text(text.to_owned()));
            }
            derive(&mut row);
            list.push(row);
        }
        // A column that exists but is empty everywhere is known, and has no value.
        let mut rows = Self::from(list);
        rows.columns.extend(headers.iter().map(str::to_owned));
        Ok(rows)
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.list.iter()
    }
}

impl From<Vec<Row>> for Rows {
    fn from(list: Vec<Row>) -> Self {
        Self {
            columns: list.iter().flat_map(BTreeMap::keys).cloned().collect(),
            list,
        }
    }
}

/// The data behind an audit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    rows: BTreeMap<String, Rows>,
    figures: BTreeMap<String, Value>,
}

impl Sources {
    /// Reads a folder laid out as `fixtures/tr113`: the rows `published`, `recorded`, `one-server`,
    /// `two-servers` and `repeated`, the figures `tr110.*`, `facts.*` and `mechanisms.*`, and the rows
    /// `tr110-report` and `tr110-cited` (a row a scenario) made of TR110's figures.
    pub fn load(folder: &Path) -> Result<Self, AuditError> {
        let mut sources = Self::default();
        let tables = [
            "published",
            "recorded",
            "one-server",
            "two-servers",
            "repeated",
        ];
        for name in tables {
            let path = folder.join(format!("{name}.csv"));
            let rows = Rows::parse(&path, &AuditError::read(&path)?)?;
            sources = sources.with_rows(name, rows);
        }
        for name in ["tr110", "facts", "mechanisms"] {
            let path = folder.join(format!("{name}.toml"));
            let mut table: toml::Table = AuditError::toml(&path, &AuditError::read(&path)?)?;
            table.remove("schema");
            sources.flatten(name, &table.into(), &path)?;
        }
        for (name, prefix) in [
            ("tr110-report", "tr110.report."),
            ("tr110-cited", "tr110.cited."),
        ] {
            let rows = sources.scenario_rows(prefix);
            sources = sources.with_rows(name, rows);
        }
        Ok(sources)
    }

    /// With a table.
    #[must_use]
    pub fn with_rows(mut self, name: &str, rows: Rows) -> Self {
        self.rows.insert(name.to_owned(), rows);
        self
    }

    /// With one figure.
    #[must_use]
    pub fn with_figure(mut self, key: &str, value: Value) -> Self {
        self.figures.insert(key.to_owned(), value);
        self
    }

    fn flatten(&mut self, key: &str, value: &toml::Value, path: &Path) -> Result<(), AuditError> {
        let value = match value {
            toml::Value::Table(table) => {
                return table.iter().try_for_each(|(name, value)| {
                    self.flatten(&format!("{key}.{name}"), value, path)
                });
            }
            toml::Value::Integer(number) => Value::Number(*number as f64),
            toml::Value::Float(number) if number.is_finite() => Value::Number(*number),
            toml::Value::String(text) => Value::Text(text.clone()),
            other => {
                let kind = other.type_str();
                let problem = format!("key `{key}`: is {kind}; write a number or a text");
                return Err(AuditError::refused(path, None, problem));
            }
        };
        self.figures.insert(key.to_owned(), value);
        Ok(())
    }

    /// A row for each scenario that has figures under the prefix.
    fn scenario_rows(&self, prefix: &str) -> Rows {
        let scenarios = ["baseline_vs_chimera", "chimera_hetero", "chimera_homo"];
        let rows = scenarios.iter().filter_map(|scenario| {
            let prefix = format!("{prefix}{scenario}.");
            let figures = self.figures.iter();
            let mut row: Row = figures
                .filter(|(_, value)| matches!(value, Value::Number(_)))
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix(&prefix)?.to_owned(), value.clone()))
                })
                .collect();
            if row.is_empty() {
                return None;
            }
            for name in ["config", "scenario"] {
                row.insert(name.to_owned(), Value::Text((*scenario).to_owned()));
            }
            Some(row)
        });
        Rows::from(rows.collect::<Vec<_>>())
    }

    pub(super) fn rows(&self, name: &str) -> Result<&Rows, RecomputeError> {
        self.rows.get(name).ok_or_else(|| {
            let known = join(self.rows.keys());
            RecomputeError::Wrong(format!("no rows named `{name}`; there are {known}"))
        })
    }

    pub(super) fn figure(&self, key: &str) -> Option<&Value> {
        self.figures.get(key)
    }

    /// The known key that shares the longest beginning or ending with a wrong one.
    pub(super) fn nearest<'a>(
        &'a self,
        key: &str,
        quantities: impl Iterator<Item = &'a String>,
    ) -> Option<&'a String> {
        let common = |known: &str| {
            let start = known.bytes().zip(key.bytes()).take_while(|(a, b)| a == b);
            let end = known.bytes().rev().zip(key.bytes().rev());
            start.count() + end.take_while(|(a, b)| a == b).count()
        };
        self.figures
            .keys()
            .chain(quantities)
            .max_by_key(|known| common(known))
            .filter(|known| common(known) >= 4)
    }
}

pub(super) fn join<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}
