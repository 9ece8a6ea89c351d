//! Lines and points over a common x axis, in one or more panels.

use plotters::coord::ranged1d::Ranged as _;
use plotters::element::{Circle, ErrorBar, Polygon, Rectangle};
use plotters::series::LineSeries as Path;
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, ReferenceLine, Value, drawable, range};
use super::error::ChartError;
use super::labels::{CoveredAreas, apart};
use super::page::{Area, Chart, Draw, DrawResult, Entry, Grid, Heading, Plot, dash, paint, plot};
use super::text::Font;
use super::theme::{Color, FREE, INK, MARGIN, TICK, X_LABELS, series_color};

/// Panels of lines or points above one x axis. Panels in which nothing is known are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lines {
    pub(crate) x_label: String,
    pub(crate) x_axis: XAxis,
    pub(crate) panels: Vec<Panel>,
    /// Stretches of x to shade in every panel: arms, warm-ups.
    pub(crate) spans: Vec<Span>,
    /// Words beside points of the first panel.
    pub(crate) notes: Vec<Note>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum XAxis {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are equally far apart, with a tick at each point that has a dot. For values above zero.
    Doubling,
}

/// Words beside a point, left out where they would cover data or other words.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Note {
    pub(crate) at: (f64, f64),
    pub(crate) label: String,
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
        let points = self.series.iter().flat_map(LineSeries::known);
        let values = points.flat_map(|(_, value)| value.extents());
        let lines = self.reference_lines.iter().map(|line| line.value);
        let all = values.chain(self.include.iter().copied()).chain(lines);
        Axis::rounded(range(all).unwrap_or(0.0..1.0), labels)
    }

    /// How far each series is moved aside, px, so that error bars stand side by side.
    fn shifts(&self) -> Vec<i32> {
        let places = 0..self.series.len();
        let barred = places
            .clone()
            .filter(|at| self.series[*at].has_error_bars());
        let barred: Vec<usize> = barred.collect();
        let shift = |at| match barred.iter().position(|other| *other == at) {
            Some(place) => 9 * (2 * place as i32 - barred.len() as i32 + 1),
            None => 0,
        };
        places.map(shift).collect()
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

    /// Points that can be drawn.
    fn known(&self) -> impl Iterator<Item = (f64, Value)> {
        let points = self.points.iter();
        points.filter_map(|(x, y)| Some((drawable(*x)?, y.known().map(|_| *y)?)))
    }

    fn is_known(&self) -> bool {
        self.known().next().is_some()
    }

    fn has_error_bars(&self) -> bool {
        let mut known = self.known().filter(|_| self.mark.has_dots());
        known.any(|(_, value)| value.known_interval().is_some())
    }

    /// The points in pieces that unknown ones separate, each x passed through `shifted`.
    fn pieces(&self, shifted: impl Fn(f64) -> f64) -> Vec<Vec<(f64, f64, Value)>> {
        let pieces = self
            .points
            .split(|(x, y)| !x.is_finite() || y.known().is_none());
        let point = |(x, y): &(f64, Value)| Some((shifted(drawable(*x)?), y.known()?, *y));
        let pieces = pieces.map(|piece| piece.iter().filter_map(point).collect());
        pieces.filter(|piece: &Vec<_>| !piece.is_empty()).collect()
    }

    fn draw_band(&self, plot: &mut Plot<'_>, color: Color) -> DrawResult {
        for piece in self.pieces(|x| x) {
            let ends = |(x, _, value): &(f64, f64, Value)| Some((*x, value.known_interval()?));
            let ends: Vec<_> = piece.iter().filter_map(ends).collect();
            let upper = ends.iter().map(|(x, (_, high))| (*x, *high));
            let lower = ends.iter().rev().map(|(x, (low, _))| (*x, *low));
            let outline: Vec<_> = upper.chain(lower).collect();
            plot.draw_series([Polygon::new(outline, color.mix(0.2))])?;
        }
        Ok(())
    }

    fn draw(&self, plot: &mut Plot<'_>, color: Color, shifted: impl Fn(f64) -> f64) -> DrawResult {
        let dot = if self.points.len() <= FEW { 7 } else { 4 };
        for piece in self.pieces(shifted) {
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

/// A shaded stretch of x, or a dashed line where it has no length.
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
        let colors = colors(&panels);
        let axes: Vec<Axis> = panels
            .iter()
            .map(|p| p.axis(height as usize / 60))
            .collect();
        let left = Font::SMALL.widest(axes.iter().flat_map(Axis::labels)) + 2 * TICK;
        let references = panels.iter().flat_map(|panel| &panel.reference_lines);
        let free = match Font::NOTE
            .widest(references.map(|line| &*line.label))
            .min(240)
        {
            0 => FREE,
            label => label + 14,
        };
        let inner = width - 2 * MARGIN;
        let right = inner - free;
        let x = self.axis(&panels, right - left);
        let spans = self.place_spans(&x, (left, right), inner);
        let rows = spans.iter().map(|span| span.row + 1).max().unwrap_or(0);
        let body = panels.len() as i32 * (TITLE + height + GAP) - GAP + rows * LABEL_ROW + X_LABELS;
        paint(heading, width, &legend(&panels, &colors), body, |page| {
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
                let mut plot = plot(&area, (left, free, below), axes, (name, Grid::Level))?;
                for span in &spans {
                    span.draw(&area, height, is_first)?;
                }
                panel.draw_references(&plot, &area, (left, right, height))?;
                let shifted = |at: f64, shift: i32| x.beside(at, shift, right - left);
                panel.draw_series(&mut plot, &colors[index], shifted)?;
                if is_first {
                    self.draw_notes(panel, &plot, &area, (left, height), &spans)?;
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
    /// Row of the label, counted from the plot upwards; -1 where there is none.
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
            let top = if is_first {
                -4 - self.row.max(0) * LABEL_ROW
            } else {
                0
            };
            dash(area, (from, top), (from, height), self.color)?;
        } else {
            let shade = self.color.mix(0.16).filled();
            area.draw(&Rectangle::new([(from, 0), (to, height)], shade))?;
        }
        if is_first && self.row >= 0 {
            let at = (self.label_from, -self.row * LABEL_ROW - LABEL_ROW / 2 - 2);
            area.draw_text(&self.label, &Font::NOTE.style(HPos::Left), at)?;
        }
        Ok(())
    }
}

impl Lines {
    fn axis(&self, panels: &[&Panel], pixels: i32) -> Axis {
        let fits = |x: &f64| x.is_finite() && (self.x_axis == XAxis::Linear || *x > 0.0);
        let all = || series(panels).flat_map(|series| &series.points);
        let points = || all().map(|(x, _)| *x).filter(fits);
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        let range = range(points().chain(spans.filter(fits))).unwrap_or(1.0..2.0);
        // Dots need air at the edges; lines may touch them.
        let dotted = || series(panels).filter(|series| series.mark.has_dots());
        let air = if dotted().next().is_some() { 0.03 } else { 0.0 };
        if self.x_axis == XAxis::Linear {
            let length = range.end - range.start;
            // Where all x are whole numbers, no fractions.
            let is_whole = length < 9.0 && points().all(|x| x.fract() == 0.0);
            let most = if is_whole { length as usize + 1 } else { 10 };
            let air = air * length;
            return Axis::linear(range.start - air..range.end + air, most);
        }
        let air = (range.end / range.start).powf(air).max(1.05);
        let places = dotted().flat_map(|series| &series.points);
        let mut places: Vec<f64> = places.map(|(x, _)| *x).filter(fits).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        Axis::doubling(range.start / air..range.end * air, places, pixels)
    }

    /// Labels stand over the middle of their span or beside it, in the lowest row in which they meet neither another
    /// label nor another span's line.
    fn place_spans(&self, x: &Axis, (left, right): (i32, i32), inner: i32) -> Vec<PlacedSpan> {
        let at = |value| Some(x.map(&drawable(value)?, (left, right - 1)));
        let placed = self.spans.iter().filter_map(|span| {
            let (from, to) = (at(span.from)?, at(span.to)?);
            Some(PlacedSpan {
                ends: (from.min(to), from.max(to)),
                color: span.color,
                label: Font::NOTE.elide(&span.label, inner),
                row: -1,
                label_from: 0,
            })
        });
        let mut placed: Vec<PlacedSpan> = placed.collect();
        let lines = placed.iter().filter(|span| span.is_line());
        let lines: Vec<i32> = lines.map(|span| span.ends.0).collect();
        let (rows, mut covered) = (placed.len() as i32, CoveredAreas::default());
        for (span, place) in placed
            .iter_mut()
            .zip(0..)
            .filter(|(span, _)| !span.label.is_empty())
        {
            let width = Font::NOTE.width(&span.label);
            let (from, to) = span.ends;
            let middle = i32::midpoint(from, to) - width / 2;
            let is_crossed = |left: i32| {
                let mut others = lines.iter().filter(|line| **line != from);
                others.any(|line| (left - 6..=left + width + 6).contains(line))
            };
            let wanted = [middle, from - width - 8, to + 8].into_iter();
            let wanted =
                wanted.filter(|left| *left >= 0 && left + width <= inner && !is_crossed(*left));
            let wanted: Vec<i32> = wanted.collect();
            let mut all = (0..rows).flat_map(|row| wanted.iter().map(move |left| (row, *left)));
            let area = |left: i32, row: i32| (left - 8, row, width + 16, 1);
            let free = all.find(|(row, left)| covered.claim(area(*left, *row)));
            // Where every place is crossed by a line, above all others.
            let above = (place, middle.min(inner - width).max(0));
            (span.row, span.label_from) = free.unwrap_or(above);
            covered.cover(area(span.label_from, span.row));
        }
        placed
    }

    /// Words beside points, where they cover neither data nor each other.
    fn draw_notes(
        &self,
        panel: &Panel,
        plot: &Plot<'_>,
        area: &Area<'_>,
        (left, height): (i32, i32),
        spans: &[PlacedSpan],
    ) -> DrawResult {
        let base = area.get_base_pixel();
        let pixels = |x: f64, y: f64| {
            let (x, y) = plot.backend_coord(&(x, y));
            (x - base.0, y - base.1)
        };
        let mut covered = CoveredAreas::default();
        for span in spans.iter().filter(|span| span.is_line()) {
            covered.cover((span.ends.0 - 3, 0, 6, height));
        }
        for piece in panel.series.iter().flat_map(|series| series.pieces(|x| x)) {
            let line: Vec<_> = piece.iter().map(|(x, y, _)| pixels(*x, *y)).collect();
            covered.cover_line(&line);
        }
        for Note { at, label } in &self.notes {
            let Some((x, y)) = drawable(at.0).zip(drawable(at.1)) else {
                continue;
            };
            let ((x, y), width) = (pixels(x, y), Font::NOTE.width(label));
            let (before, after) = (x - 10 - width, x + 10);
            let mut places = [
                (before, y - 34),
                (after, y - 34),
                (before, y - 12),
                (after, y - 12),
            ]
            .into_iter()
            .filter(|(from, _)| *from > left);
            if let Some((from, top)) =
                places.find(|(from, top)| covered.claim((*from, *top, width, 24)))
            {
                area.draw_text(label, &Font::NOTE.style(HPos::Left), (from, top + 14))?;
            }
        }
        Ok(())
    }
}

impl Panel {
    /// Lines at fixed values, their labels at the right, moved apart where they would overlap.
    fn draw_references(
        &self,
        plot: &Plot<'_>,
        area: &Area<'_>,
        (left, right, height): (i32, i32, i32),
    ) -> DrawResult {
        let (_, top) = area.get_base_pixel();
        let known = self.reference_lines.iter().filter(|l| l.value.is_finite());
        let pixels = |line: &ReferenceLine| plot.backend_coord(&(0.0, line.value)).1 - top;
        let mut lines: Vec<(i32, &str)> = known.map(|line| (pixels(line), &*line.label)).collect();
        lines.sort_unstable();
        let wanted: Vec<i32> = lines.iter().map(|(at, _)| *at).collect();
        for ((at, label), place) in lines.into_iter().zip(apart(&wanted, 27, height)) {
            dash(area, (left, at), (right, at), INK)?;
            let label = Font::NOTE.elide(label, 240);
            area.draw_text(
                &label,
                &Font::NOTE.style(HPos::Left),
                (right + 12, place + 2),
            )?;
        }
        Ok(())
    }

    fn draw_series(
        &self,
        plot: &mut Plot<'_>,
        colors: &[Color],
        shifted: impl Fn(f64, i32) -> f64,
    ) -> DrawResult {
        let series = || self.series.iter().zip(colors);
        // Bands first: they must not veil other series.
        for (series, color) in series().filter(|(series, _)| series.mark == Mark::Band) {
            series.draw_band(plot, *color)?;
        }
        for ((series, color), shift) in series().zip(self.shifts()) {
            series.draw(plot, *color, |x| shifted(x, shift))?;
        }
        Ok(())
    }
}

fn series<'p>(panels: &'p [&Panel]) -> impl Iterator<Item = &'p LineSeries> {
    panels.iter().flat_map(|panel| &panel.series)
}

/// A colour for each series of each panel: equal names, equal colours.
fn colors(panels: &[&Panel]) -> Vec<Vec<Color>> {
    let mut names: Vec<&str> = Vec::new();
    for series in series(panels) {
        if !series.name.is_empty() && !names.contains(&&*series.name) {
            names.push(&series.name);
        }
    }
    let of_panel = |panel: &&Panel| {
        // A series without a name gets a colour that the legend does not explain.
        let mut nameless = names.len()..;
        let color = |series: &LineSeries| {
            let named = names.iter().position(|name| *name == series.name);
            let place = named.or_else(|| nameless.next()).unwrap_or(0);
            series.color.unwrap_or_else(|| series_color(place))
        };
        panel.series.iter().map(color).collect()
    };
    panels.iter().map(of_panel).collect()
}

fn legend(panels: &[&Panel], colors: &[Vec<Color>]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (series, color) in series(panels).zip(colors.iter().flatten()) {
        let is_new = entries.iter().all(|entry| entry.name != series.name);
        if is_new && !series.name.is_empty() && series.is_known() {
            let (half, dot) = match series.mark {
                Mark::Line | Mark::Band => (2, 0),
                Mark::LineAndDots => (2, 7),
                Mark::Dots => (0, 8),
            };
            entries.push(Entry::new(&series.name, color.filled(), half, dot));
        }
    }
    entries
}
