//! Horizontal bars from zero, side by side or stacked.

use std::ops::Range;

use plotters::element::{DashedPathElement, EmptyElement, ErrorBar, PathElement, Rectangle, Text};
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, ReferenceLine, Value, drawable, range, short};
use super::error::ChartError;
use super::labels::CoveredAreas;
use super::page::{
    Area, Chart, Draw, DrawResult, Entry, Grid, Heading, Plot, SECTION, block, dash, paint, plot,
    section,
};
use super::text::Font;
use super::theme::{AXIS, Color, FREE, INK, MARGIN, TICK, WHITE, X_LABELS, series_color};

/// Rows of bars along one axis of values, in sections.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Bars {
    /// Name and unit of the values, written at the axis.
    pub(crate) value_label: String,
    /// Written after the value of a bar: ` s` for example.
    pub(crate) unit: &'static str,
    /// Names and colours of what the parts of the bars stand for.
    pub(crate) legend: Vec<(String, Color)>,
    pub(crate) rows: Vec<Row>,
    pub(crate) reference_lines: Vec<ReferenceLine>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    /// Empty: the row belongs to the label above it.
    pub(crate) label: String,
    /// A remark after the name, `n = 5` for example; may be empty.
    pub(crate) note: String,
    /// Rows of one section stand together under its name; empty: no section.
    pub(crate) section: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar, as long as the sum of its parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Bar {
    /// Places in the legend, and values; `None`: not known. Negative parts go to the left of zero.
    pub(crate) parts: Vec<(usize, Option<f64>)>,
    /// The interval of the sum, where there is one; drawn as an error bar.
    pub(crate) interval: Option<(f64, f64)>,
}

/// Width of the hollow box that stands for an unknown part, px.
const UNKNOWN: i32 = 30;

impl Bar {
    pub(crate) fn single(legend: usize, value: Value) -> Self {
        Self {
            parts: vec![(legend, value.point)],
            interval: value.interval,
        }
    }

    fn known(&self) -> impl Iterator<Item = (usize, f64)> {
        let parts = self.parts.iter();
        parts.filter_map(|(part, value)| Some((*part, value.and_then(drawable)?)))
    }

    /// True where some parts are known and others are not.
    fn is_incomplete(&self) -> bool {
        (1..self.parts.len()).contains(&self.known().count())
    }

    /// Sums of the negative and of the positive parts.
    fn reach(&self) -> (f64, f64) {
        self.known().fold((0.0, 0.0), |(low, high), (_, value)| {
            (low + value.min(0.0), high + value.max(0.0))
        })
    }

    fn sum(&self) -> Value {
        let (low, high) = self.reach();
        Value {
            point: self.known().next().map(|_| low + high),
            interval: self.interval,
        }
    }

    /// The sum with its unit, after `≥` where a part is unknown.
    fn text(&self, unit: &str) -> String {
        let at_least = if self.is_incomplete() { "≥ " } else { "" };
        let known = self.sum().known();
        known.map_or_else(
            || "unknown".to_owned(),
            |sum| format!("{at_least}{}{unit}", short(sum)),
        )
    }
}

impl Bars {
    /// Rows with a bar for each series: its name in the legend, and its value in each row.
    pub(crate) fn grouped(
        value_label: &str,
        mut rows: Vec<Row>,
        series: &[(String, Vec<Value>)],
    ) -> Self {
        for (place, (_, values)) in series.iter().enumerate() {
            for (row, value) in rows.iter_mut().zip(values) {
                row.bars.push(Bar::single(place, *value));
            }
        }
        let legend = series.iter().enumerate();
        let legend = legend.map(|(place, (name, _))| (name.clone(), series_color(place)));
        Self {
            value_label: value_label.to_owned(),
            legend: legend.collect(),
            rows,
            ..Self::default()
        }
    }
}

impl Row {
    fn name(&self) -> String {
        // An em space, because SVG joins several spaces to one.
        format!("{}\u{2003}{}", self.label, self.note)
            .trim()
            .to_owned()
    }

    /// Height of a bar, and of the row with the gap to the next one, px.
    fn heights(&self) -> (i32, i32) {
        match self.bars.len() {
            0 | 1 => (28, 42),
            several => (22, several as i32 * 25 + 15),
        }
    }
}

impl Draw for Bars {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let bars = || self.rows.iter().flat_map(|row| &row.bars);
        if bars().all(|bar| bar.known().next().is_none()) {
            return Ok(None);
        }
        let lines = self.reference_lines.iter().map(|line| line.value);
        let sums = bars().flat_map(|bar| {
            let (low, high) = bar.reach();
            bar.sum().extents().chain([low, high])
        });
        let values = range(sums.chain(lines)).unwrap_or(0.0..1.0);
        let names: Vec<String> = self.rows.iter().map(Row::name).collect();
        let column = Font::LABEL.widest(names.iter().map(|name| &**name));
        let column = column.min(width * 9 / 20);
        let texts: Vec<String> = bars().map(|bar| bar.text(self.unit)).collect();
        let text = Font::SMALL.widest(texts.iter().map(|text| &**text)) + UNKNOWN + 16;
        let (left, inner) = (column + 2 * TICK, width - 2 * MARGIN);
        let room = (inner - left - FREE).max(2 * text);
        let span = (values.end - values.start).max(1e-290);
        let beyond = f64::from(text) / f64::from(room - text);
        let x = Axis::linear(values.start..values.end + span * beyond, 9);

        let (mut y, mut last) = (0, "");
        let (mut tops, mut sections, mut ticks) = (Vec::new(), Vec::new(), Vec::new());
        for (row, name) in self.rows.iter().zip(&names) {
            if row.section != last && !row.section.is_empty() {
                sections.push((&*row.section, y));
                y += SECTION;
            }
            last = &row.section;
            let (_, height) = row.heights();
            tops.push(y);
            ticks.push((f64::from(y + height / 2), Font::LABEL.elide(name, column)));
            y += height;
        }
        let axes = (x, Axis::labelled(f64::from(y)..0.0, ticks));
        let above = if self.reference_lines.is_empty() {
            8
        } else {
            44
        };
        let (legend, body) = (self.legend(span), above + y + X_LABELS);
        paint(heading, width, &legend, body, |page| {
            let area = page.margin(above, 0, 0, 0);
            let names = (&*self.value_label, Grid::Upright);
            let mut plot = plot(&area, (left, FREE, X_LABELS), axes, names)?;
            let zero = [(0.0, f64::from(y)), (0.0, 0.0)];
            plot.draw_series([PathElement::new(zero, AXIS.stroke_width(2))])?;
            let mut ends = Vec::new();
            for (row, top) in self.rows.iter().zip(tops) {
                let (height, whole) = row.heights();
                let gap = (whole - row.bars.len() as i32 * (height + 3)) / 2;
                for (bar, place) in row.bars.iter().zip(0..) {
                    let top = f64::from(top + gap + place * (height + 3));
                    let y = top..top + f64::from(height);
                    let end = self.draw_bar(&mut plot, bar, &y)?;
                    ends.push((bar, (end, f64::midpoint(y.start, y.end))));
                }
            }
            self.draw_references(page, &mut plot, (inner, f64::from(y)))?;
            for (bar, end) in ends {
                self.draw_value(&mut plot, bar, end)?;
            }
            // Last, so that no line runs through a heading.
            for (name, y) in sections {
                section(&area, (inner, y), [name, "", ""])?;
            }
            Ok(())
        })
    }
}

impl Bars {
    /// Leaves out parts that are nowhere longer than a thousandth of the axis.
    fn legend(&self, span: f64) -> Vec<Entry> {
        let bars = || self.rows.iter().flat_map(|row| &row.bars);
        let is_seen = |place: usize| {
            bars().any(|bar| {
                let is_single = bar.parts.len() == 1;
                let is_long = |v: &f64| v.abs() > span / 1e3;
                let mut own = bar.parts.iter().filter(|(part, _)| *part == place);
                own.any(|(_, value)| is_single || value.as_ref().is_none_or(is_long))
            })
        };
        let entries = self.legend.iter().enumerate();
        let shown = entries.filter(|(place, (name, _))| !name.is_empty() && is_seen(*place));
        let mut entries: Vec<Entry> = shown
            .map(|(_, (name, color))| Entry::fill(name, *color))
            .collect();
        if bars().any(Bar::is_incomplete) {
            entries.push(Entry::new("part unknown", AXIS.stroke_width(2), 11, 0));
        }
        entries
    }

    /// Returns where the bar ends, its error bar included.
    fn draw_bar(&self, plot: &mut Plot<'_>, bar: &Bar, y: &Range<f64>) -> DrawResult<f64> {
        let middle = f64::midpoint(y.start, y.end);
        let is_one = bar.parts.len() == 1;
        let (mut low, mut high) = (0.0, 0.0);
        for (part, value) in bar.known() {
            let edge = if value < 0.0 { &mut low } else { &mut high };
            let from = *edge;
            *edge += value;
            let color = self.legend.get(part).map_or(AXIS, |(_, color)| *color);
            let text = if is_one { String::new() } else { short(value) };
            block(plot, [(from, y.start), (*edge, y.end)], color, &text)?;
        }
        let mut end = high;
        let sum = bar.sum();
        if let Some((point, (low, high))) = sum.known().zip(sum.known_interval()) {
            // Below a bar of parts: the numbers inside it stay legible.
            let y = if is_one { middle } else { y.end };
            let style = INK.filled().stroke_width(2);
            plot.draw_series([ErrorBar::new_horizontal(y, low, point, high, style, 10)])?;
            end = end.max(high);
        }
        Ok(end)
    }

    /// The value of a bar right of its end, on a white ground: no line runs through it.
    fn draw_value(&self, plot: &mut Plot<'_>, bar: &Bar, end: (f64, f64)) -> DrawResult {
        let mut start = 8;
        if bar.is_incomplete() {
            let corners = [(3, -13), (UNKNOWN, 13)];
            let hollow = Rectangle::new(corners, AXIS.stroke_width(2));
            plot.draw_series([EmptyElement::at(end) + hollow])?;
            start += UNKNOWN;
        }
        let text = bar.text(self.unit);
        let ground = [(start - 3, -11), (start + Font::SMALL.width(&text) + 3, 11)];
        let at = EmptyElement::at(end) + Rectangle::new(ground, WHITE.filled());
        plot.draw_series([at + Text::new(text, (start, 2), Font::SMALL.style(HPos::Left))])?;
        Ok(())
    }

    /// Dashed lines over all rows; a label that would run into another is left out.
    fn draw_references(
        &self,
        page: &Area<'_>,
        plot: &mut Plot<'_>,
        (inner, height): (i32, f64),
    ) -> DrawResult {
        let mut covered = CoveredAreas::default();
        for line in self.reference_lines.iter().filter(|l| l.value.is_finite()) {
            let ends = [(line.value, height), (line.value, 0.0)];
            plot.draw_series([DashedPathElement::new(ends, 10, 7, INK.stroke_width(2))])?;
            let label = Font::NOTE.elide(&line.label, inner);
            let width = Font::NOTE.width(&label);
            let x = plot.backend_coord(&ends[0]).0 - MARGIN;
            let at = (x - width / 2).min(inner - width).max(0);
            dash(page, (x, 36), (x, 44), INK)?;
            if covered.claim((at - 6, 0, width + 12, 1)) {
                page.draw_text(&label, &Font::NOTE.style(HPos::Left), (at, 20))?;
            }
        }
        Ok(())
    }
}
