//! Tables: columns that say where their numbers come from, cells that know unknown from zero.

mod render;

use domain::record::Provenance;
use metrics::Estimate;
use serde::Deserialize;

/// Where the numbers of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Printed in a published report.
    Published,
    /// Measured on a real server, or computed from such measurements.
    Measured,
    /// Measured on the simulator, or computed from that.
    Simulated,
    /// Computed from records of another program.
    Imported,
    /// Computed from other columns of the table.
    Derived,
    /// A name or an option, not a number.
    Label,
}

impl Origin {
    /// The word used in `columns.csv`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Published => "imported (published)",
            Self::Measured => "measured",
            Self::Simulated => "simulated",
            Self::Imported => "imported (recorded runs)",
            Self::Derived => "derived",
            Self::Label => "label",
        }
    }
}

impl From<Provenance> for Origin {
    fn from(provenance: Provenance) -> Self {
        match provenance {
            Provenance::Measured => Self::Measured,
            Provenance::Simulated => Self::Simulated,
            Provenance::Imported => Self::Imported,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// File stem and anchor: `3.1-baseline_vs_chimera`.
    pub id: String,
    pub title: String,
    /// What a reader must know to read it, in a sentence or two; may be empty.
    pub note: String,
    pub columns: Vec<Column>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in CSV: `ttft_delta_ms`.
    pub key: String,
    /// Heading with its unit: `TTFT delta (ms)`.
    pub heading: String,
    pub origin: Origin,
    /// Numbers are aligned to the right; with `Estimate`, CSV carries interval and `n`.
    pub kind: Kind,
}

impl Column {
    fn new(key: &str, heading: &str, kind: Kind, origin: Origin) -> Self {
        Self {
            key: key.to_owned(),
            heading: heading.to_owned(),
            origin,
            kind,
        }
    }

    /// What its cells hold, as `columns.csv` says it.
    fn content(&self) -> &'static str {
        match (self.kind, self.origin) {
            (_, Origin::Label) => "label",
            (Kind::Text, _) => "words",
            (Kind::Number, _) => "number",
            (Kind::Estimate, _) => "mean, lo, hi, n",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// Means with interval and `n`.
    Estimate,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words, which may come from a server or a plan: each output makes them safe.
    Text(String),
    Number {
        /// In the unit of its column.
        value: f64,
        /// Decimals for readers; CSV has its own.
        decimals: usize,
        signed: bool,
        /// 95 %.
        interval: Option<(f64, f64)>,
        /// Observations behind it, where it is a mean.
        n: Option<u32>,
    },
    /// A p value; one that three decimals cannot show reads `<0.001`.
    P(f64),
    /// The data cannot tell.
    Unknown,
    /// Does not apply.
    Empty,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn number(value: f64, decimals: usize) -> Self {
        Self::build(value, decimals, false, None, None)
    }

    pub fn signed(value: f64, decimals: usize) -> Self {
        Self::build(value, decimals, true, None, None)
    }

    pub fn count(value: u32) -> Self {
        Self::number(f64::from(value), 0)
    }

    /// Unknown where there is no estimate.
    pub fn estimate(estimate: Option<&Estimate>, decimals: usize) -> Self {
        estimate.map_or(Self::Unknown, |e| {
            Self::build(e.mean, decimals, false, e.lo.zip(e.hi), Some(e.n))
        })
    }

    /// Unknown where there is none.
    pub fn known(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Unknown, |v| Self::number(v, decimals))
    }

    /// A number with the `interval` and the `n` of the mean that it is; unknown where it is not finite.
    pub fn build(
        value: f64,
        decimals: usize,
        signed: bool,
        interval: Option<(f64, f64)>,
        n: Option<u32>,
    ) -> Self {
        if value.is_finite() {
            Self::Number {
                value,
                decimals,
                signed,
                interval,
                n,
            }
        } else {
            Self::Unknown
        }
    }
}

impl Table {
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            ..Self::default()
        }
    }

    /// The table under another id and title.
    #[must_use]
    pub fn named(self, id: impl Into<String>, title: impl Into<String>) -> Self {
        let (id, title) = (id.into(), title.into());
        Self { id, title, ..self }
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The table without the columns in which no cell says anything, except for those named.
    #[must_use]
    pub fn without_empty_columns(mut self, except: &[&str]) -> Self {
        for place in (0..self.columns.len()).rev() {
            let says_nothing = |row: &Vec<Cell>| matches!(row[place], Cell::Unknown | Cell::Empty);
            let is_named = except.contains(&&*self.columns[place].key);
            if !is_named && self.rows.iter().all(says_nothing) {
                self.columns.remove(place);
                self.rows.iter_mut().for_each(|row| drop(row.remove(place)));
            }
        }
        self
    }

    pub fn column(&mut self, key: &str, heading: &str, kind: Kind, origin: Origin) {
        self.columns.push(Column::new(key, heading, kind, origin));
    }

    pub fn label(&mut self, key: &str, heading: &str) {
        self.column(key, heading, Kind::Text, Origin::Label);
    }

    /// As long as the columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "table {}", self.id);
        self.rows.push(cells);
    }

    #[must_use]
    pub fn first(&self, rows: usize) -> Self {
        Self {
            rows: self.rows.iter().take(rows).cloned().collect(),
            ..self.clone()
        }
    }
}

/// The column dictionary: heading, content and origin of every column of every table.
pub fn dictionary<'t>(tables: impl IntoIterator<Item = &'t Table>) -> Table {
    let mut dictionary = Table::new("columns", "Columns");
    for heading in ["table", "column", "heading", "holds", "origin"] {
        dictionary.label(heading, heading);
    }
    for table in tables {
        for column in &table.columns {
            let (content, origin) = (column.content(), column.origin.word());
            let words = [&*table.id, &*column.key, &*column.heading, content, origin];
            dictionary.row(words.map(Cell::text).to_vec());
        }
    }
    dictionary
}

#[cfg(test)]
mod tests;
