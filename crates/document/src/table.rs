//! Tables: columns that say where their numbers come from, cells that know unknown from zero.

mod render;

use std::borrow::Borrow;
use std::fmt;

use domain::record::Provenance;
use metrics::Estimate;

/// Where the numbers of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// A command or a name, set as code where the output can.
    Code(String),
    Number {
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

    pub fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
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

    pub fn estimate(estimate: Option<&Estimate>, decimals: usize) -> Self {
        Self::scaled(estimate, 1.0, decimals, false)
    }

    /// `factor` converts to another unit. Unknown where there is no estimate.
    pub fn scaled(estimate: Option<&Estimate>, factor: f64, decimals: usize, signed: bool) -> Self {
        estimate.map_or(Self::Unknown, |e| {
            let interval = e.lo.zip(e.hi).map(|(lo, hi)| (lo * factor, hi * factor));
            Self::build(e.mean * factor, decimals, signed, interval, Some(e.n))
        })
    }

    /// Empty where there is none.
    pub fn p_value(p: Option<f64>) -> Self {
        p.map_or(Self::Empty, Self::P)
    }

    /// Unknown where there is none.
    pub fn known(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Unknown, |v| Self::number(v, decimals))
    }

    pub fn known_signed(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Unknown, |v| Self::signed(v, decimals))
    }

    fn build(
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

/// A column together with how its cell is made from a row's item.
pub struct Field<'f, T: ?Sized> {
    column: Column,
    cell: Box<dyn Fn(&T) -> Cell + 'f>,
}

impl<T: ?Sized> fmt::Debug for Field<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.column).finish()
    }
}

impl<'f, T: ?Sized> Field<'f, T> {
    pub fn new(
        key: impl Into<String>,
        heading: impl Into<String>,
        kind: Kind,
        origin: Origin,
        cell: impl Fn(&T) -> Cell + 'f,
    ) -> Self {
        Self {
            column: Column {
                key: key.into(),
                heading: heading.into(),
                origin,
                kind,
            },
            cell: Box::new(cell),
        }
    }

    /// The same column of a table whose rows hold an item each.
    pub fn of_each<U>(self, item: impl Fn(&U) -> &T + 'f) -> Field<'f, U>
    where
        T: 'f,
    {
        Field {
            column: self.column,
            cell: Box::new(move |row| (self.cell)(item(row))),
        }
    }

    pub fn label(
        key: impl Into<String>,
        heading: impl Into<String>,
        cell: impl Fn(&T) -> Cell + 'f,
    ) -> Self {
        Self::new(key, heading, Kind::Text, Origin::Label, cell)
    }

    pub fn number(
        key: impl Into<String>,
        heading: impl Into<String>,
        origin: Origin,
        cell: impl Fn(&T) -> Cell + 'f,
    ) -> Self {
        Self::new(key, heading, Kind::Number, origin, cell)
    }

    pub fn estimate(
        key: impl Into<String>,
        heading: impl Into<String>,
        origin: Origin,
        cell: impl Fn(&T) -> Cell + 'f,
    ) -> Self {
        Self::new(key, heading, Kind::Estimate, origin, cell)
    }
}

/// The columns of a table that are made from its rows' items, most of them numbers of one origin.
#[derive(Debug)]
pub struct Columns<'f, T> {
    origin: Origin,
    fields: Vec<Field<'f, T>>,
}

impl<'f, T> Columns<'f, T> {
    pub const fn new(origin: Origin) -> Self {
        Self {
            origin,
            fields: Vec::new(),
        }
    }

    /// Adds columns.
    #[must_use]
    pub fn with(mut self, fields: impl IntoIterator<Item = Field<'f, T>>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Adds a column of words.
    #[must_use]
    pub fn words<S: Into<String>>(
        self,
        key: &str,
        heading: &str,
        words: impl Fn(&T) -> S + 'f,
    ) -> Self {
        let cell = move |item: &T| Cell::text(words(item));
        self.with([Field::label(key, heading, cell)])
    }

    /// Adds a column of numbers with this many decimals, unknown where there is none.
    #[must_use]
    pub fn figure<N: Into<Option<f64>>>(
        self,
        key: &str,
        heading: &str,
        decimals: usize,
        figure: impl Fn(&T) -> N + 'f,
    ) -> Self {
        let cell = move |item: &T| Cell::known(figure(item).into(), decimals);
        let field = Field::number(key, heading, self.origin, cell);
        self.with([field])
    }

    /// Adds a column of whole numbers.
    #[must_use]
    pub fn count<N: Into<u64>>(
        self,
        key: &str,
        heading: &str,
        count: impl Fn(&T) -> N + 'f,
    ) -> Self {
        self.figure(key, heading, 0, move |item| count(item).into() as f64)
    }

    /// Sets the origin of the columns that are added after it.
    #[must_use]
    pub const fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The table with a row for each item.
    pub fn table(
        self,
        id: impl Into<String>,
        title: impl Into<String>,
        items: impl IntoIterator<Item: Borrow<T>>,
    ) -> Table {
        Table::of(id, title, self.fields, items)
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

    pub fn of<T>(
        id: impl Into<String>,
        title: impl Into<String>,
        fields: Vec<Field<'_, T>>,
        items: impl IntoIterator<Item: Borrow<T>>,
    ) -> Self {
        let row = |item: &T| fields.iter().map(|f| (f.cell)(item)).collect();
        let rows = items.into_iter().map(|item| row(item.borrow())).collect();
        Self {
            id: id.into(),
            title: title.into(),
            note: String::new(),
            columns: fields.into_iter().map(|f| f.column).collect(),
            rows,
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
        let says = |i: usize| {
            let empty = |row: &Vec<Cell>| matches!(row[i], Cell::Unknown | Cell::Empty);
            !self.rows.iter().all(empty)
        };
        let keep: Vec<bool> = (0..self.columns.len())
            .map(|i| says(i) || except.contains(&self.columns[i].key.as_str()))
            .collect();
        let mut kept = keep.iter();
        self.columns.retain(|_| *kept.next().unwrap_or(&true));
        for row in &mut self.rows {
            let mut kept = keep.iter();
            row.retain(|_| *kept.next().unwrap_or(&true));
        }
        self
    }

    pub fn column(
        &mut self,
        key: impl Into<String>,
        heading: impl Into<String>,
        kind: Kind,
        origin: Origin,
    ) {
        self.columns.push(Column {
            key: key.into(),
            heading: heading.into(),
            origin,
            kind,
        });
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
    let holds = |column: &Column| match (column.kind, column.origin) {
        (_, Origin::Label) => "label",
        (Kind::Text, _) => "words",
        (Kind::Number, _) => "number",
        (Kind::Estimate, _) => "mean, lo, hi, n",
    };
    let columns = |table: &'t Table| table.columns.iter().map(move |column| (table, column));
    Columns::<(&Table, &Column)>::new(Origin::Label)
        .words("table", "table", |row| row.0.id.clone())
        .words("column", "column", |row| row.1.key.clone())
        .words("heading", "heading", |row| row.1.heading.clone())
        .words("holds", "holds", move |row| holds(row.1))
        .words("origin", "origin", |row| row.1.origin.word())
        .table("columns", "Columns", tables.into_iter().flat_map(columns))
}

#[cfg(test)]
mod tests;
