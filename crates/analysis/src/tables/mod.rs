//! Tables: TR113's, the TR110 report's, and the measured truth beside them, from whatever data
//! there are. A table renders to aligned Markdown for readers and to CSV for machines.

mod energy;
mod facts;
mod hardware;
mod number;
mod render;
#[cfg(test)]
mod tests;
mod tr110;
mod tr113;
mod truth;
mod view;

use metrics::{Estimate, Summary};

pub(crate) use facts::{agent_letter, scenario_title, verdict_word};
pub(crate) use number::{plain, short_number, signed};
pub use truth::{Difference, Shown};
pub(crate) use truth::{cell_difference, differences, differences_table, paired};
pub(crate) use view::{View, topology_word};

/// Where the numbers of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Printed in a published report.
    Published,
    /// Measured on a real server, or computed from such measurements.
    Measured,
    /// Measured on the simulator, or computed from that.
    Simulated,
    /// Computed from somebody else's records.
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

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// File stem and anchor: `3.1-baseline_vs_chimera`.
    pub id: String,
    /// Title for a reader.
    pub title: String,
    /// What a reader must know to read it, in a sentence or two; may be empty.
    pub note: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in CSV: `ttft_delta_ms`.
    pub key: String,
    /// Heading with its unit: `TTFT delta (ms)`.
    pub heading: String,
    /// Where its numbers come from.
    pub origin: Origin,
    /// Numbers are aligned to the right; with `Estimate`, CSV carries interval and `n`.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// Numbers.
    Number,
    /// Means with interval and `n`.
    Estimate,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number.
    Number {
        /// The value.
        value: f64,
        /// Decimals in Markdown.
        decimals: usize,
        /// Show a plus sign.
        signed: bool,
        /// Its 95 % interval.
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
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number.
    pub fn number(value: f64, decimals: usize) -> Self {
        Self::build(value, decimals, false, None, None)
    }

    /// A number with its sign.
    pub fn signed(value: f64, decimals: usize) -> Self {
        Self::build(value, decimals, true, None, None)
    }

    /// A count.
    pub fn count(value: u32) -> Self {
        Self::number(f64::from(value), 0)
    }

    /// A mean with its interval, or unknown.
    pub fn estimate(estimate: Option<&Estimate>, decimals: usize) -> Self {
        Self::scaled(estimate, 1.0, decimals, false)
    }

    /// A mean with its sign and interval, or unknown.
    pub fn signed_estimate(estimate: Option<&Estimate>, decimals: usize) -> Self {
        Self::scaled(estimate, 1.0, decimals, true)
    }

    /// A mean multiplied by `factor`, for another unit, or unknown.
    pub fn scaled(estimate: Option<&Estimate>, factor: f64, decimals: usize, signed: bool) -> Self {
        estimate.map_or(Self::Unknown, |e| {
            let interval = e.lo.zip(e.hi).map(|(lo, hi)| (lo * factor, hi * factor));
            Self::build(e.mean * factor, decimals, signed, interval, Some(e.n))
        })
    }

    /// A p value, where there is one.
    pub fn p_value(p: Option<f64>) -> Self {
        p.map_or(Self::Empty, Self::P)
    }

    /// A number, or unknown.
    pub fn known(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::Unknown, |v| Self::number(v, decimals))
    }

    /// A number with its sign, or unknown.
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

impl Table {
    /// A table without rows.
    pub(crate) fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            note: String::new(),
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn column(
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

    pub(crate) fn label(&mut self, key: &str, heading: &str) {
        self.column(key, heading, Kind::Text, Origin::Label);
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "table {}", self.id);
        self.rows.push(cells);
    }
}

/// The summary without configurations of which only a published row is known: those stand in the
/// columns of the published table, not among the measured ones.
pub(crate) fn with_runs(summary: &Summary) -> Summary {
    let mut measured = summary.clone();
    let ran = |id: &domain::plan::ConfigId, topology| {
        summary
            .runs
            .iter()
            .any(|r| r.config == *id && r.topology == topology)
    };
    let Summary {
        configs,
        scenarios,
        overall,
        best,
        ..
    } = &mut measured;
    configs.retain(|c| ran(&c.id, c.topology));
    scenarios.retain(|s| {
        configs
            .iter()
            .any(|c| c.scenario == s.scenario && c.topology == s.topology)
    });
    overall.retain(|o| configs.iter().any(|c| c.topology == o.topology));
    best.retain(|b| ran(&b.id, b.topology));
    measured
}

/// The mean of times, rates or counts: its interval is cut at zero, below which none of them can lie.
fn mean_of_amounts(values: &[f64]) -> Option<Estimate> {
    Estimate::of(values).map(|e| e.within((0.0, f64::INFINITY)))
}

/// Every table the data can fill, TR113's first, in TR113's order.
pub(crate) fn all(view: &View<'_>) -> Vec<Table> {
    if view.rows.is_empty() {
        return Vec::new();
    }
    let mut tables = tr113::tables(view);
    tables.extend(tr110::tables(view));
    tables.extend(truth::tables(view));
    tables.extend(energy::table(view));
    tables.retain(|table| !table.rows.is_empty());
    tables
}
