//! Bars in groups: categories by series, with intervals and gaps for what is unknown.

use super::canvas::Font;
use super::chart::{Chart, ChartError};
use super::page::{Entry, Heading, Swatch};
use super::rows::{Category, Rows, Written};
use super::scale::{px, range, short};
use super::theme::{Color, Theme};
use super::value::{ReferenceLine, Value};

/// Categories × series as lying bars from zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupedBars {
    /// Words around it.
    pub heading: Heading,
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// The categories, in order.
    pub categories: Vec<Category>,
    /// The series; each has a value for every category.
    pub series: Vec<BarSeries>,
    /// Lines at fixed values: 1.0 = no gain.
    pub reference_lines: Vec<ReferenceLine>,
}

/// A series of bars.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BarSeries {
    /// Its name in the legend.
    pub name: String,
    /// A value for each category.
    pub values: Vec<Value>,
    /// Its colour; `None` takes the theme's next.
    pub color: Option<Color>,
}

const BAR: i32 = 22;
const BAR_GAP: i32 = 3;
const ROW_GAP: i32 = 18;

impl GroupedBars {
    /// Draws it. Each series must have as many values as there are categories.
    pub fn render(&self, theme: &Theme) -> Result<Option<Chart>, ChartError> {
        if let Some(series) = self
            .series
            .iter()
            .find(|s| s.values.len() != self.categories.len())
        {
            return Err(ChartError::Shape {
                title: self.heading.title.clone(),
                problem: format!(
                    "series `{}` has {} values for {} categories",
                    series.name,
                    series.values.len(),
                    self.categories.len()
                ),
            });
        }
        let values = || self.series.iter().flat_map(|s| &s.values);
        if values().all(|value| value.known().is_none()) {
            return Ok(None);
        }
        let lines = self.reference_lines.iter().map(|line| line.value);
        let extents = values().flat_map(|value| value.extents());
        let (low, high) = range(extents.chain(lines).chain([0.0])).unwrap_or((0.0, 1.0));
        let small = Font::new(theme.small_em, theme.quiet);
        let bars = px(self.series.len()) * (BAR + BAR_GAP) - BAR_GAP;
        let row = (bars + ROW_GAP).max(40);
        Rows {
            theme,
            heading: &self.heading,
            legend: self.legend(theme),
            categories: self.categories.iter().collect(),
            row,
            value_label: &self.value_label,
            reference_lines: &self.reference_lines,
            range: if low < high { (low, high) } else { (0.0, 1.0) },
            beyond: values()
                .map(|value| {
                    let reach = value.extents().fold(0.0, f64::max);
                    (reach, small.width(&written(*value)) + 16)
                })
                .collect(),
        }
        .render(|canvas, scale, index, top| {
            let zero = scale.at(0.0);
            let mut bar = top + (row - bars) / 2;
            let mut texts = Vec::new();
            for (number, series) in self.series.iter().enumerate() {
                let (value, middle) = (series.values[index], bar + BAR / 2);
                let mut end = zero;
                if let Some(at) = value.known().map(|value| scale.at(value)) {
                    let (from, width) = (zero.min(at), (zero - at).abs().max(2));
                    canvas.rect((from, bar, width, BAR), self.color(theme, number))?;
                    end = end.max(at);
                    if let Some((low, high)) = value.known_interval() {
                        let ends = (scale.at(low), scale.at(high));
                        canvas.whisker(ends, middle, false, theme.ink)?;
                        end = end.max(ends.1);
                    }
                }
                texts.push(Written {
                    text: written(value),
                    at: (end + 8, middle),
                });
                bar += BAR + BAR_GAP;
            }
            Ok(texts)
        })
        .map(Some)
    }

    fn legend(&self, theme: &Theme) -> Vec<Entry> {
        if self.series.len() < 2 && self.series.iter().all(|series| series.name.is_empty()) {
            return Vec::new();
        }
        let series = self.series.iter().enumerate();
        series
            .map(|(index, s)| Entry::new(Swatch::Fill(self.color(theme, index)), &*s.name))
            .collect()
    }

    fn color(&self, theme: &Theme, index: usize) -> Color {
        self.series[index]
            .color
            .unwrap_or_else(|| theme.series(index))
    }
}

fn written(value: Value) -> String {
    value.known().map_or("unknown".to_owned(), short)
}
