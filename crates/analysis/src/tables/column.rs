//! What a table shows of a frame: each column's name, heading and unit, and how its cells are written.

use document::{Cell, Kind, Origin, Table};
use metrics::Estimate;
use polars::prelude::{DataFrame, LazyFrame};

use super::frame::{collect, floats};

/// A column of a table, made from one of a frame.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    pub(super) key: String,
    pub(super) heading: String,
    /// The frame's column. For an estimate, the beginning of the names of its parts.
    from: String,
    /// The end of the names of all columns of the frame that this one is made from.
    ending: String,
    kind: Kind,
    /// None: where the table's data come from.
    pub(super) origin: Option<Origin>,
    /// None: as the frame's column `decimals` says, else one for a number with a fraction.
    decimals: Option<usize>,
    signed: bool,
    factor: f64,
    is_p: bool,
    /// The column of a number to show after this one and a slash.
    after: Option<String>,
    /// The number after the slash is what this one is out of: nothing can be said where it is 0.
    is_part: bool,
    /// The column with the words to show where this one has no value.
    otherwise: Option<String>,
    absent: Absent,
}

/// How an absent value is shown.
#[derive(Debug, Clone)]
enum Absent {
    Unknown,
    /// It does not apply.
    Empty,
    /// As unknown in rows in which this column is true.
    UnknownIf(String),
}

/// A name or an option. It is shown as the frame has it.
pub(super) fn label(key: &str, heading: &str) -> TableColumn {
    TableColumn {
        key: key.to_owned(),
        heading: heading.to_owned(),
        from: key.to_owned(),
        ending: String::new(),
        kind: Kind::Text,
        origin: Some(Origin::Label),
        decimals: None,
        signed: false,
        factor: 1.0,
        is_p: false,
        after: None,
        is_part: false,
        otherwise: None,
        absent: Absent::Unknown,
    }
}

/// Words that are computed.
pub(super) fn words(key: &str, heading: &str) -> TableColumn {
    TableColumn {
        origin: Some(Origin::Derived),
        ..label(key, heading)
    }
}

/// The value of an option; a dash where it is not set.
pub(super) fn setting(key: &str, heading: &str) -> TableColumn {
    TableColumn {
        kind: Kind::Number,
        ..label(key, heading).or_dash()
    }
}

pub(super) fn number(key: &str, heading: &str, decimals: usize) -> TableColumn {
    TableColumn {
        kind: Kind::Number,
        origin: None,
        decimals: Some(decimals),
        ..label(key, heading)
    }
}

/// A mean with its interval.
pub(super) fn estimate(key: &str, heading: &str, decimals: usize) -> TableColumn {
    TableColumn {
        kind: Kind::Estimate,
        ..number(key, heading, decimals)
    }
}

/// A p value; a dash where there is none.
pub(super) fn p_value(key: &str, heading: &str) -> TableColumn {
    TableColumn {
        is_p: true,
        ..number(key, heading, 3).derived().or_dash()
    }
}

impl TableColumn {
    /// Shows this column of the frame instead of the one named like the key.
    pub(super) fn from(mut self, column: &str) -> Self {
        column.clone_into(&mut self.from);
        self
    }

    pub(super) fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Of the origin of the table's data.
    pub(super) fn of_data(mut self) -> Self {
        self.origin = None;
        self
    }

    pub(super) fn derived(self) -> Self {
        self.origin(Origin::Derived)
    }

    pub(super) fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Shows a share as a percentage.
    pub(super) fn percent(mut self) -> Self {
        self.factor = 100.0;
        self
    }

    /// Takes the decimals from the frame's column `decimals`.
    pub(super) fn decimals_by_row(mut self) -> Self {
        self.decimals = None;
        self
    }

    /// Shows `k/n`, with n from this column; unknown where n is 0.
    pub(super) fn out_of(mut self, column: &str) -> Self {
        self.is_part = true;
        self.beside(column)
    }

    /// Shows `a/b`, with b from this column, or a alone where there is no b.
    pub(super) fn beside(mut self, column: &str) -> Self {
        self.after = Some(column.to_owned());
        self
    }

    pub(super) fn otherwise(mut self, column: &str) -> Self {
        self.otherwise = Some(column.to_owned());
        self
    }

    pub(super) fn or_dash(mut self) -> Self {
        self.absent = Absent::Empty;
        self
    }

    pub(super) fn unknown_if(mut self, column: &str) -> Self {
        self.absent = Absent::UnknownIf(column.to_owned());
        self
    }

    /// The column of one of several sources, whose columns in a wide frame end with its place.
    pub(super) fn of_source(mut self, place: usize) -> Self {
        self.ending = format!("@{place}");
        self
    }

    fn cell(&self, frame: &DataFrame, row: usize) -> Cell {
        let named = |name: &str| frame.column(&format!("{name}{}", self.ending)).ok();
        let number = |name: &str| named(name)?.f64().ok()?.get(row);
        let text = |name: &str| named(name)?.str().ok()?.get(row);
        let flag = |name: &str| named(name)?.bool().ok()?.get(row);
        if let Some(text) = text(&self.from) {
            return Cell::text(text);
        }
        let part = |part: &str| number(&format!("{}.{part}", self.from));
        let value = number(&self.from).or_else(|| part("mean"));
        let after = self.after.as_ref().and_then(|column| number(column));
        let is_of_nothing = self.is_part && after == Some(0.0);
        let Some(value) = value.filter(|value| !value.is_nan() && !is_of_nothing) else {
            let other = self.otherwise.as_ref().and_then(|column| text(column));
            return match &self.absent {
                _ if other.is_some() => Cell::text(other.unwrap_or_default()),
                Absent::Empty => Cell::Empty,
                Absent::UnknownIf(column) if flag(column) != Some(true) => Cell::Empty,
                _ => Cell::Unknown,
            };
        };
        if let Some(after) = after {
            return Cell::text(format!("{}/{}", value.round(), after.round()));
        }
        let decimals = self.decimals.or_else(|| Some(number("decimals")? as usize));
        let decimals = decimals.unwrap_or_else(|| usize::from(value.fract() != 0.0));
        match part("n") {
            _ if self.is_p => Cell::P(value),
            Some(n) => {
                let estimate = Estimate {
                    mean: value,
                    lo: part("lo"),
                    hi: part("hi"),
                    sd: None,
                    n: n as u32,
                };
                Cell::scaled(Some(&estimate), self.factor, decimals, self.signed)
            }
            None if self.signed => Cell::signed(value * self.factor, decimals),
            None => Cell::number(value * self.factor, decimals),
        }
    }
}

/// The rows of a frame as the cells of a table.
pub(super) fn rows(frame: LazyFrame, columns: &[TableColumn]) -> Vec<Vec<Cell>> {
    let frame = floats(&collect(frame));
    let row = |row| {
        columns
            .iter()
            .map(|column| column.cell(&frame, row))
            .collect()
    };
    (0..frame.height()).map(row).collect()
}

/// A table with a row for each of the frame's. `origin` is where its data come from.
pub(super) fn table(
    (id, title): (&str, &str),
    origin: Origin,
    frame: LazyFrame,
    columns: &[TableColumn],
) -> Table {
    let mut table = Table::new(id, title);
    table.rows = rows(frame, columns);
    for column in columns {
        let origin = column.origin.unwrap_or(origin);
        table.column(&*column.key, &*column.heading, column.kind, origin);
    }
    table
}
