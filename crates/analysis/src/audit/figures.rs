//! What a claim is tested against: tables of rows, and single figures under dotted keys.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{AuditError, RecomputeError};
use super::row::Row;
use super::rows::{Rows, join};

/// A number or a text.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text: a version, a configuration's id, a stamp.
    Text(String),
}

/// The data behind an audit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    rows: BTreeMap<String, Rows>,
    figures: BTreeMap<String, Value>,
}

impl Sources {
    /// Reads a folder laid out as `fixtures/tr113`: the rows `published`, `recorded`, `one-server`
    /// and `two-servers`, the figures `tr110.*`, `facts.*` and `mechanisms.*`, and the rows
    /// `tr110-report` and `tr110-cited` (a row a scenario) made of TR110's figures.
    pub fn load(folder: &Path) -> Result<Self, AuditError> {
        let mut sources = Self::default();
        for name in ["published", "recorded", "one-server", "two-servers"] {
            let path = folder.join(format!("{name}.csv"));
            sources = sources.with_rows(Rows::read(name, &path)?);
        }
        for name in ["tr110", "facts", "mechanisms"] {
            sources.read_figures(name, &folder.join(format!("{name}.toml")))?;
        }
        for (name, prefix) in [
            ("tr110-report", "tr110.report."),
            ("tr110-cited", "tr110.cited."),
        ] {
            let rows = sources.scenario_rows(name, prefix);
            sources = sources.with_rows(rows);
        }
        Ok(sources)
    }

    /// With a set of rows, under its own name.
    #[must_use]
    pub fn with_rows(mut self, rows: Rows) -> Self {
        self.rows.insert(rows.name().to_owned(), rows);
        self
    }

    /// With one figure.
    #[must_use]
    pub fn with_figure(mut self, key: &str, value: Value) -> Self {
        self.figures.insert(key.to_owned(), value);
        self
    }

    fn read_figures(&mut self, prefix: &str, path: &Path) -> Result<(), AuditError> {
        let text = AuditError::read(path)?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|error| AuditError::toml(path, &text, &error))?;
        for (key, value) in &table {
            if key != "schema" {
                self.flatten(&format!("{prefix}.{key}"), value, path)?;
            }
        }
        Ok(())
    }

    fn flatten(&mut self, key: &str, value: &toml::Value, path: &Path) -> Result<(), AuditError> {
        let value = match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    self.flatten(&format!("{key}.{name}"), value, path)?;
                }
                return Ok(());
            }
            toml::Value::Integer(number) => Value::Number(*number as f64),
            toml::Value::Float(number) if number.is_finite() => Value::Number(*number),
            toml::Value::String(text) => Value::Text(text.clone()),
            other => {
                return Err(AuditError::Figure {
                    path: path.to_owned(),
                    key: key.to_owned(),
                    problem: format!("is {}; write a number or a text", other.type_str()),
                });
            }
        };
        self.figures.insert(key.to_owned(), value);
        Ok(())
    }

    /// A row for each scenario that has figures under the prefix.
    fn scenario_rows(&self, name: &str, prefix: &str) -> Rows {
        let scenarios = ["baseline_vs_chimera", "chimera_hetero", "chimera_homo"];
        let rows = scenarios.iter().filter_map(|scenario| {
            let prefix = format!("{prefix}{scenario}.");
            let mut row = Row::default()
                .text("config", scenario)
                .text("scenario", scenario);
            let mut found = false;
            for (key, value) in &self.figures {
                if let (Some(column), Value::Number(value)) = (key.strip_prefix(&prefix), value) {
                    row = row.number(column, *value);
                    found = true;
                }
            }
            found.then_some(row)
        });
        Rows::new(name, rows.collect())
    }

    pub(super) fn rows(&self, name: &str) -> Result<&Rows, RecomputeError> {
        self.rows
            .get(name)
            .ok_or_else(|| RecomputeError::UnknownRows {
                name: name.to_owned(),
                known: join(self.rows.keys()),
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
    ) -> Option<String> {
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
            .cloned()
    }
}
