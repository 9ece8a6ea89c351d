//! What a table shows of a frame. `tables.toml` declares the tables: title, note, and for each column its key, its heading
//! with the unit, and how its cells are written.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use document::{Cell, Kind, Origin};
use metrics::Estimate;
use polars::prelude::{DataFrame, LazyFrame};
use serde::Deserialize;

use super::frame::{collect, floats};

/// A table as it is declared.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Declaration {
    pub(super) title: String,
    pub(super) note: String,
    columns: String,
}

pub(super) static DECLARATIONS: LazyLock<BTreeMap<String, Declaration>> = LazyLock::new(|| {
    toml::from_str(include_str!("tables.toml")).expect("the tables are parsed by a test")
});

pub(super) fn declaration(name: &str) -> &'static Declaration {
    &DECLARATIONS[name]
}

/// The declared columns of a table, those of other entries in the place of their names.
pub(super) fn declared_columns(name: &str) -> Vec<TableColumn> {
    let lines = declaration(name).columns.lines();
    let columns = lines.flat_map(|line| match line.strip_prefix("..") {
        Some(other) => declared_columns(other),
        None => vec![TableColumn::parse(line)],
    });
    columns.collect()
}

/// A column of a table, made from one of a frame.
#[derive(Debug, Clone, Default)]
pub(super) struct TableColumn {
    pub(super) key: String,
    pub(super) heading: String,
    /// The frame's column. For an estimate, the beginning of the names of its parts.
    from: String,
    /// The end of the names of all columns of the frame that this one is made from.
    ending: String,
    kind: ColumnKind,
    /// None: where the table's data come from.
    pub(super) origin: Option<Origin>,
    /// None: as the frame's column `decimals` says, else one for a number with a fraction.
    decimals: Option<usize>,
    is_signed: bool,
    is_percent: bool,
    /// The column of a number to show after this one and a slash.
    after: Option<String>,
    /// The number after the slash is what this one is out of: nothing can be said where it is 0.
    is_part: bool,
    /// The column with the words to show where this one has no value.
    otherwise: Option<String>,
    absent: Absent,
    /// The column is repeated for each source.
    pub(super) is_of_each_source: bool,
    /// The column is repeated for each agent.
    pub(super) is_of_each_agent: bool,
    /// What must hold for the column to be shown.
    pub(super) condition: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ColumnKind {
    #[default]
    Text,
    Number,
    Estimate,
    PValue,
}

/// How an absent value is shown.
#[derive(Debug, Clone, Default)]
enum Absent {
    #[default]
    Unknown,
    /// It does not apply.
    Empty,
    /// As unknown in rows in which this column is true.
    UnknownIf(String),
}

impl TableColumn {
    /// Panics when the line is not as `tables.toml` describes it; a test parses all.
    fn parse(line: &str) -> Self {
        let mut parts = line.split('|').map(|part| part.trim().to_owned());
        let mut part = || parts.next().expect("key | heading | properties");
        let (key, heading, properties) = (part(), part(), part());
        let mut column = Self {
            from: key.clone(),
            key,
            heading,
            origin: Some(Origin::Label),
            ..Self::default()
        };
        let mut words = properties.split(' ');
        while let Some(word) = words.next() {
            let mut name = || words.next().expect("a name follows").to_owned();
            match word {
                "label" => {}
                "words" | "derived" => column.origin = Some(Origin::Derived),
                "setting" => (column.kind, column.absent) = (ColumnKind::Number, Absent::Empty),
                "number" | "estimate" => {
                    let is_number = word == "number";
                    column.kind = if is_number {
                        ColumnKind::Number
                    } else {
                        ColumnKind::Estimate
                    };
                    column.decimals = name().parse().ok();
                    column.origin = None;
                }
                "p" => {
                    (column.kind, column.absent) = (ColumnKind::PValue, Absent::Empty);
                    column.origin = Some(Origin::Derived);
                }
                "from" => column.from = name(),
                "signed" => column.is_signed = true,
                "percent" => column.is_percent = true,
                "published" => column.origin = Some(Origin::Published),
                "named" => column.origin = Some(Origin::Label),
                "data" => column.origin = None,
                "of" => (column.after, column.is_part) = (Some(name()), true),
                "beside" => column.after = Some(name()),
                "else" => column.otherwise = Some(name()),
                "dash" => column.absent = Absent::Empty,
                "unknown-if" => column.absent = Absent::UnknownIf(name()),
                "each" => column.is_of_each_source = true,
                "agents" => column.is_of_each_agent = true,
                "if" => column.condition = Some(name()),
                other => panic!("`{other}` is no property of a column"),
            }
        }
        column
    }

    /// The column of an option, by the names of the columns with its number and with its words.
    pub(super) fn of_option(name: &str) -> Self {
        let line =
            format!("{name} | {name} | setting from option.{name}.number else option.{name}.words");
        Self::parse(&line)
    }

    /// The column of one of several sources, whose columns in a wide frame end with its place.
    pub(super) fn of_source(mut self, place: usize) -> Self {
        self.ending = format!("@{place}");
        self
    }

    /// The column with a word in the place of its name in braces.
    pub(super) fn with(mut self, name: &str, word: &str) -> Self {
        let name = format!("{{{name}}}");
        for text in [&mut self.key, &mut self.heading, &mut self.from] {
            *text = text.replace(&name, word);
        }
        self
    }

    pub(super) fn kind(&self) -> Kind {
        match self.kind {
            ColumnKind::Text => Kind::Text,
            ColumnKind::Number | ColumnKind::PValue => Kind::Number,
            ColumnKind::Estimate => Kind::Estimate,
        }
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
            return match (&self.absent, other) {
                (_, Some(other)) => Cell::text(other),
                (Absent::UnknownIf(column), _) if flag(column) == Some(true) => Cell::Unknown,
                (Absent::Unknown, _) => Cell::Unknown,
                _ => Cell::Empty,
            };
        };
        if let Some(after) = after {
            return Cell::text(format!("{}/{}", value.round(), after.round()));
        }
        if self.kind == ColumnKind::PValue {
            return Cell::P(value);
        }
        let decimals = self.decimals.or_else(|| Some(number("decimals")? as usize));
        let decimals = decimals.unwrap_or_else(|| usize::from(value.fract() != 0.0));
        match part("n") {
            Some(n) => {
                let estimate = Estimate {
                    mean: value,
                    lo: part("lo"),
                    hi: part("hi"),
                    sd: None,
                    n: n as u32,
                };
                let factor = if self.is_percent { 100.0 } else { 1.0 };
                Cell::scaled(Some(&estimate), factor, decimals, self.is_signed)
            }
            None if self.is_signed => Cell::signed(value, decimals),
            None => Cell::number(value, decimals),
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
