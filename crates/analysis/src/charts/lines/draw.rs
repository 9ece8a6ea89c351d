//! How panels of lines are laid out and drawn.

use super::{LineSeries, Lines, Mark, Panel, Span, XAxis};
use crate::charts::canvas::{Align, Canvas, Font, WHITE, paint};
use crate::charts::chart::{Chart, ChartError};
use crate::charts::labels::{Taken, apart};
use crate::charts::page::{Entry, Page, Swatch};
use crate::charts::scale::{Scale, Ticks, log2, px, range, short, ticks};
use crate::charts::theme::{Color, Theme};
use crate::charts::value::drawable;

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

const PANEL_GAP: i32 = 72;
const SPAN_ROOM: i32 = 34;
/// Points that are still drawn large, with a white rim.
const FEW: usize = 100;

impl Lines {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Option<Chart>, ChartError> {
        let panels: Vec<&Panel> = self.panels.iter().filter(|panel| panel.shows()).collect();
        let panel_height = match panels.len() {
            0 => return Ok(None),
            1 => 520,
            2 => 320,
            3 => 230,
            _ => 170,
        };
        let colors = colors(theme, &panels);
        let page = Page::new(theme, &self.heading, legend(&panels, &colors));
        let small = Font::new(theme.small_em, theme.quiet);
        let target = usize::try_from(panel_height / 75).unwrap_or(3);
        let axes: Vec<(Ticks, (f64, f64))> = panels.iter().map(|p| p.axis(target)).collect();
        let labels = axes.iter().flat_map(|(ticks, _)| &ticks.labels);
        let left = theme.margin_px() + small.widest(labels.map(String::as_str)) + 14;
        let right = theme.width_px() - theme.margin_px() - reference_room(theme, &panels);
        let (low, high) = self.x_range(&panels);
        let x = Across {
            axis: self.x_axis,
            scale: Scale {
                low,
                high,
                from: left,
                to: right,
            },
        };
        let marks = self.place_marks(theme, &x);
        let rows = marks.iter().map(|mark| mark.row + 1).max().unwrap_or(0);
        let stretches = self
            .spans
            .iter()
            .any(|s| !s.is_mark() && !s.label.is_empty());
        let room = SPAN_ROOM * rows.max(i32::from(stretches));
        let first = PANEL_GAP - 18 + room;
        let plots = px(panels.len()) * (panel_height + PANEL_GAP) - PANEL_GAP;
        let body = first + plots + 14 + 2 * small.leading();

        let page_height = page.height(body);
        let title = &self.heading.title;
        paint(title, theme.width_px(), page_height, |canvas| {
            page.draw(canvas, body)?;
            let begin = page.top() + first;
            let mut top = begin;
            for ((panel, (ticks, (low, high))), colors) in panels.iter().zip(&axes).zip(&colors) {
                let bottom = top + panel_height;
                let y = Scale {
                    low: *low,
                    high: *high,
                    from: bottom,
                    to: top,
                };
                let lift = if top == begin { room } else { 0 };
                let font = Font::new(theme.label_em, theme.ink).bold();
                let label = font.elide(&panel.label, right - theme.margin_px());
                canvas.text(
                    &label,
                    (theme.margin_px(), top - 32 - lift),
                    Align::Left,
                    font,
                )?;
                self.draw_spans(canvas, theme, &x, (top, panel_height), top == begin)?;
                for (value, label) in ticks.values.iter().zip(&ticks.labels) {
                    let at = y.at(*value);
                    canvas.rect((left, at, right - left, 1), theme.grid)?;
                    canvas.text(label, (left - 12, at), Align::Right, small)?;
                }
                canvas.rect((left, bottom - 1, right - left, 2), theme.axis)?;
                for mark in &marks {
                    let above = if top == begin {
                        mark.row * SPAN_ROOM + 4
                    } else {
                        0
                    };
                    let (from, at) = (top - above, x.at(mark.span.from));
                    let color = mark.span.color.unwrap_or(theme.ink);
                    canvas.dashes((at, from), (at, bottom), color)?;
                }
                panel.draw_references(canvas, theme, &y, (left, right))?;
                // Bands first: they must not veil other series.
                for (series, color) in panel.series.iter().zip(colors) {
                    if series.mark == Mark::Band {
                        series.draw_band(canvas, &x, &y, *color)?;
                    }
                }
                for ((series, color), shift) in panel.series.iter().zip(colors).zip(panel.shifts())
                {
                    series.draw(canvas, &x, &y, *color, shift)?;
                }
                if top == begin {
                    self.draw_notes(canvas, theme, panel, (&x, &y))?;
                }
                top = bottom + PANEL_GAP;
            }
            let font = small.color(theme.ink);
            for mark in &marks {
                let middle = begin - mark.row * SPAN_ROOM - SPAN_ROOM / 2 - 4;
                canvas.text_on_white(&mark.label, (mark.from, middle), font)?;
            }
            let bottom = begin + plots;
            let ticks = Self::x_ticks(&panels, &x, small);
            for (value, label) in ticks.values.iter().zip(&ticks.labels) {
                let at = x.at(*value);
                canvas.rect((at, bottom, 2, 7), theme.axis)?;
                if !label.is_empty() {
                    canvas.text_inside(label, (at, bottom + 22), small)?;
                }
            }
            let middle = (i32::midpoint(left, right), bottom + 22 + small.leading());
            canvas.text_inside(&small.elide(&self.x_label, right - left), middle, small)
        })
        .map(Some)
    }

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

    /// Ticks below it; on a doubling axis one at each point that has a dot, labelled where there is
    /// room: powers of two first.
    fn x_ticks(panels: &[&Panel], x: &Across, font: Font) -> Ticks {
        if x.axis == XAxis::Linear {
            let (low, high) = (x.scale.low, x.scale.high);
            let mut points = series(panels).flat_map(|s| &s.points);
            // Where all x are whole numbers, no fractions.
            let whole =
                high - low < 9.0 && points.all(|(x, _)| x.is_finite() && x.fract().abs() <= 0.0);
            let target = if whole {
                (high - low).ceil() as usize
            } else {
                9
            };
            return ticks(low, high, target, false).0;
        }
        let mut values: Vec<f64> = series(panels)
            .filter(|series| series.mark.has_dots())
            .flat_map(|series| &series.points)
            .filter_map(|(x, _)| drawable(*x).filter(|x| *x > 0.0))
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let mut labels = vec![String::new(); values.len()];
        let mut taken = Taken::default();
        let whole = |value: f64| value.fract().abs() <= 0.0;
        for power in [true, false] {
            for (value, label) in values.iter().zip(&mut labels) {
                let text = if whole(*value) {
                    format!("{value:.0}")
                } else {
                    short(*value)
                };
                let width = font.width(&text) + 10;
                let area = (x.at(*value) - width / 2, 0, width, 1);
                if whole(log2(*value)) == power && taken.claim(area) {
                    *label = text;
                }
            }
        }
        Ticks { values, labels }
    }

    /// The marks with the places of their labels: centred over their line or beside it, in the
    /// lowest row where they meet neither another label nor another mark's line.
    fn place_marks(&self, theme: &Theme, x: &Across) -> Vec<Placed<'_>> {
        let font = Font::new(theme.small_em, theme.ink);
        let (left, right) = (theme.margin_px(), theme.width_px() - theme.margin_px());
        let marks = self.spans.iter().filter(|span| span.is_mark());
        let marks: Vec<(&Span, i32)> = marks
            .filter_map(|span| Some((span, x.at(drawable(span.from)?))))
            .collect();
        let mut taken = Taken::default();
        let mut placed = Vec::new();
        for (span, at) in &marks {
            let label = font.elide(&span.label, right - left);
            let width = font.width(&label);
            let area = |from: i32, row: i32| (from - 8, row, width + 16, 1);
            let crossed = |from: i32| {
                let mut others = marks.iter().filter(|(_, other)| other != at);
                others.any(|(_, other)| (from - 6..=from + width + 6).contains(other))
            };
            let fits = |from: &i32| *from >= left && from + width <= right && !crossed(*from);
            let centred = (at - width / 2).min(right - width).max(left);
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

    /// Shaded stretches in one panel, with their labels above the first.
    fn draw_spans(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        x: &Across,
        (top, height): (i32, i32),
        labelled: bool,
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        for span in self.spans.iter().filter(|span| !span.is_mark()) {
            let (Some(from), Some(to)) = (drawable(span.from), drawable(span.to)) else {
                continue;
            };
            let (from, to) = (x.at(from.min(to)), x.at(from.max(to)));
            let color = span.color.unwrap_or(Color::GREY);
            let width = (to - from).max(2);
            canvas.rect((from, top, width, height), color.tint(16))?;
            if labelled {
                canvas.rect((from, top - 4, width, 4), color)?;
                let label = font.elide(&span.label, width - 8);
                if label.chars().count() > 2 || label == span.label {
                    let at = (from + width / 2, top - SPAN_ROOM + 14);
                    canvas.text(&label, at, Align::Middle, font)?;
                }
            }
        }
        Ok(())
    }

    /// Words beside points, where they cover neither data nor each other.
    fn draw_notes(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        panel: &Panel,
        (x, y): (&Across, &Scale),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let mut taken = Taken::default();
        for piece in panel.series.iter().flat_map(|series| series.pieces(x, y)) {
            let path: Vec<(i32, i32)> = piece.iter().map(|(x, y, _)| (*x, *y)).collect();
            taken.cover_path(&path);
            for (x, y) in path {
                taken.cover((x - 9, y - 9, 18, 18));
            }
        }
        for note in &self.notes {
            let (Some(at), Some(value)) = (drawable(note.x), drawable(note.y)) else {
                continue;
            };
            let (at, value) = (x.at(at), y.at(value));
            let width = font.width(&note.label);
            let places = [
                (at - 10 - width, value - 34),
                (at + 10, value - 34),
                (at - 12 - width, value - 12),
                (at + 12, value - 12),
            ];
            let free = |(from, top): &(i32, i32)| {
                *from > x.scale.from && taken.is_free((*from, *top, width, 24))
            };
            if let Some((from, top)) = places.iter().copied().find(free) {
                taken.cover((from, top, width, 24));
                canvas.text(&note.label, (from, top + 12), Align::Left, font)?;
            }
        }
        Ok(())
    }
}

/// The series of some panels.
fn series<'p>(panels: &'p [&Panel]) -> impl Iterator<Item = &'p LineSeries> {
    panels.iter().flat_map(|panel| &panel.series)
}

/// A colour for each series of each panel: equal names, equal colours.
fn colors(theme: &Theme, panels: &[&Panel]) -> Vec<Vec<Color>> {
    let mut names: Vec<&str> = Vec::new();
    for series in series(panels) {
        if !series.name.is_empty() && !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    let of_panel = |panel: &&Panel| {
        // No colour of the legend's is theirs.
        let mut nameless = names.len();
        let mut place = |series: &LineSeries| {
            let named = names.iter().position(|name| *name == series.name);
            named.unwrap_or_else(|| {
                nameless += 1;
                nameless - 1
            })
        };
        let color = |series: &LineSeries| {
            let place = place(series);
            series.color.unwrap_or_else(|| theme.series(place))
        };
        panel.series.iter().map(color).collect()
    };
    panels.iter().map(of_panel).collect()
}

fn legend(panels: &[&Panel], colors: &[Vec<Color>]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (series, color) in series(panels).zip(colors.iter().flatten()) {
        let new = entries.iter().all(|entry| entry.label != series.name);
        if new && !series.name.is_empty() && series.drawn().next().is_some() {
            let swatch = match series.mark {
                Mark::Line | Mark::Band => Swatch::Line(*color, false),
                Mark::LineAndDots => Swatch::Line(*color, true),
                Mark::Dots => Swatch::Dot(*color),
            };
            entries.push(Entry::new(swatch, series.name.clone()));
        }
    }
    entries
}

/// Room at the right for the labels of reference lines, px.
fn reference_room(theme: &Theme, panels: &[&Panel]) -> i32 {
    let labels = panels.iter().flat_map(|panel| &panel.reference_lines);
    let font = Font::new(theme.small_em, theme.ink);
    match font.widest(labels.map(|line| line.label.as_str())).min(240) {
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
    fn axis(&self, target: usize) -> (Ticks, (f64, f64)) {
        let values = self.series.iter().flat_map(LineSeries::drawn);
        let values = values.flat_map(|(_, y)| y.extents());
        let fixed = self.include.iter().copied();
        let lines = self.reference_lines.iter().map(|line| line.value);
        let (low, high) = range(values.chain(fixed).chain(lines)).unwrap_or((0.0, 1.0));
        ticks(low, high, target, true)
    }

    /// Lines at fixed values, their labels at the right, moved apart where they would overlap.
    fn draw_references(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        y: &Scale,
        (left, right): (i32, i32),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let known = self.reference_lines.iter().filter(|l| l.value.is_finite());
        let mut lines: Vec<(i32, &str)> = known.map(|l| (y.at(l.value), &*l.label)).collect();
        lines.sort_unstable();
        let wanted: Vec<i32> = lines.iter().map(|(at, _)| *at).collect();
        let places = apart(&wanted, font.leading(), (y.to, y.from));
        for ((at, label), place) in lines.iter().zip(places) {
            canvas.dashes((left, *at), (right, *at), theme.ink)?;
            let label = font.elide(label, 240);
            canvas.text(&label, (right + 12, place), Align::Left, font)?;
        }
        Ok(())
    }

    /// How far each series is moved aside, px, so that error bars at one x stand side by side.
    fn shifts(&self) -> Vec<i32> {
        let crowded = |at: usize| {
            let others = || {
                self.series
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != at)
            };
            self.series[at].barred().any(|x| {
                let mut barred = others().flat_map(|(_, other)| other.barred());
                barred.any(|other| (other - x).abs() <= 0.0)
            })
        };
        let crowded: Vec<usize> = (0..self.series.len()).filter(|at| crowded(*at)).collect();
        let shift = |at| match crowded.iter().position(|other| *other == at) {
            Some(place) => 9 * (2 * px(place) - px(crowded.len()) + 1),
            None => 0,
        };
        (0..self.series.len()).map(shift).collect()
    }
}

impl LineSeries {
    /// Where it has error bars.
    fn barred(&self) -> impl Iterator<Item = f64> {
        let dots = self.mark.has_dots();
        let barred = self
            .drawn()
            .filter(move |(_, y)| dots && y.known_interval().is_some());
        barred.map(|(x, _)| x)
    }

    /// Points as pixels, with their intervals; an unknown point ends a piece.
    fn pieces(&self, x: &Across, y: &Scale) -> Vec<Vec<Spot>> {
        let spot = |(at, value): &(f64, _)| {
            let (at, value): (f64, crate::charts::Value) = (drawable(*at)?, *value);
            let interval = value.known_interval();
            let interval = interval.map(|(low, high)| (y.at(high), y.at(low)));
            Some((x.at(at), y.at(value.known()?), interval))
        };
        let spots: Vec<Option<Spot>> = self.points.iter().map(spot).collect();
        let pieces = spots.split(Option::is_none);
        pieces
            .map(|piece| piece.iter().flatten().copied().collect())
            .collect()
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
        let few = self.points.len() <= FEW;
        for mut piece in self.pieces(x, y) {
            for spot in &mut piece {
                spot.0 += shift;
            }
            if self.mark != Mark::Dots {
                let path: Vec<(i32, i32)> = piece.iter().map(|(x, y, _)| (*x, *y)).collect();
                canvas.path(&path, color, 3)?;
            }
            let dots = self.mark.has_dots();
            for (at, value, interval) in &piece {
                if let (true, Some(interval)) = (dots, interval) {
                    canvas.whisker(*interval, *at, true, color)?;
                }
                // A lone point has no line to show it.
                if dots || piece.len() == 1 {
                    if few {
                        canvas.circle((*at, *value), 8, WHITE)?;
                    }
                    canvas.circle((*at, *value), if few { 7 } else { 4 }, color)?;
                }
            }
        }
        Ok(())
    }
}
