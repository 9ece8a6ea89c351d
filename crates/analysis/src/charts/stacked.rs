//! Bars made of parts: where the time went.

use super::canvas::Align;
use super::chart::{Chart, ChartError, Draw, Heading, check_lengths};
use super::page::{Entry, Swatch};
use super::rows::{Category, Rows};
use super::scale::short;
use super::text::Font;
use super::theme::{AXIS, Color, INK};
use super::value::{Value, drawable};

/// Lying bars, each the sum of the same parts, seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackedBars {
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// The parts, in the order in which they are stacked: name in the legend, and colour.
    pub parts: Vec<(String, Color)>,
    /// The bars, from the top.
    pub rows: Vec<StackedRow>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackedRow {
    /// Whose it is.
    pub category: Category,
    /// A value for each part; `None`: not known. Negative parts go to the left of zero.
    pub values: Vec<Option<f64>>,
    /// The interval of the sum, where there is one; drawn as an error bar.
    pub interval: Option<(f64, f64)>,
}

const BAR: i32 = 28;
const ROW: i32 = 42;
/// Width of the hatched piece that stands for an unknown part, px.
const UNKNOWN: i32 = 30;

impl StackedRow {
    fn known(&self) -> impl Iterator<Item = (usize, f64)> {
        let values = self.values.iter().enumerate();
        values.filter_map(|(at, value)| Some((at, value.and_then(drawable)?)))
    }

    fn is_incomplete(&self) -> bool {
        self.known().count() < self.values.len()
    }

    /// Sums of what lies left and right of zero.
    fn reach(&self) -> (f64, f64) {
        self.known().fold((0.0, 0.0), |(low, high), (_, value)| {
            (low + value.min(0.0), high + value.max(0.0))
        })
    }

    fn interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval?;
        Value::within(0.0, low, high).known_interval()
    }

    /// The sum in words; at least that much where a part is unknown.
    fn total(&self) -> String {
        let (low, high) = self.reach();
        let sum = short(low + high);
        match (self.known().next(), self.is_incomplete()) {
            (None, _) => "unknown".to_owned(),
            (_, true) => format!("≥ {sum} s"),
            (_, false) => format!("{sum} s"),
        }
    }

    /// Where the bar or its error bar ends.
    fn end(&self) -> f64 {
        let (_, high) = self.reach();
        self.interval().map_or(high, |(_, end)| high.max(end))
    }
}

impl Draw for StackedBars {
    /// Each row must have as many values as there are parts.
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let rows = self.rows.iter();
        let lengths = rows.map(|row| (format!("row `{}`", row.category.label), row.values.len()));
        check_lengths(heading, lengths, (self.parts.len(), "parts"))?;
        if self.rows.iter().all(|row| row.known().next().is_none()) {
            return Ok(None);
        }
        let ends = self.rows.iter().map(|row| (row.reach().0, row.end()));
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), (from, to)| {
            (low.min(from), high.max(to))
        });
        let beyond = |row: &StackedRow| {
            let hatch = if row.is_incomplete() { UNKNOWN } else { 0 };
            (row.end(), Font::SMALL.width(&row.total()) + 20 + hatch)
        };
        let rows = Rows {
            heading,
            width,
            categories: self.rows.iter().map(|row| &row.category).collect(),
            row: ROW,
            value_label: &self.value_label,
            reference_lines: &[],
            range: (low, if low < high { high } else { low + 1.0 }),
            beyond: self.rows.iter().map(beyond).collect(),
        };
        rows.render(self.legend(), |canvas, scale, index, y| {
            let row = &self.rows[index];
            let (middle, top) = (y + ROW / 2, y + (ROW - BAR) / 2);
            let (mut low, mut high) = (0.0, 0.0);
            for (part, value) in row.known() {
                let edge = if value < 0.0 { &mut low } else { &mut high };
                let from = scale.at(*edge);
                *edge += value;
                let to = scale.at(*edge);
                let (left, width) = (from.min(to), (from - to).abs());
                let width = if value == 0.0 { 0 } else { width.max(1) };
                let color = self.parts[part].1;
                canvas.rect((left, top, width, BAR), color);
                let text = short(value);
                if Font::SMALL.width(&text) + 14 <= width {
                    let at = (left + width / 2, middle);
                    canvas.text(&text, at, Align::Middle, Font::SMALL.color(color.legible()));
                }
            }
            let mut end = scale.at(high);
            if row.is_incomplete() {
                canvas.hatch((end + 2, top, UNKNOWN - 4, BAR), AXIS);
                end += UNKNOWN;
            }
            // At the foot of the bar: the numbers inside it stay legible.
            if let Some((low, high)) = row.interval() {
                let ends = (scale.at(low), scale.at(high));
                canvas.whisker(ends, top + BAR, false, INK);
                end = end.max(ends.1);
            }
            vec![(row.total(), (end + 10, middle))]
        })
    }
}

impl StackedBars {
    fn legend(&self) -> Vec<Entry> {
        let parts = self.parts.iter();
        let mut entries: Vec<Entry> = parts
            .map(|(name, color)| (Swatch::Fill(*color), name.clone()))
            .collect();
        if self.rows.iter().any(StackedRow::is_incomplete) {
            entries.push((Swatch::Hatch(AXIS), "part unknown".to_owned()));
        }
        entries
    }
}
