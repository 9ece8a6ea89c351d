//! What a table shows of a frame. `tables.toml` declares the tables: title, note, and for each column its key, its heading
//! with the unit, and how its cells are written.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use document::{Cell, Kind, Origin, Table};
use polars::prelude::{DataFrame, IntoLazy as _, LazyFrame};
use serde::{Deserialize, Serialize};

use super::frame::{collect, floats, frame};

/// A table as it is declared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) note: String,
    /// The entry whose columns come first.
    base: Option<String>,
    columns: Vec<TableColumn>,
}

pub(super) static DECLARATIONS: LazyLock<BTreeMap<String, Declaration>> = LazyLock::new(|| {
    let files = [
        include_str!("tables.toml"),
        include_str!("../load_report/tables.toml"),
        include_str!("../capacity/tables.toml"),
        include_str!("../calibration/tables.toml"),
    ];
    let declarations = files.map(|file| -> BTreeMap<_, _> {
        toml::from_str(file).expect("a test reads the declarations")
    });
    declarations.into_iter().flatten().collect()
});

pub(super) fn declaration(name: &str) -> &'static Declaration {
    &DECLARATIONS[name]
}

/// The declared columns of a table, those of its base first.
pub(super) fn declared_columns(name: &str) -> Vec<TableColumn> {
    let declared = declaration(name);
    let base = declared.base.as_deref().map(declared_columns);
    [&base.unwrap_or_default()[..], &declared.columns].concat()
}

/// The columns of the figures that TR113 gives of a configuration, in its order and with its decimals.
pub(super) fn figures() -> Vec<TableColumn> {
    let mut columns = declared_columns("matrix");
    columns.retain(|column| column.kind == ColumnKind::Estimate);
    columns
}

/// A column of a table, made from one of a frame.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TableColumn {
    pub(super) key: String,
    pub(super) heading: String,
    /// The frame's column, if it is not `key`. For an estimate, the beginning of the names of its parts.
    from: Option<String>,
    /// The end of the names of all columns of the frame that this one is made from.
    #[serde(skip)]
    ending: String,
    kind: ColumnKind,
    /// Where its data come from, if the kind does not say it and they are not the table's own.
    origin: Option<Origin>,
    /// None: as the frame's column `decimals` says, else one for a number with a fraction.
    pub(super) decimals: Option<usize>,
    #[serde(rename = "signed")]
    pub(super) is_signed: bool,
    /// The frame has a share, shown in percent.
    #[serde(rename = "percent")]
    is_percent: bool,
    /// The column of a number to show after this one and a slash.
    beside: Option<String>,
    /// As `beside`, with the number that this one is a part of: unknown where that is 0.
    of: Option<String>,
    /// The column with the words to show where this one has no value.
    #[serde(rename = "else")]
    otherwise: Option<String>,
    /// An absent value does not apply, else it is unknown.
    #[serde(rename = "dash")]
    is_dashed: bool,
    /// An absent value is unknown in rows in which this column is true, and does not apply in the others.
    unknown_if: Option<String>,
    pub(super) each: Option<Repeated>,
    #[serde(rename = "if")]
    pub(super) condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ColumnKind {
    /// A name.
    #[default]
    Label,
    Text,
    /// A number that a plan sets; a dash where it is not set.
    Setting,
    Number,
    Estimate,
    PValue,
}

/// What a column is repeated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Repeated {
    Source,
    Agent,
}

/// What must hold of the data for a column to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Condition {
    /// They have one server and a server per agent.
    Servers,
    /// The client limited requests in flight.
    Admission,
    /// Part of a model ran on the CPU.
    Offload,
}

impl TableColumn {
    /// The column of an option, by the names of the columns with its number and with its words.
    pub(super) fn of_option(name: &str) -> Self {
        Self {
            key: name.to_owned(),
            heading: name.to_owned(),
            from: Some(format!("option.{name}.number")),
            otherwise: Some(format!("option.{name}.words")),
            kind: ColumnKind::Setting,
            ..Self::default()
        }
    }

    /// Where its data come from; none where that is where the table's data come from.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.origin.or(match self.kind {
            ColumnKind::Label | ColumnKind::Setting => Some(Origin::Label),
            ColumnKind::PValue => Some(Origin::Derived),
            ColumnKind::Text | ColumnKind::Number | ColumnKind::Estimate => None,
        })
    }

    pub(super) fn from(&self) -> &str {
        self.from.as_ref().unwrap_or(&self.key)
    }

    /// The column of one of several sources, whose columns in a wide frame end with its place; `name` names the source in
    /// the key and the heading.
    pub(super) fn of_source(
        &self,
        place: usize,
        origin: Origin,
        name: Option<(&str, &str)>,
    ) -> Self {
        let mut column = Self {
            from: Some(self.from().to_owned()),
            ending: format!("@{place}"),
            origin: self.origin().or(Some(origin)),
            ..self.clone()
        };
        if let Some((key, label)) = name {
            column.key = format!("{}_{key}", self.key);
            column.heading = format!("{}, {label}", self.heading);
        }
        column
    }

    /// The column with a word in the place of its name in braces.
    pub(super) fn with(mut self, name: &str, word: &str) -> Self {
        let name = format!("{{{name}}}");
        let own = [&mut self.key, &mut self.heading];
        for text in own.into_iter().chain(&mut self.from) {
            *text = text.replace(&name, word);
        }
        self
    }

    pub(super) fn kind(&self) -> Kind {
        match self.kind {
            ColumnKind::Label | ColumnKind::Text => Kind::Text,
            ColumnKind::Setting | ColumnKind::Number | ColumnKind::PValue => Kind::Number,
            ColumnKind::Estimate => Kind::Estimate,
        }
    }

    fn cell(&self, frame: &DataFrame, row: usize) -> Cell {
        let named = |name: &str| frame.column(&format!("{name}{}", self.ending)).ok();
        let number = |name: &str| named(name)?.f64().ok()?.get(row);
        let text = |name: &str| named(name)?.str().ok()?.get(row);
        let flag = |name: &str| named(name)?.bool().ok()?.get(row);
        if let Some(text) = text(self.from()) {
            return Cell::text(text);
        }
        let part = |part: &str| number(&format!("{}.{part}", self.from()));
        let value = number(self.from()).or_else(|| part("mean"));
        let [of, beside] = [&self.of, &self.beside].map(|name| number(name.as_ref()?));
        let is_known = |value: &f64| !value.is_nan() && of != Some(0.0);
        let Some(value) = value.filter(is_known) else {
            if let Some(words) = self.otherwise.as_ref().and_then(|name| text(name)) {
                return Cell::text(words);
            }
            let is_dashed = match &self.unknown_if {
                Some(name) => flag(name) != Some(true),
                None => {
                    self.is_dashed || matches!(self.kind, ColumnKind::Setting | ColumnKind::PValue)
                }
            };
            return if is_dashed {
                Cell::Empty
            } else {
                Cell::Unknown
            };
        };
        if let Some(after) = of.or(beside) {
            return Cell::text(format!("{}/{}", value.round(), after.round()));
        }
        if self.kind == ColumnKind::PValue {
            return Cell::P(value);
        }
        let decimals = self.decimals.or_else(|| Some(number("decimals")? as usize));
        let decimals = decimals.unwrap_or_else(|| usize::from(value.fract() != 0.0));
        let n = part("n").map(|n| n as u32);
        let factor = if self.is_percent { 100.0 } else { 1.0 };
        let interval = part("lo").zip(part("hi"));
        let interval = interval.map(|(lo, hi)| (lo * factor, hi * factor));
        Cell::build(value * factor, decimals, self.is_signed, interval, n)
    }
}

/// A declared table with these columns. `origin` is where the data come from. Its id is what follows the slash, if any, in
/// its name.
pub(super) fn table(name: &str, columns: &[TableColumn], origin: Origin, rows: LazyFrame) -> Table {
    let Declaration { title, note, .. } = declaration(name);
    let (_, id) = name.split_once('/').unwrap_or(("", name));
    let mut table = Table::new(id, title.as_str()).note(note.as_str());
    table.rows = self::rows(rows, columns);
    for column in columns {
        let origin = column.origin().unwrap_or(origin);
        table.column(&column.key, &column.heading, column.kind(), origin);
    }
    table
}

/// A declared table with a row for each item, made from the values in it.
pub(crate) fn table_of<T: Serialize>(
    name: &str,
    origin: Origin,
    items: impl IntoIterator<Item = T>,
) -> Table {
    table(name, &declared_columns(name), origin, frame(items).lazy())
}

/// The rows of a frame as the cells of a table.
pub(super) fn rows(frame: LazyFrame, columns: &[TableColumn]) -> Vec<Vec<Cell>> {
    let frame = &floats(&collect(frame));
    let cells = |row| columns.iter().map(move |column| column.cell(frame, row));
    let rows = 0..frame.height();
    rows.map(|row| cells(row).collect()).collect()
}
