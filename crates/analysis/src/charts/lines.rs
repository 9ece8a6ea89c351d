//! Lines and points over a common x axis, in one or more panels.

use itertools::Itertools as _;
use plotters::coord::ranged1d::Ranged as _;
use plotters::element::{Circle, ErrorBar, Polygon, Rectangle};
use plotters::series::LineSeries as Path;
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, ReferenceLine, Value, drawable, range};
use super::error::ChartError;
use super::labels::CoveredAreas;
use super::page::{Area, Chart, Draw, DrawResult, Entry, Grid, Heading, Plot, dash, paint, plot};
use super::text::Font;
use super::theme::{Color, FREE, INK, MARGIN, TICK, X_LABELS, series_color};

/// Panels of lines or points above one x axis. Panels in which nothing is known are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lines {
    pub(crate) x_label: String,
    /// Equal ratios of x are equally far apart, with a tick at powers of two, for values above zero; else equal
    /// differences are.
    pub(crate) doubling: bool,
    pub(crate) panels: Vec<Panel>,
    /// Stretches of x to shade in every panel: arms, warm-ups.
    pub(crate) spans: Vec<Span>,
    /// Words beside points of the first panel, left out where they would cover data or other words.
    pub(crate) notes: Vec<((f64, f64), String)>,
}

impl Lines {
    pub(crate) fn new(x_label: impl Into<String>, panels: Vec<Panel>) -> Self {
        Self {
            x_label: x_label.into(),
            panels,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Panel {
    /// Name and unit of its values, written above it.
    pub(crate) label: String,
    /// Equal names share a legend entry and a colour across panels.
    pub(crate) series: Vec<LineSeries>,
    /// Values its axis must reach: 0 and 100 for percentages, say.
    pub(crate) include: Vec<f64>,
    pub(crate) reference_lines: Vec<ReferenceLine>,
}

impl Panel {
    pub(crate) fn new(label: impl Into<String>, series: Vec<LineSeries>) -> Self {
        Self {
            label: label.into(),
            series,
            include: vec![0.0],
            reference_lines: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn reaching(mut self, value: f64) -> Self {
        self.include.push(value);
        self
    }

    #[must_use]
    pub(crate) fn lines_at(mut self, lines: impl IntoIterator<Item = ReferenceLine>) -> Self {
        self.reference_lines.extend(lines);
        self
    }

    fn is_known(&self) -> bool {
        self.series.iter().any(LineSeries::is_known)
    }

    fn axis(&self, labels: usize) -> Axis {
        let points = self.series.iter().flat_map(LineSeries::pieces).flatten();
        let values = points.flat_map(|(_, _, value)| value.extents());
        let lines = self.reference_lines.iter().map(|line| line.value);
        let all = values.chain(self.include.iter().copied()).chain(lines);
        Axis::rounded(range(all).unwrap_or(0.0..1.0), labels)
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LineSeries {
    /// Empty: no entry in the legend.
    pub(crate) name: String,
    /// X and value, in the order in which a line joins them. A point whose x is not finite is not drawn; an unknown
    /// value interrupts the line.
    pub(crate) points: Vec<(f64, Value)>,
    pub(crate) mark: Mark,
    /// `None` takes the theme's next colour.
    pub(crate) color: Option<Color>,
}

impl LineSeries {
    pub(crate) fn new<V: Into<Value>>(
        name: impl Into<String>,
        mark: Mark,
        points: impl IntoIterator<Item = (f64, V)>,
    ) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().map(|(x, y)| (x, y.into())).collect(),
            mark,
            color: None,
        }
    }

    #[must_use]
    pub(crate) fn color(mut self, color: Color) -> Self {
        self.color = Some(color);
        self
    }

    /// Its colour, where the series of the chart have these names. One without a name gets a colour that the legend
    /// does not explain.
    fn color_among(&self, names: &[&str]) -> Color {
        let place = names.iter().position(|name| *name == self.name);
        let place = place.unwrap_or(names.len());
        self.color.unwrap_or_else(|| series_color(place))
    }

    fn is_known(&self) -> bool {
        !self.pieces().is_empty()
    }

    /// The points that can be drawn, in pieces that unknown ones separate.
    fn pieces(&self) -> Vec<Vec<(f64, f64, Value)>> {
        let known = |(x, y): &(f64, Value)| Some((drawable(*x)?, y.known()?, *y));
        let pieces = self.points.split(|point| known(point).is_none());
        let pieces = pieces.map(|piece| piece.iter().filter_map(known).collect::<Vec<_>>());
        pieces.filter(|piece| !piece.is_empty()).collect()
    }

    fn draw_band(&self, plot: &mut Plot<'_>, color: Color) -> DrawResult {
        for piece in self.pieces() {
            let ends = piece.iter();
            let ends = ends.filter_map(|(x, _, y)| Some((*x, y.known_interval()?)));
            let lower = ends.clone().rev().map(|(x, (low, _))| (x, low));
            let upper = ends.map(|(x, (_, high))| (x, high));
            let outline: Vec<_> = upper.chain(lower).collect();
            plot.draw_series([Polygon::new(outline, color.mix(0.2))])?;
        }
        Ok(())
    }

    fn draw(&self, plot: &mut Plot<'_>, color: Color) -> DrawResult {
        let dot = if self.points.len() <= FEW { 7 } else { 4 };
        for piece in self.pieces() {
            if self.mark != Mark::Dots {
                let points = piece.iter().map(|(x, y, _)| (*x, *y));
                plot.draw_series(Path::new(points, color.stroke_width(3)))?;
            }
            let is_alone = piece.len() == 1;
            for (x, y, value) in piece {
                let bar = value.known_interval().filter(|_| self.mark.has_dots());
                if let Some((low, high)) = bar {
                    let style = color.filled().stroke_width(2);
                    plot.draw_series([ErrorBar::new_vertical(x, low, y, high, style, 12)])?;
                }
                // A point alone has no line to show it.
                if self.mark.has_dots() || is_alone {
                    plot.draw_series([Circle::new((x, y), dot, color.filled())])?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    #[default]
    Line,
    /// A line with a dot at each point and its interval as an error bar.
    LineAndDots,
    /// Dots with error bars: a scatter plot.
    Dots,
    /// A line within a band made of the intervals.
    Band,
}

impl Mark {
    fn has_dots(self) -> bool {
        matches!(self, Self::Dots | Self::LineAndDots)
    }
}

/// A shaded stretch of x in the unit of its axis, or a dashed line where it has no length.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// Written above the first panel; may be empty.
    pub(crate) label: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) color: Color,
}

impl Span {
    pub(crate) fn mark(at: f64, label: impl Into<String>, color: Color) -> Self {
        Self {
            label: label.into(),
            from: at,
            to: at,
            color,
        }
    }
}

/// Points that are still drawn large.
const FEW: usize = 100;
const TITLE: i32 = 46;
/// Height of a row of labels above the first panel, px.
const LABEL_ROW: i32 = 34;
const GAP: i32 = 26;

impl Draw for Lines {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let panels: Vec<&Panel> = self.panels.iter().filter(|p| p.is_known()).collect();
        let height = match panels.len() {
            0 => return Ok(None),
            1 => 520,
            2 => 320,
            3 => 230,
            _ => 170,
        };
        let names = names(&panels);
        let labels = height as usize / 60;
        let axes = panels.iter().map(|p| p.axis(labels)).collect_vec();
        let left = Font::SMALL.widest(axes.iter().flat_map(Axis::labels)) + 2 * TICK;
        let inner = width - 2 * MARGIN;
        let right = inner - FREE;
        let x = self.axis(&panels);
        let spans = self.place_spans(&x, (left, right), inner);
        let rows = spans.iter().map(|span| span.row + 1).max().unwrap_or(0);
        let body = panels.len() as i32 * (TITLE + height + GAP) - GAP + rows * LABEL_ROW + X_LABELS;
        paint(heading, width, &legend(&panels, &names), body, |page| {
            let mut top = 0;
            for (index, (panel, y)) in panels.iter().zip(axes).enumerate() {
                let is_first = index == 0;
                let below = if index + 1 == panels.len() {
                    X_LABELS
                } else {
                    0
                };
                let font = Font::LABEL.bold();
                let label = font.elide(&panel.label, inner);
                page.draw_text(&label, &font.style(HPos::Left), (0, top + 18))?;
                top += TITLE + if is_first { rows * LABEL_ROW } else { 0 };
                let area = page.margin(top, body - top - height - below, 0, 0);
                let (axes, name) = ((x.clone(), y), &self.x_label);
                let mut plot = plot(&area, (left, FREE, below), axes, (name, Grid::Level))?;
                for span in &spans {
                    span.draw(&area, height, is_first)?;
                }
                panel.draw_references(&plot, &area, (left, right))?;
                panel.draw_series(&mut plot, &names)?;
                if is_first {
                    self.draw_notes(panel, &plot, &area, left)?;
                }
                top += height + GAP;
            }
            Ok(())
        })
    }
}

/// A span in pixels, and where its label stands.
struct PlacedSpan {
    ends: (i32, i32),
    color: Color,
    label: String,
    /// Row of the label, counted from the plot upwards.
    row: i32,
    label_from: i32,
}

impl PlacedSpan {
    fn is_line(&self) -> bool {
        self.ends.0 == self.ends.1
    }

    fn draw(&self, area: &Area<'_>, height: i32, is_first: bool) -> DrawResult {
        let (from, to) = self.ends;
        if self.is_line() {
            let above = 4 + self.row * LABEL_ROW;
            let top = if is_first { -above } else { 0 };
            dash(area, (from, top), (from, height), self.color)?;
        } else {
            let shade = self.color.mix(0.16).filled();
            area.draw(&Rectangle::new([(from, 0), (to, height)], shade))?;
        }
        if is_first {
            let at = (self.label_from, -self.row * LABEL_ROW - LABEL_ROW / 2 - 2);
            area.draw_text(&self.label, &Font::NOTE.style(HPos::Left), at)?;
        }
        Ok(())
    }
}

impl Lines {
    fn axis(&self, panels: &[&Panel]) -> Axis {
        let fits = |x: &f64| x.is_finite() && (!self.doubling || *x > 0.0);
        let all = || series(panels).flat_map(|series| &series.points);
        let points = || all().map(|(x, _)| *x).filter(fits);
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        let range = range(points().chain(spans.filter(fits))).unwrap_or(1.0..2.0);
        // Dots need air at the edges; lines may touch them.
        let has_dots = series(panels).any(|series| series.mark.has_dots());
        let air = if has_dots { 0.03 } else { 0.0 };
        if self.doubling {
            let air = (range.end / range.start).powf(air).max(1.05);
            return Axis::doubling(range.start / air..range.end * air);
        }
        let length = range.end - range.start;
        // Where all x are whole numbers, no fractions.
        let is_whole = length < 9.0 && points().all(|x| x.fract() == 0.0);
        let most = if is_whole { length as usize + 1 } else { 10 };
        let air = air * length;
        Axis::linear(range.start - air..range.end + air, most)
    }

    /// The label of a stretch stands over its middle, that of the last line at its right, and those of the others at
    /// their left, each in a row above the one before: no line runs through a label.
    fn place_spans(&self, x: &Axis, (left, right): (i32, i32), inner: i32) -> Vec<PlacedSpan> {
        let at = |value| Some(x.map(&drawable(value)?, (left, right - 1)));
        let ends = |span: &Span| {
            let (from, to) = (at(span.from)?, at(span.to)?);
            Some((from.min(to), from.max(to)))
        };
        let spans = self.spans.iter();
        let mut spans: Vec<_> = spans.filter_map(|s| Some((ends(s)?, s))).collect();
        spans.sort_by_key(|(ends, _)| *ends);
        let count = spans.len() as i32;
        let place = |(((from, to), span), place): ((_, &Span), i32)| {
            let is_line = from == to;
            let room = if is_line { inner / 2 } else { to - from };
            let label = Font::NOTE.elide(&span.label, room);
            let width = Font::NOTE.width(&label);
            let is_last = place + 1 == count && to + 8 + width <= inner;
            let (row, label_from) = match (is_line, is_last) {
                (false, _) => (0, i32::midpoint(from, to) - width / 2),
                (true, true) => (0, to + 8),
                (true, false) => (place, (from - 8 - width).max(0)),
            };
            PlacedSpan {
                ends: (from, to),
                color: span.color,
                label,
                row,
                label_from,
            }
        };
        spans.into_iter().zip(0..).map(place).collect()
    }

    /// Words beside points, where they cover neither data nor each other.
    fn draw_notes(&self, panel: &Panel, plot: &Plot<'_>, area: &Area<'_>, left: i32) -> DrawResult {
        let base = area.get_base_pixel();
        let pixels = |x: f64, y: f64| {
            let (x, y) = plot.backend_coord(&(x, y));
            (x - base.0, y - base.1)
        };
        let mut covered = CoveredAreas::default();
        for piece in panel.series.iter().flat_map(LineSeries::pieces) {
            let line: Vec<_> = piece.iter().map(|(x, y, _)| pixels(*x, *y)).collect();
            covered.cover_line(&line);
        }
        for ((x, y), label) in &self.notes {
            let Some((x, y)) = drawable(*x).zip(drawable(*y)) else {
                continue;
            };
            let ((x, y), width) = (pixels(x, y), Font::NOTE.width(label));
            let (before, after) = (x - 10 - width, x + 10);
            // At the height of the dot or right above it, so that the label is not taken for another's.
            let above = (x - width / 2, y - 36);
            let mut places = [(after, y - 12), (before, y - 12), above].into_iter();
            let is_free =
                |(from, top): &(i32, i32)| *from > left && covered.claim((*from, *top, width, 24));
            if let Some((from, top)) = places.find(is_free) {
                area.draw_text(label, &Font::NOTE.style(HPos::Left), (from, top + 14))?;
            }
        }
        Ok(())
    }
}

impl Panel {
    /// Lines at fixed values, each with its label above its left end, or below it at the top of the plot.
    fn draw_references(
        &self,
        plot: &Plot<'_>,
        area: &Area<'_>,
        (left, right): (i32, i32),
    ) -> DrawResult {
        for line in self.reference_lines.iter().filter(|l| l.value.is_finite()) {
            let y = plot.backend_coord(&(0.0, line.value)).1 - area.get_base_pixel().1;
            dash(area, (left, y), (right, y), INK)?;
            let label = Font::NOTE.elide(&line.label, right - left);
            let at = (left + 8, if y < 26 { y + 16 } else { y - 12 });
            area.draw_text(&label, &Font::NOTE.style(HPos::Left), at)?;
        }
        Ok(())
    }

    fn draw_series(&self, plot: &mut Plot<'_>, names: &[&str]) -> DrawResult {
        // Bands first: they must not veil other series.
        for band in self.series.iter().filter(|s| s.mark == Mark::Band) {
            band.draw_band(plot, band.color_among(names))?;
        }
        for series in &self.series {
            series.draw(plot, series.color_among(names))?;
        }
        Ok(())
    }
}

fn series<'p>(panels: &'p [&Panel]) -> impl Iterator<Item = &'p LineSeries> {
    panels.iter().flat_map(|panel| &panel.series)
}

/// The names of the series in order of appearance: equal names share a colour and a place in the legend.
fn names<'p>(panels: &'p [&Panel]) -> Vec<&'p str> {
    let names = series(panels).map(|series| &*series.name);
    names.filter(|name| !name.is_empty()).unique().collect()
}

fn legend(panels: &[&Panel], names: &[&str]) -> Vec<Entry> {
    let entry = |name: &&str| {
        let mut own = series(panels).filter(|series| series.name == **name);
        let series = own.find(|series| series.is_known())?;
        let (half, dot) = match series.mark {
            Mark::Line | Mark::Band => (2, 0),
            Mark::LineAndDots => (2, 7),
            Mark::Dots => (0, 8),
        };
        let style = series.color_among(names).filled();
        Some(Entry::new(name, style, half, dot))
    };
    names.iter().filter_map(entry).collect()
}
