//! Bars in groups: categories by series, with intervals and gaps for what is unknown.

use super::chart::{Chart, ChartError, Draw, Heading, check_lengths};
use super::page::{Entry, Swatch};
use super::rows::{Category, Rows};
use super::scale::{px, range, short};
use super::text::Font;
use super::theme::{INK, series_color};
use super::value::{ReferenceLine, Value};

/// Categories × series as lying bars from zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupedBars {
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// The categories, in order.
    pub categories: Vec<Category>,
    /// The series, each with its name in the legend and a value for every category.
    pub series: Vec<(String, Vec<Value>)>,
    /// Lines at fixed values: 1.0 = no gain.
    pub reference_lines: Vec<ReferenceLine>,
}

const BAR: i32 = 22;
const BAR_GAP: i32 = 3;
const ROW_GAP: i32 = 18;

impl Draw for GroupedBars {
    /// Each series must have as many values as there are categories.
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let series = self.series.iter();
        let lengths = series.map(|(name, values)| (format!("series `{name}`"), values.len()));
        check_lengths(heading, lengths, (self.categories.len(), "categories"))?;
        let values = || self.series.iter().flat_map(|(_, values)| values);
        if values().all(|value| value.known().is_none()) {
            return Ok(None);
        }
        let lines = self.reference_lines.iter().map(|line| line.value);
        let extents = values().flat_map(|value| value.extents());
        let (low, high) = range(extents.chain(lines).chain([0.0])).unwrap_or((0.0, 1.0));
        let bars = px(self.series.len()) * (BAR + BAR_GAP) - BAR_GAP;
        let row = (bars + ROW_GAP).max(40);
        let beyond = |value: &Value| {
            let reach = value.extents().fold(0.0, f64::max);
            (reach, Font::SMALL.width(&written(*value)) + 16)
        };
        let rows = Rows {
            heading,
            width,
            categories: self.categories.iter().collect(),
            row,
            value_label: &self.value_label,
            reference_lines: &self.reference_lines,
            range: if low < high { (low, high) } else { (0.0, 1.0) },
            beyond: values().map(beyond).collect(),
        };
        rows.render(self.legend(), |canvas, scale, index, top| {
            let zero = scale.at(0.0);
            let mut bar = top + (row - bars) / 2;
            let mut texts = Vec::new();
            for (number, (_, values)) in self.series.iter().enumerate() {
                let (value, middle) = (values[index], bar + BAR / 2);
                let mut end = zero;
                if let Some(at) = value.known().map(|value| scale.at(value)) {
                    let (from, width) = (zero.min(at), (zero - at).abs().max(2));
                    canvas.rect((from, bar, width, BAR), series_color(number));
                    end = end.max(at);
                    if let Some((low, high)) = value.known_interval() {
                        let ends = (scale.at(low), scale.at(high));
                        canvas.whisker(ends, middle, false, INK);
                        end = end.max(ends.1);
                    }
                }
                texts.push((written(value), (end + 8, middle)));
                bar += BAR + BAR_GAP;
            }
            texts
        })
    }
}

impl GroupedBars {
    /// Nothing for one series without a name.
    fn legend(&self) -> Vec<Entry> {
        let entry = |(index, (name, _)): (usize, &(String, _))| {
            (Swatch::Fill(series_color(index)), name.clone())
        };
        match &self.series[..] {
            [(name, _)] if name.is_empty() => Vec::new(),
            series => series.iter().enumerate().map(entry).collect(),
        }
    }
}

fn written(value: Value) -> String {
    value.known().map_or("unknown".to_owned(), short)
}
