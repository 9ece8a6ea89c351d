//! How panels of lines are laid out and drawn.

use super::{LineSeries, Lines, Mark, Panel, Span, XAxis};
use crate::charts::canvas::{Align, Canvas};
use crate::charts::chart::{Chart, ChartError, Draw, Heading};
use crate::charts::labels::{Taken, apart};
use crate::charts::page::{Entry, Page, Swatch};
use crate::charts::scale::{Scale, Tick, log2, px, range, short, ticks};
use crate::charts::text::Font;
use crate::charts::theme::{AXIS, Color, GRID, INK, MARGIN, series_color};
use crate::charts::value::{Value, drawable};

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

/// A mark's label and where it stands.
struct Placed<'s> {
    span: &'s Span,
    label: String,
    /// Above the plot, counted upwards.
    row: i32,
    /// Its left end, px.
    from: i32,
}

/// What all panels of a picture have in common.
struct Plot<'a, 'c> {
    canvas: &'a Canvas<'c>,
    lines: &'a Lines,
    marks: &'a [Placed<'a>],
    x: &'a Across,
    /// Room above the first panel for labels of spans, px.
    room: i32,
    /// Height of a panel.
    height: i32,
}

/// Words beside what they are about.
const NOTE_FONT: Font = Font::SMALL.color(INK);

const PANEL_GAP: i32 = 72;
const SPAN_ROOM: i32 = 34;
/// Points that are still drawn large, with a white rim.
const FEW: usize = 100;

impl Draw for Lines {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let panels: Vec<&Panel> = self.panels.iter().filter(|panel| panel.shows()).collect();
        let height = match panels.len() {
            0 => return Ok(None),
            1 => 520,
            2 => 320,
            3 => 230,
            _ => 170,
        };
        let colors = colors(&panels);
        let page = Page::new(heading, width, legend(&panels, &colors));
        let small = Font::SMALL;
        let target = usize::try_from(height / 75).unwrap_or(3);
        let axes: Vec<(Vec<Tick>, (f64, f64))> = panels.iter().map(|p| p.axis(target)).collect();
        let labels = axes.iter().flat_map(|(ticks, _)| ticks);
        let left = MARGIN + small.widest(labels.map(|(_, label)| &**label)) + 14;
        let right = width - MARGIN - reference_room(&panels);
        let x = Across {
            axis: self.x_axis,
            scale: Scale::new(self.x_range(&panels), (left, right)),
        };
        let marks = self.place_marks(width - MARGIN, &x);
        let rows = marks.iter().map(|mark| mark.row + 1).max().unwrap_or(0);
        let labelled = |s: &Span| !s.is_mark() && !s.label.is_empty();
        let stretches = self.spans.iter().any(labelled);
        let room = SPAN_ROOM * rows.max(i32::from(stretches));
        let first = PANEL_GAP - 18 + room;
        let plots = px(panels.len()) * (height + PANEL_GAP) - PANEL_GAP;
        page.paint(first + plots + 14 + 2 * small.leading(), |canvas, top| {
            let begin = top + first;
            let plot = Plot {
                canvas,
                lines: self,
                marks: &marks,
                x: &x,
                room,
                height,
            };
            let mut top = begin;
            for ((panel, axis), colors) in panels.iter().zip(&axes).zip(&colors) {
                plot.draw_panel(panel, axis, colors, (top, top == begin));
                top += height + PANEL_GAP;
            }
            for mark in &marks {
                let middle = begin - mark.row * SPAN_ROOM - SPAN_ROOM / 2 - 4;
                canvas.text_on_white(&mark.label, (mark.from, middle), NOTE_FONT);
            }
            let bottom = begin + plots;
            for (value, label) in x_ticks(&panels, &x) {
                let at = x.at(value);
                canvas.rect((at, bottom, 2, 7), AXIS);
                canvas.text_inside(&label, (at, bottom + 22), small);
            }
            let middle = (i32::midpoint(left, right), bottom + 22 + small.leading());
            canvas.text_inside(&small.elide(&self.x_label, right - left), middle, small);
        })
    }
}

impl Lines {
    fn x_range(&self, panels: &[&Panel]) -> (f64, f64) {
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        let values = series(panels)
            .flat_map(|s| &s.points)
            .map(|(x, _)| *x)
            .chain(spans);
        let (low, high) = match self.x_axis {
            XAxis::Linear => range(values),
            XAxis::Doubling => range(values.filter(|x| *x > 0.0).map(log2)),
        }
        .unwrap_or((0.0, 1.0));
        // Dots need air at the edges; lines may touch them.
        let dots = series(panels).any(|series| series.mark.has_dots());
        let air = if dots { (high - low) * 0.03 } else { 0.0 };
        if low < high {
            (low - air, high + air)
        } else {
            (low - 0.5, low + 0.5)
        }
    }

    /// The marks with the places of their labels: centred over their line or beside it, in the
    /// lowest row where they meet neither another label nor another mark's line.
    fn place_marks(&self, right: i32, x: &Across) -> Vec<Placed<'_>> {
        let marks = self.spans.iter().filter(|span| span.is_mark());
        let marks: Vec<(&Span, i32)> = marks
            .filter_map(|span| Some((span, x.at(drawable(span.from)?))))
            .collect();
        let mut taken = Taken::default();
        let mut placed = Vec::new();
        for (span, at) in &marks {
            let label = NOTE_FONT.elide(&span.label, right - MARGIN);
            let width = NOTE_FONT.width(&label);
            let area = |from: i32, row: i32| (from - 8, row, width + 16, 1);
            let crossed = |from: i32| {
                let mut others = marks.iter().filter(|(_, other)| other != at);
                others.any(|(_, other)| (from - 6..=from + width + 6).contains(other))
            };
            let fits = |from: &i32| *from >= MARGIN && from + width <= right && !crossed(*from);
            let centred = (at - width / 2).min(right - width).max(MARGIN);
            let wanted = [at - width / 2, at - width - 8, at + 8];
            let free = (0..px(marks.len())).find_map(|row| {
                let mut places = wanted.into_iter().filter(fits);
                let from = places.find(|from| taken.is_free(area(*from, row)))?;
                Some((row, from))
            });
            // Where every place is crossed by a line, above all others.
            let (row, from) = free.unwrap_or((px(placed.len()), centred));
            taken.cover(area(from, row));
            placed.push(Placed {
                span,
                label,
                row,
                from,
            });
        }
        placed
    }
}

impl Plot<'_, '_> {
    /// Draws a panel from a height down.
    fn draw_panel(
        &self,
        panel: &Panel,
        (ticks, range): &(Vec<Tick>, (f64, f64)),
        colors: &[Color],
        (top, is_first): (i32, bool),
    ) {
        let (canvas, x) = (self.canvas, self.x);
        let (left, right, bottom) = (x.scale.from, x.scale.to, top + self.height);
        let y = Scale::new(*range, (bottom, top));
        let font = Font::LABEL.bold();
        let label = font.elide(&panel.label, right - MARGIN);
        let lift = if is_first { self.room } else { 0 };
        let at = (MARGIN, top - 32 - lift);
        canvas.text(&label, at, Align::Left, font);
        self.draw_spans(top, is_first);
        for (value, label) in ticks {
            let at = y.at(*value);
            canvas.rect((left, at, right - left, 1), GRID);
            canvas.text(label, (left - 12, at), Align::Right, Font::SMALL);
        }
        canvas.rect((left, bottom - 1, right - left, 2), AXIS);
        for mark in self.marks {
            let rise = mark.row * SPAN_ROOM + 4;
            let above = if is_first { rise } else { 0 };
            let at = x.at(mark.span.from);
            canvas.dashes((at, top - above), (at, bottom), mark.span.color);
        }
        panel.draw_references(canvas, &y, (left, right));
        let series = || panel.series.iter().zip(colors);
        // Bands first: they must not veil other series.
        for (series, color) in series().filter(|(series, _)| series.mark == Mark::Band) {
            series.draw_band(canvas, (x, &y), *color);
        }
        for ((series, color), shift) in series().zip(panel.shifts()) {
            series.draw(canvas, (x, &y), *color, shift);
        }
        if is_first {
            self.draw_notes(panel, &y);
        }
    }

    /// Shaded stretches in a panel, with their labels above the first.
    fn draw_spans(&self, top: i32, labelled: bool) {
        for span in self.lines.spans.iter().filter(|span| !span.is_mark()) {
            let (Some(from), Some(to)) = (drawable(span.from), drawable(span.to)) else {
                continue;
            };
            let (from, to) = (self.x.at(from.min(to)), self.x.at(from.max(to)));
            let width = (to - from).max(2);
            let area = (from, top, width, self.height);
            self.canvas.rect(area, span.color.tint(16));
            if labelled {
                self.canvas.rect((from, top - 4, width, 4), span.color);
                let label = NOTE_FONT.elide(&span.label, width - 8);
                if label.chars().count() > 2 || label == span.label {
                    let at = (from + width / 2, top - SPAN_ROOM + 14);
                    self.canvas.text(&label, at, Align::Middle, NOTE_FONT);
                }
            }
        }
    }

    /// Words beside points, where they cover neither data nor each other.
    fn draw_notes(&self, panel: &Panel, y: &Scale) {
        let mut taken = Taken::default();
        let pieces = panel.series.iter().flat_map(|s| s.pieces((self.x, y)));
        for piece in pieces {
            let path: Vec<(i32, i32)> = piece.iter().map(|(x, y, _)| (*x, *y)).collect();
            taken.cover_path(&path);
            for (x, y) in path {
                taken.cover((x - 9, y - 9, 18, 18));
            }
        }
        for note in &self.lines.notes {
            let (Some(at), Some(value)) = (drawable(note.x), drawable(note.y)) else {
                continue;
            };
            let (at, value) = (self.x.at(at), y.at(value));
            let width = NOTE_FONT.width(&note.label);
            let mut places = [
                (at - 10 - width, value - 34),
                (at + 10, value - 34),
                (at - 12 - width, value - 12),
                (at + 12, value - 12),
            ]
            .into_iter();
            let left = self.x.scale.from;
            let free =
                |(from, top): &(i32, i32)| *from > left && taken.is_free((*from, *top, width, 24));
            if let Some((from, top)) = places.find(free) {
                taken.cover((from, top, width, 24));
                let at = (from, top + 12);
                self.canvas.text(&note.label, at, Align::Left, NOTE_FONT);
            }
        }
    }
}

/// Ticks below the plot; on a doubling axis one at each point that has a dot, labelled where there
/// is room: powers of two first.
fn x_ticks(panels: &[&Panel], x: &Across) -> Vec<Tick> {
    let whole = |value: f64| value.fract().abs() <= 0.0;
    if x.axis == XAxis::Linear {
        let (low, high) = (x.scale.low, x.scale.high);
        let mut points = series(panels).flat_map(|s| &s.points);
        // Where all x are whole numbers, no fractions.
        let few = high - low < 9.0 && points.all(|(x, _)| x.is_finite() && whole(*x));
        let target = if few { (high - low).ceil() } else { 9.0 };
        return ticks(low, high, target as usize, false).0;
    }
    let dotted = series(panels).filter(|series| series.mark.has_dots());
    let places = dotted.flat_map(|series| &series.points);
    let mut values: Vec<f64> = places
        .filter_map(|(x, _)| drawable(*x).filter(|x| *x > 0.0))
        .collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let unlabelled = |value| (value, String::new());
    let mut ticks: Vec<Tick> = values.into_iter().map(unlabelled).collect();
    let mut taken = Taken::default();
    for power in [true, false] {
        for (value, label) in &mut ticks {
            let text = if whole(*value) {
                format!("{value:.0}")
            } else {
                short(*value)
            };
            let width = Font::SMALL.width(&text) + 10;
            let area = (x.at(*value) - width / 2, 0, width, 1);
            if whole(log2(*value)) == power && taken.claim(area) {
                *label = text;
            }
        }
    }
    ticks
}

/// The series of some panels.
fn series<'p>(panels: &'p [&Panel]) -> impl Iterator<Item = &'p LineSeries> {
    panels.iter().flat_map(|panel| &panel.series)
}

/// A colour for each series of each panel: equal names, equal colours.
fn colors(panels: &[&Panel]) -> Vec<Vec<Color>> {
    let mut names: Vec<&str> = Vec::new();
    for series in series(panels) {
        if !series.name.is_empty() && !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    let of_panel = |panel: &&Panel| {
        // No colour of the legend's is theirs.
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
        let new = entries.iter().all(|(_, label)| *label != series.name);
        if new && !series.name.is_empty() && series.drawn().next().is_some() {
            let swatch = match series.mark {
                Mark::Line | Mark::Band => Swatch::Line(*color, false),
                Mark::LineAndDots => Swatch::Line(*color, true),
                Mark::Dots => Swatch::Dot(*color),
            };
            entries.push((swatch, series.name.clone()));
        }
    }
    entries
}

/// Room at the right for the labels of reference lines, px.
fn reference_room(panels: &[&Panel]) -> i32 {
    let lines = panels.iter().flat_map(|panel| &panel.reference_lines);
    match NOTE_FONT.widest(lines.map(|line| &*line.label)).min(240) {
        0 => 10,
        width => width + 14,
    }
}

impl Panel {
    fn shows(&self) -> bool {
        self.series
            .iter()
            .any(|series| series.drawn().next().is_some())
    }

    /// About `target` ticks, and the range that they span.
    fn axis(&self, target: usize) -> (Vec<Tick>, (f64, f64)) {
        let values = self.series.iter().flat_map(LineSeries::drawn);
        let values = values.flat_map(|(_, y)| y.extents());
        let fixed = self.include.iter().copied();
        let lines = self.reference_lines.iter().map(|line| line.value);
        let (low, high) = range(values.chain(fixed).chain(lines)).unwrap_or((0.0, 1.0));
        ticks(low, high, target, true)
    }

    /// Lines at fixed values, their labels at the right, moved apart where they would overlap.
    fn draw_references(&self, canvas: &Canvas<'_>, y: &Scale, (left, right): (i32, i32)) {
        let known = self.reference_lines.iter().filter(|l| l.value.is_finite());
        let mut lines: Vec<(i32, &str)> = known.map(|l| (y.at(l.value), &*l.label)).collect();
        lines.sort_unstable();
        let wanted: Vec<i32> = lines.iter().map(|(at, _)| *at).collect();
        let places = apart(&wanted, NOTE_FONT.leading(), (y.to, y.from));
        for ((at, label), place) in lines.into_iter().zip(places) {
            canvas.dashes((left, at), (right, at), INK);
            let label = NOTE_FONT.elide(label, 240);
            canvas.text(&label, (right + 12, place), Align::Left, NOTE_FONT);
        }
    }

    /// How far each series is moved aside, px, so that error bars at one x stand side by side.
    fn shifts(&self) -> Vec<i32> {
        let barred: Vec<Vec<f64>> = self.series.iter().map(LineSeries::barred).collect();
        let is_crowded = |at: &usize| {
            let mut others = barred.iter().enumerate().filter(|(other, _)| other != at);
            others.any(|(_, other)| other.iter().any(|x| barred[*at].contains(x)))
        };
        let crowded: Vec<usize> = (0..barred.len()).filter(is_crowded).collect();
        let shift = |at| match crowded.iter().position(|other| *other == at) {
            Some(place) => 9 * (2 * px(place) - px(crowded.len()) + 1),
            None => 0,
        };
        (0..barred.len()).map(shift).collect()
    }
}

impl LineSeries {
    /// Where it has error bars.
    fn barred(&self) -> Vec<f64> {
        let barred = self.drawn().filter(|(_, y)| y.has_interval());
        let barred = barred.map(|(x, _)| x);
        barred.filter(|_| self.mark.has_dots()).collect()
    }

    /// Points as pixels, with their intervals; an unknown point ends a piece.
    fn pieces(&self, (x, y): (&Across, &Scale)) -> Vec<Vec<Spot>> {
        let spot = |(at, value): &(f64, Value)| {
            let interval = value.known_interval();
            let interval = interval.map(|(low, high)| (y.at(high), y.at(low)));
            Some((x.at(drawable(*at)?), y.at(value.known()?), interval))
        };
        let spots: Vec<Option<Spot>> = self.points.iter().map(spot).collect();
        let pieces = spots.split(Option::is_none);
        pieces
            .map(|piece| piece.iter().flatten().copied().collect())
            .collect()
    }

    fn draw_band(&self, canvas: &Canvas<'_>, axes: (&Across, &Scale), color: Color) {
        for piece in self.pieces(axes) {
            for pair in piece.windows(2) {
                if let [(x0, _, Some((top0, low0))), (x1, _, Some((top1, low1)))] = *pair {
                    let corners = [(x0, top0), (x1, top1), (x1, low1), (x0, low0)];
                    canvas.shade_polygon(&corners, color, 0.2);
                }
            }
        }
    }

    fn draw(&self, canvas: &Canvas<'_>, axes: (&Across, &Scale), color: Color, shift: i32) {
        let few = self.points.len() <= FEW;
        let dots = self.mark.has_dots();
        for mut piece in self.pieces(axes) {
            for spot in &mut piece {
                spot.0 += shift;
            }
            if self.mark != Mark::Dots {
                let path: Vec<(i32, i32)> = piece.iter().map(|(x, y, _)| (*x, *y)).collect();
                canvas.path(&path, color, 3);
            }
            for (at, value, interval) in &piece {
                if let Some(interval) = interval.filter(|_| dots) {
                    canvas.whisker(interval, *at, true, color);
                }
                // A lone point has no line to show it.
                if dots || piece.len() == 1 {
                    if few {
                        canvas.dot((*at, *value), 1, color);
                    } else {
                        canvas.circle((*at, *value), 4, color);
                    }
                }
            }
        }
    }
}
