//! Lines and points over a common x axis, in one or more panels.

use super::bars::ReferenceLine;
use super::canvas::{Align, Canvas, Font, paint};
use super::page::{Entry, Page, Swatch};
use super::rows::{count_from, empty, whisker};
use super::scale::{Scale, Ticks, log2, range, short, ticks};
use super::value::drawable;
use super::{Chart, ChartError, Color, Heading, Theme, Value};

/// Panels of lines or points above one x axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Words around it.
    pub heading: Heading,
    /// Name and unit of the x axis.
    pub x_label: String,
    /// How values lie on it.
    pub x_axis: XAxis,
    /// The panels, from the top.
    pub panels: Vec<Panel>,
    /// Stretches of x to shade in every panel: arms, warm-ups.
    pub spans: Vec<Span>,
    /// Words beside points of the first panel.
    pub notes: Vec<Note>,
}

/// How values lie on an x axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XAxis {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are: each doubling is as wide as any other. A tick at each point that has a
    /// dot. For values above zero.
    Doubling,
}

/// Words to the left of a point and above it, left out where they would cover others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Note {
    /// Where.
    pub x: f64,
    /// Where.
    pub y: f64,
    /// What.
    pub label: String,
}

/// A panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// Name and unit of its values, written above it.
    pub label: String,
    /// Its series. Equal names share a legend entry and a colour across panels.
    pub series: Vec<LineSeries>,
    /// Values its axis must reach: 0 and 100 for percentages, say.
    pub include: Vec<f64>,
    /// Lines at fixed values.
    pub reference_lines: Vec<ReferenceLine>,
}

/// A series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineSeries {
    /// Its name in the legend; empty: no entry.
    pub name: String,
    /// Its points, in the order in which a line joins them.
    pub points: Vec<LinePoint>,
    /// How it is drawn.
    pub mark: Mark,
    /// Its colour; `None` takes the theme's next.
    pub color: Option<Color>,
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LinePoint {
    /// Where; a point whose x is not finite is not drawn.
    pub x: f64,
    /// What; an unknown value interrupts the line.
    pub y: Value,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// A line.
    #[default]
    Line,
    /// A line with a dot at each point and its interval as an error bar.
    LineAndDots,
    /// Dots with error bars: a scatter plot.
    Dots,
    /// A line within a band made of the intervals.
    Band,
}

/// A shaded stretch of x; one without a length is a dashed line, its label in a row of its own
/// above the first panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Span {
    /// Written at its top in the first panel where it fits; may be empty.
    pub label: String,
    /// Start.
    pub from: f64,
    /// End.
    pub to: f64,
    /// Its colour; `None`: grey.
    pub color: Option<Color>,
}

/// The x axis.
struct Across {
    axis: XAxis,
    scale: Scale,
}

impl Across {
    fn at(&self, value: f64) -> i32 {
        match self.axis {
            XAxis::Linear => self.scale.at(value),
            XAxis::Doubling if value > 0.0 => self.scale.at(log2(value)),
            XAxis::Doubling => self.scale.from,
        }
    }
}

/// A point in pixels, and the top and bottom of its interval.
type Spot = (i32, i32, Option<(i32, i32)>);

const PANEL_GAP: i32 = 72;
const SPAN_ROOM: i32 = 34;

impl Lines {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Chart, ChartError> {
        let colors = self.colors(theme);
        let page = Page::new(theme, &self.heading, self.legend(&colors));
        if self.panels.is_empty() {
            return empty(theme, &page, &self.heading.title);
        }
        let panel_height = match self.panels.len() {
            1 => 520,
            2 => 320,
            3 => 230,
            _ => 170,
        };
        let small = Font::new(theme.small_em, theme.quiet);
        let spans = self.spans.iter().any(|span| !span.label.is_empty());
        let marks = count_from(self.spans.iter().filter(|span| span.is_mark()).count());
        let room = match marks {
            0 if spans => SPAN_ROOM,
            _ => marks * SPAN_ROOM,
        };
        let first = PANEL_GAP - 18 + room;
        let panels = count_from(self.panels.len());
        let body =
            first + panels * panel_height + (panels - 1) * PANEL_GAP + 14 + 2 * small.leading();
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                let axes: Vec<(Ticks, (f64, f64))> = self
                    .panels
                    .iter()
                    .map(|panel| panel.axis(panel_height))
                    .collect();
                let tick_width = axes
                    .iter()
                    .map(|(ticks, _)| small.widest(ticks.labels.iter().map(String::as_str)))
                    .max()
                    .unwrap_or(0);
                let left = theme.margin_px() + tick_width + 14;
                let right = theme.width_px() - theme.margin_px() - self.reference_room(theme);
                let (low, high) = self.x_range();
                let x = Across {
                    axis: self.x_axis,
                    scale: Scale {
                        low,
                        high,
                        from: left,
                        to: right,
                    },
                };
                let x_ticks = self.x_ticks(&x, small);

                let mut top = page.top() + first;
                let plot = (top, panels * panel_height + (panels - 1) * PANEL_GAP);
                self.draw_spans(canvas, theme, &x, plot)?;
                self.draw_marks(canvas, theme, &x, plot)?;
                for ((panel, (marks, (low, high))), colors) in
                    self.panels.iter().zip(&axes).zip(&colors)
                {
                    let bottom = top + panel_height;
                    let y = Scale {
                        low: *low,
                        high: *high,
                        from: bottom,
                        to: top,
                    };
                    let label_font = Font::new(theme.label_em, theme.ink).bold();
                    let lift = if top == plot.0 { room } else { 0 };
                    let at = (theme.margin_px(), top - 32 - lift);
                    let label = label_font.elide(&panel.label, right - theme.margin_px());
                    canvas.text(&label, at, Align::Left, label_font)?;
                    for (value, label) in marks.values.iter().zip(&marks.labels) {
                        let at = y.at(*value);
                        canvas.rect((left, at, right - left, 1), theme.grid)?;
                        canvas.text(label, (left - 12, at), Align::Right, small)?;
                    }
                    canvas.rect((left, bottom - 1, right - left, 2), theme.axis)?;
                    for line in panel
                        .reference_lines
                        .iter()
                        .filter(|line| line.value.is_finite())
                    {
                        let at = y.at(line.value);
                        canvas.dashes((left, at), (right, at), theme.ink)?;
                        let label = small.elide(&line.label, 240);
                        let font = small.color(theme.ink);
                        canvas.text(&label, (right + 12, at), Align::Left, font)?;
                    }
                    // Bands first: they must not veil other series.
                    for (series, color) in panel.series.iter().zip(colors) {
                        if series.mark == Mark::Band {
                            series.draw_band(canvas, &x, &y, *color)?;
                        }
                    }
                    for ((series, color), shift) in
                        panel.series.iter().zip(colors).zip(panel.shifts())
                    {
                        series.draw(canvas, &x, &y, *color, shift)?;
                    }
                    if panel
                        .series
                        .iter()
                        .all(|series| series.drawn().next().is_none())
                    {
                        let middle = (i32::midpoint(left, right), i32::midpoint(top, bottom));
                        canvas.text("no data to show", middle, Align::Middle, small)?;
                    }
                    if top == plot.0 {
                        self.draw_notes(canvas, theme, (&x, &y))?;
                    }
                    top = bottom + PANEL_GAP;
                }
                let bottom = plot.0 + plot.1;
                for (value, label) in x_ticks.values.iter().zip(&x_ticks.labels) {
                    let at = x.at(*value);
                    canvas.rect((at, bottom, 2, 7), theme.axis)?;
                    if !label.is_empty() {
                        canvas.text_inside(label, (at, bottom + 22), small)?;
                    }
                }
                let middle = (i32::midpoint(left, right), bottom + 22 + small.leading());
                let label = small.elide(&self.x_label, right - left);
                canvas.text_inside(&label, middle, small)
            },
        )
    }

    /// A colour for each series of each panel: equal names, equal colours.
    fn colors(&self, theme: &Theme) -> Vec<Vec<Color>> {
        let mut names: Vec<&str> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !series.name.is_empty() && !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        self.panels
            .iter()
            .map(|panel| {
                // No colour of the legend's is theirs.
                let mut nameless = names.len();
                let mut place = |series: &LineSeries| {
                    names
                        .iter()
                        .position(|name| *name == series.name)
                        .unwrap_or_else(|| {
                            nameless += 1;
                            nameless - 1
                        })
                };
                panel
                    .series
                    .iter()
                    .map(|series| {
                        let place = place(series);
                        series.color.unwrap_or_else(|| theme.series(place))
                    })
                    .collect()
            })
            .collect()
    }

    fn legend(&self, colors: &[Vec<Color>]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for (panel, colors) in self.panels.iter().zip(colors) {
            for (series, color) in panel.series.iter().zip(colors) {
                let new = entries.iter().all(|entry| entry.label != series.name);
                let named = !series.name.is_empty() && series.drawn().next().is_some();
                if new && named {
                    let swatch = match series.mark {
                        Mark::Line | Mark::Band => Swatch::Line(*color, false),
                        Mark::LineAndDots => Swatch::Line(*color, true),
                        Mark::Dots => Swatch::Dot(*color),
                    };
                    entries.push(Entry::new(swatch, series.name.clone()));
                }
            }
        }
        entries
    }

    fn reference_room(&self, theme: &Theme) -> i32 {
        let small = Font::new(theme.small_em, theme.ink);
        let labels = self.panels.iter().flat_map(|panel| &panel.reference_lines);
        match small
            .widest(labels.map(|line| line.label.as_str()))
            .min(240)
        {
            0 => 10,
            width => width + 14,
        }
    }

    fn x_range(&self) -> (f64, f64) {
        let points = self
            .panels
            .iter()
            .flat_map(|panel| &panel.series)
            .flat_map(|s| &s.points);
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        let values = points.map(|point| point.x).chain(spans);
        let (low, high) = match self.x_axis {
            XAxis::Linear => range(values),
            XAxis::Doubling => range(values.filter(|x| *x > 0.0).map(log2)),
        }
        .unwrap_or((0.0, 1.0));
        // Dots need air at the edges; lines may touch them.
        let dots = self
            .panels
            .iter()
            .flat_map(|panel| &panel.series)
            .any(|series| matches!(series.mark, Mark::Dots | Mark::LineAndDots));
        let air = if dots { (high - low) * 0.03 } else { 0.0 };
        if low < high {
            (low - air, high + air)
        } else {
            (low - 0.5, low + 0.5)
        }
    }

    /// Ticks below it; on a doubling axis one at each point that has a dot, labelled where there is
    /// room: powers of two first.
    fn x_ticks(&self, x: &Across, font: Font) -> Ticks {
        if x.axis == XAxis::Linear {
            let (low, high) = (x.scale.low, x.scale.high);
            return ticks(low, high, self.x_divisions(high - low), false).0;
        }
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        let dotted = series.filter(|s| matches!(s.mark, Mark::Dots | Mark::LineAndDots));
        let mut values: Vec<f64> = dotted
            .flat_map(|series| &series.points)
            .filter_map(|point| drawable(point.x).filter(|x| *x > 0.0))
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let mut labels = vec![String::new(); values.len()];
        let mut taken: Vec<(i32, i32)> = Vec::new();
        let power = |value: f64| log2(value).fract().abs() <= 0.0;
        for first in [true, false] {
            for (value, label) in values.iter().zip(&mut labels) {
                let text = if value.fract().abs() <= 0.0 {
                    format!("{value:.0}")
                } else {
                    short(*value)
                };
                let half = font.width(&text) / 2 + 5;
                let (from, to) = (x.at(*value) - half, x.at(*value) + half);
                let free = taken
                    .iter()
                    .all(|(left, right)| to <= *left || from >= *right);
                if power(*value) == first && free {
                    taken.push((from, to));
                    *label = text;
                }
            }
        }
        Ticks { values, labels }
    }

    fn draw_notes(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        (x, y): (&Across, &Scale),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let mut taken: Vec<(i32, i32, i32)> = Vec::new();
        for note in &self.notes {
            let (Some(at), Some(value)) = (drawable(note.x), drawable(note.y)) else {
                continue;
            };
            let (right, middle) = (x.at(at) - 8, y.at(value) - 20);
            let left = right - font.width(&note.label);
            let free = |(from, to, height): &(i32, i32, i32)| {
                (height - middle).abs() >= 24 || right < *from || left > *to
            };
            if taken.iter().all(free) {
                canvas.text(&note.label, (right, middle), Align::Right, font)?;
                taken.push((left, right, middle));
            }
        }
        Ok(())
    }

    /// About how many ticks; where all x are whole numbers, no fractions.
    fn x_divisions(&self, span: f64) -> usize {
        let points = self
            .panels
            .iter()
            .flat_map(|panel| &panel.series)
            .flat_map(|s| &s.points);
        if span < 9.0
            && points
                .map(|point| point.x)
                .all(|x| x.is_finite() && x.fract() == 0.0)
        {
            span.ceil() as usize
        } else {
            9
        }
    }

    fn draw_spans(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        x: &Across,
        (top, height): (i32, i32),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        for span in &self.spans {
            if span.is_mark() {
                continue;
            }
            let (Some(from), Some(to)) = (drawable(span.from), drawable(span.to)) else {
                continue;
            };
            let (from, to) = (x.at(from.min(to)), x.at(from.max(to)));
            let color = span.color.unwrap_or(Color::GREY);
            let width = (to - from).max(2);
            canvas.rect(
                (from, top - SPAN_ROOM + 6, width, height + SPAN_ROOM - 6),
                color.tint(16),
            )?;
            canvas.rect((from, top - SPAN_ROOM + 6, width, 4), color)?;
            let label = font.elide(&span.label, width - 8);
            if label.chars().count() > 2 || label == span.label {
                let at = (from + width / 2, top - SPAN_ROOM + 21);
                canvas.text(&label, at, Align::Middle, font)?;
            }
        }
        Ok(())
    }
}

impl Lines {
    /// Dashed lines first, then their labels on white: no line runs through a label.
    fn draw_marks(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        x: &Across,
        (top, height): (i32, i32),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let marks = self.spans.iter().filter(|span| span.is_mark());
        let places: Vec<(i32, i32, &Span)> = marks
            .filter_map(|span| Some((x.at(drawable(span.from)?), span)))
            .zip(1..)
            .map(|((at, span), row)| (at, top - row * SPAN_ROOM + SPAN_ROOM / 2, span))
            .collect();
        for (at, middle, span) in &places {
            let color = span.color.unwrap_or(theme.ink);
            canvas.dashes((*at, middle + 14), (*at, top + height), color)?;
        }
        for (at, middle, span) in &places {
            let half = font.width(&span.label) / 2 + 6;
            let white = Color(0xFF, 0xFF, 0xFF);
            canvas.rect((at - half, middle - 13, 2 * half, 27), white)?;
            canvas.text_inside(&span.label, (*at, *middle), font)?;
        }
        Ok(())
    }
}

impl Span {
    /// A single place rather than a stretch.
    fn is_mark(&self) -> bool {
        self.from.to_bits() == self.to.to_bits()
    }
}

impl Panel {
    fn axis(&self, height: i32) -> (Ticks, (f64, f64)) {
        let values = self
            .series
            .iter()
            .flat_map(LineSeries::drawn)
            .flat_map(|(_, y)| y.extents());
        let fixed = self.include.iter().copied();
        let lines = self.reference_lines.iter().map(|line| line.value);
        let (low, high) = range(values.chain(fixed).chain(lines)).unwrap_or((0.0, 1.0));
        let target = usize::try_from(height / 75).unwrap_or(3);
        ticks(low, high, target, true)
    }
}

impl Panel {
    /// How far each series is moved aside, px, so that error bars at one x stand side by side.
    fn shifts(&self) -> Vec<i32> {
        let crowded = |at: usize| {
            let own = &self.series[at];
            own.barred().any(|x| {
                let others = self
                    .series
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != at);
                others
                    .flat_map(|(_, other)| other.barred())
                    .any(|other| (other - x).abs() <= 0.0)
            })
        };
        let crowded: Vec<usize> = (0..self.series.len()).filter(|at| crowded(*at)).collect();
        (0..self.series.len())
            .map(|at| match crowded.iter().position(|other| *other == at) {
                Some(place) => 9 * (2 * count_from(place) - count_from(crowded.len()) + 1),
                None => 0,
            })
            .collect()
    }
}

impl LineSeries {
    /// Where it has error bars.
    fn barred(&self) -> impl Iterator<Item = f64> {
        let dots = matches!(self.mark, Mark::Dots | Mark::LineAndDots);
        self.drawn()
            .filter(move |(_, y)| dots && y.known_interval().is_some())
            .map(|(x, _)| x)
    }

    /// Points that can be drawn.
    fn drawn(&self) -> impl Iterator<Item = (f64, Value)> {
        self.points.iter().filter_map(|point| {
            point.y.known()?;
            Some((drawable(point.x)?, point.y))
        })
    }

    /// Points as pixels, with their intervals; an unknown point ends a piece.
    fn pieces(&self, x: &Across, y: &Scale) -> Vec<Vec<Spot>> {
        let mut pieces: Vec<Vec<Spot>> = vec![Vec::new()];
        for point in &self.points {
            match (drawable(point.x), point.y.known()) {
                (Some(at), Some(value)) => {
                    let interval = point
                        .y
                        .known_interval()
                        .map(|(low, high)| (y.at(high), y.at(low)));
                    if let Some(piece) = pieces.last_mut() {
                        piece.push((x.at(at), y.at(value), interval));
                    }
                }
                _ => pieces.push(Vec::new()),
            }
        }
        pieces
    }

    fn draw_band(
        &self,
        canvas: &Canvas<'_>,
        x: &Across,
        y: &Scale,
        color: Color,
    ) -> Result<(), ChartError> {
        for piece in self.pieces(x, y) {
            for pair in piece.windows(2) {
                let [(x0, _, Some((top0, low0))), (x1, _, Some((top1, low1)))] = pair else {
                    continue;
                };
                let corners = [(*x0, *top0), (*x1, *top1), (*x1, *low1), (*x0, *low0)];
                canvas.shade_polygon(&corners, color, 20)?;
            }
        }
        Ok(())
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        x: &Across,
        y: &Scale,
        color: Color,
        shift: i32,
    ) -> Result<(), ChartError> {
        for mut piece in self.pieces(x, y) {
            for spot in &mut piece {
                spot.0 += shift;
            }
            if self.mark != Mark::Dots {
                let path: Vec<(i32, i32)> = piece.iter().map(|(x, y, _)| (*x, *y)).collect();
                canvas.path(&path, color, 3)?;
            }
            let dots = matches!(self.mark, Mark::Dots | Mark::LineAndDots);
            for (at, value, interval) in &piece {
                if let (true, Some(interval)) = (dots, interval) {
                    whisker(canvas, color, *interval, *at, true)?;
                }
                // A lone point has no line to show it.
                if dots || piece.len() == 1 {
                    canvas.circle((*at, *value), 8, Color(255, 255, 255))?;
                    canvas.circle((*at, *value), 7, color)?;
                }
            }
        }
        Ok(())
    }
}
