//! Bars made of parts: where the time went.

use super::canvas::{Align, Font};
use super::chart::{Chart, ChartError};
use super::page::{Entry, Heading, Swatch};
use super::rows::{Category, Rows, Written};
use super::scale::short;
use super::theme::{Color, Theme};
use super::value::{Value, drawable};

/// Lying bars, each the sum of the same parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackedBars {
    /// Words around it.
    pub heading: Heading,
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// Unit written after each total, ` s` for example (with its space); may be empty.
    pub unit: String,
    /// The parts, in the order in which they are stacked.
    pub parts: Vec<Part>,
    /// The bars, from the top.
    pub rows: Vec<StackedRow>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the legend.
    pub name: String,
    /// Its colour; `None` takes the theme's next. [`super::Phase::color`] keeps phases alike.
    pub color: Option<Color>,
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

    /// Where the bar or its error bar ends.
    fn end(&self) -> f64 {
        let (_, high) = self.reach();
        self.interval().map_or(high, |(_, end)| high.max(end))
    }
}

impl StackedBars {
    /// Draws it. Each row must have as many values as there are parts.
    pub fn render(&self, theme: &Theme) -> Result<Option<Chart>, ChartError> {
        if let Some(row) = self
            .rows
            .iter()
            .find(|row| row.values.len() != self.parts.len())
        {
            return Err(ChartError::Shape {
                title: self.heading.title.clone(),
                problem: format!(
                    "row `{}` has {} values for {} parts",
                    row.category.label,
                    row.values.len(),
                    self.parts.len()
                ),
            });
        }
        if self.rows.iter().all(|row| row.known().next().is_none()) {
            return Ok(None);
        }
        let small = Font::new(theme.small_em, theme.quiet);
        let ends = self.rows.iter().map(|row| (row.reach().0, row.end()));
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), (from, to)| {
            (low.min(from), high.max(to))
        });
        let totals: Vec<String> = self.rows.iter().map(|row| self.total(row)).collect();
        Rows {
            theme,
            heading: &self.heading,
            legend: self.legend(theme),
            categories: self.rows.iter().map(|row| &row.category).collect(),
            row: ROW,
            value_label: &self.value_label,
            reference_lines: &[],
            range: (low, if low < high { high } else { low + 1.0 }),
            beyond: self
                .rows
                .iter()
                .zip(&totals)
                .map(|(row, total)| {
                    let hatch = if row.is_incomplete() { UNKNOWN } else { 0 };
                    (row.end(), small.width(total) + 20 + hatch)
                })
                .collect(),
        }
        .render(|canvas, scale, index, y| {
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
                let color = self.color(theme, part);
                canvas.rect((left, top, width, BAR), color)?;
                let text = short(value);
                if small.width(&text) + 14 <= width {
                    let at = (left + width / 2, middle);
                    let font = small.color(color.legible(theme.ink));
                    canvas.text(&text, at, Align::Middle, font)?;
                }
            }
            let mut end = scale.at(high);
            if row.is_incomplete() {
                canvas.hatch((end + 2, top, UNKNOWN - 4, BAR), theme.axis)?;
                end += UNKNOWN;
            }
            // At the foot of the bar: the numbers inside it stay legible.
            if let Some((low, high)) = row.interval() {
                let ends = (scale.at(low), scale.at(high));
                canvas.whisker(ends, top + BAR, false, theme.ink)?;
                end = end.max(ends.1);
            }
            Ok(vec![Written {
                text: totals[index].clone(),
                at: (end + 10, middle),
            }])
        })
        .map(Some)
    }

    /// The sum of a row in words; at least that much where a part is unknown.
    fn total(&self, row: &StackedRow) -> String {
        let (low, high) = row.reach();
        let sum = format!("{}{}", short(low + high), self.unit);
        match (row.known().next(), row.is_incomplete()) {
            (None, _) => "unknown".to_owned(),
            (_, true) => format!("≥ {sum}"),
            (_, false) => sum,
        }
    }

    fn color(&self, theme: &Theme, part: usize) -> Color {
        self.parts[part].color.unwrap_or_else(|| theme.series(part))
    }

    fn legend(&self, theme: &Theme) -> Vec<Entry> {
        let parts = self.parts.iter().enumerate();
        let mut entries: Vec<Entry> = parts
            .map(|(at, part)| Entry::new(Swatch::Fill(self.color(theme, at)), &*part.name))
            .collect();
        if self.rows.iter().any(StackedRow::is_incomplete) {
            entries.push(Entry::new(Swatch::Hatch(theme.axis), "part unknown"));
        }
        entries
    }
}
