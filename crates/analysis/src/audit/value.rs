//! A number or a text, and rows of them.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text: a name, a version, a flag (`yes`, `no`), a stamp.
    Text(String),
}

impl Value {
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

    /// The number; of an RFC 3339 stamp the seconds since 1970.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => {
                let time = humantime::parse_rfc3339(text).ok()?;
                Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
            }
        }
    }
}

/// The cells of a row that are not empty, by column.
pub type Row = BTreeMap<String, Value>;

/// The number in a column; none where it is empty or a text.
pub(super) fn number(row: &Row, column: &str) -> Option<f64> {
    match row.get(column)? {
        Value::Number(number) => Some(*number),
        Value::Text(_) => None,
    }
}
