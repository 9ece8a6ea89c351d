//! A TOML file of one array of tables, with the line of each.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;

use super::error::{AuditError, line_of};
use super::method::Recompute;

/// The newest layout of a file that this code reads.
const SCHEMA: i64 = 1;

/// A file of one array of tables, with the methods it names.
pub(super) struct Entries {
    pub(super) quantities: BTreeMap<String, Recompute>,
    pub(super) entries: Vec<Entry>,
}

/// One table of the array.
pub(super) struct Entry {
    pub(super) line: usize,
    table: toml::Table,
}

impl Entries {
    pub(super) fn parse(path: &Path, text: &str, array: &str) -> Result<Self, AuditError> {
        let mut file: BTreeMap<String, Spanned<toml::Value>> =
            toml::from_str(text).map_err(|error| AuditError::toml(path, text, &error))?;
        let refuse =
            |line, entry: String, problem: String| AuditError::entry(path, line, entry, problem);
        let schema = file.remove("schema");
        let schema = schema.as_ref().map(Spanned::get_ref);
        if schema != Some(&toml::Value::Integer(SCHEMA)) {
            return Err(refuse(
                1,
                "key `schema`".to_owned(),
                format!("must be there and be {SCHEMA}"),
            ));
        }
        let mut quantities = BTreeMap::new();
        if let Some(table) = file.remove("quantities") {
            let line = line_of(text, table.span().start);
            let toml::Value::Table(table) = table.into_inner() else {
                return Err(refuse(
                    line,
                    "key `quantities`".to_owned(),
                    "must be a table".to_owned(),
                ));
            };
            for (key, value) in table {
                let method = value.try_into().map_err(|error: toml::de::Error| {
                    refuse(
                        line,
                        format!("quantity `{key}`"),
                        error.message().to_owned(),
                    )
                })?;
                quantities.insert(key, method);
            }
        }
        let Some(entries) = file.remove(array) else {
            return Err(refuse(
                1,
                format!("key `{array}`"),
                format!("is missing; the file must hold at least one [[{array}]]"),
            ));
        };
        if let Some((key, value)) = file.first_key_value() {
            return Err(refuse(
                line_of(text, value.span().start),
                format!("key `{key}`"),
                format!("is not known; known are schema, quantities, {array}"),
            ));
        }
        let toml::Value::Array(entries) = entries.into_inner() else {
            return Err(refuse(
                1,
                format!("key `{array}`"),
                format!("must be written as [[{array}]]"),
            ));
        };
        // The parser keeps no place for the elements of an array of tables; their headers do.
        let header = format!("[[{array}]]");
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == header)
            .map(|(index, _)| index + 1);
        let entries = entries
            .into_iter()
            .map(|entry| {
                let line = lines.next().unwrap_or(1);
                match entry {
                    toml::Value::Table(table) => Ok(Entry { line, table }),
                    other => Err(refuse(
                        line,
                        format!("key `{array}`"),
                        format!("holds {}, must hold tables", other.type_str()),
                    )),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            quantities,
            entries,
        })
    }
}

impl Entry {
    /// How errors call the entry: its name, or its place.
    pub(super) fn name(&self, key: &str, index: usize, what: &str) -> String {
        match self.table.get(key) {
            Some(toml::Value::String(name)) => format!("{what} `{name}`"),
            _ => format!("{what} {}", index + 1),
        }
    }

    pub(super) fn read<T: serde::de::DeserializeOwned>(
        self,
        path: &Path,
        name: &str,
    ) -> Result<T, AuditError> {
        let line = self.line;
        serde_path_to_error::deserialize(toml::Value::Table(self.table)).map_err(|error| {
            let at = error.path().to_string();
            let entry = match at.as_str() {
                "." => name.to_owned(),
                _ => format!("{name}, key `{at}`"),
            };
            AuditError::entry(path, line, entry, error.into_inner().message())
        })
    }
}
