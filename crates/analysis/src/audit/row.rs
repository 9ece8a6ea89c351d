//! A row of a table: cells by column.

use std::collections::BTreeMap;

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

    /// With a cell in the column.
    pub(super) fn with(mut self, column: &str, cell: Cell) -> Self {
        self.cells.insert(column.to_owned(), cell);
        self
    }

    /// The columns that are not empty.
    pub(super) fn columns(&self) -> impl Iterator<Item = &String> {
        self.cells.keys()
    }

    /// With a number in the column.
    #[must_use]
    pub fn number(self, column: &str, value: f64) -> Self {
        self.with(column, Cell::Number(value))
    }

    /// With a text in the column.
    #[must_use]
    pub fn text(self, column: &str, value: &str) -> Self {
        self.with(column, Cell::Text(value.to_owned()))
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
