//! Which agent did what when: a lane per agent, coloured by phase.

use plotters::element::{EmptyElement, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color as _, RGBColor};

use super::axis::{Axis, drawable, percent, range, short};
use super::error::ChartError;
use super::page::{Area, Chart, Draw, DrawResult, Entry, Grid, Heading, Plot, paint, plot};
use super::phase::{Phase, Segment, overlaps};
use super::text::Font;
use super::theme::{
    Color, FAILURE, FREE, GREEN, GRID, INK, MARGIN, QUIET, TICK, WHITE, X_LABELS, text_color_on,
};

/// The timeline of some runs, on one time axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Timeline {
    pub(crate) groups: Vec<TimelineGroup>,
    pub(crate) form: Form,
}

/// How much room a lane gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// Thin lanes, labels on the left: up to a hundred lanes or so.
    #[default]
    Full,
    /// Thick lanes under a heading for each group: one to three groups.
    FrontPage,
}

/// Lanes that belong together: the agents of one run of one configuration in one arm.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TimelineGroup {
    /// Configuration, run or arm.
    pub(crate) label: String,
    /// A second, quiet line; may be empty.
    pub(crate) detail: String,
    pub(crate) lanes: Vec<Lane>,
    /// Wall time of the group, seconds; the front-page form marks it with a line.
    pub(crate) wall_s: Option<f64>,
    pub(crate) overlap: Overlap,
    /// Verdict, interval or n, beneath the overlap; may be empty.
    pub(crate) verdict: String,
}

/// The measured overlap of a group, written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Overlap {
    /// Nothing is written: it has no meaning here (one agent, or agents run in turn).
    #[default]
    NotShown,
    /// Time with two or more agents decoding over time with any, 0 to 1.
    Measured(f64),
    /// It should be known and is not.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lane {
    pub(crate) label: String,
    /// In any order.
    pub(crate) segments: Vec<Segment>,
    /// Points in time to mark, a failure for example.
    pub(crate) marks: Vec<LaneMark>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LaneMark {
    pub(crate) at_s: f64,
    /// One or two words.
    pub(crate) text: String,
}

const OVERLAP_COLOR: Color = GREEN;
/// The background of a lane.
const TRACK: Color = RGBColor(0xF5, 0xF6, 0xF7);
const OVERLAP_FONT: Font = Font::SUBTITLE.color(INK).bold();

/// Sizes of one form, px.
struct Sizes {
    lane: i32,
    lane_gap: i32,
    group_gap: i32,
    heading: i32,
}

impl Form {
    const fn sizes(self) -> Sizes {
        let (lane, lane_gap, group_gap, heading) = match self {
            Self::Full => (28, 5, 26, 0),
            Self::FrontPage => (58, 10, 34, 44),
        };
        Sizes {
            lane,
            lane_gap,
            group_gap,
            heading,
        }
    }
}

impl TimelineGroup {
    fn overlaps(&self) -> Vec<(f64, f64)> {
        overlaps(self.lanes.iter().map(|lane| &*lane.segments))
    }

    fn overlap_text(&self) -> Option<String> {
        match self.overlap {
            Overlap::NotShown => None,
            Overlap::Measured(share) if share.is_finite() => {
                Some(format!("{} overlap", percent(share)))
            }
            Overlap::Measured(_) | Overlap::Unknown => Some("overlap unknown".to_owned()),
        }
    }
}

/// A group with its place, px.
struct PlacedGroup<'a> {
    group: &'a TimelineGroup,
    /// Top of its heading.
    top: i32,
    /// Top and bottom of its lanes.
    lanes: (i32, i32),
}

impl Draw for Timeline {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        if self.groups.iter().all(|group| group.lanes.is_empty()) {
            return Ok(None);
        }
        let sizes = self.form.sizes();
        let inner = width - 2 * MARGIN;
        let lane_names = Font::LABEL
            .widest(self.lanes().map(|lane| &*lane.label))
            .min(220);
        let widest =
            |font: Font, of: fn(&TimelineGroup) -> &str| font.widest(self.groups.iter().map(of));
        let names = match self.form {
            Form::Full => {
                let labels = widest(Font::LABEL.bold(), |group| &group.label);
                labels
                    .max(widest(Font::SMALL, |group| &group.detail))
                    .min(360)
                    + 18
            }
            Form::FrontPage => 0,
        };
        let overlaps = self.groups.iter().filter_map(TimelineGroup::overlap_text);
        let side = overlaps
            .map(|text| OVERLAP_FONT.width(&text))
            .max()
            .unwrap_or(0);
        let side = side
            .max(widest(Font::SMALL, |group| &group.verdict))
            .min(300);
        let (mut y, mut placed, mut ticks) = (sizes.group_gap / 2, Vec::new(), Vec::new());
        for group in &self.groups {
            let from = y + sizes.heading;
            let lane_top = |index: i32| from + index * (sizes.lane + sizes.lane_gap);
            for (lane, index) in group.lanes.iter().zip(0..) {
                let middle = f64::from(lane_top(index) + sizes.lane / 2);
                ticks.push((middle, Font::LABEL.elide(&lane.label, 220)));
            }
            let to = lane_top((group.lanes.len() as i32).max(1)) - sizes.lane_gap;
            placed.push(PlacedGroup {
                group,
                top: y,
                lanes: (from, to),
            });
            // Below several lanes a strip shows where they overlap.
            let strip = if group.lanes.len() > 1 { 10 } else { 0 };
            y = to + strip + sizes.group_gap;
        }
        let rows = Axis::labelled(f64::from(y)..0.0, ticks);
        let left = names + lane_names + 2 * TICK;
        let free = if side > 0 { side + 28 } else { FREE };
        paint(heading, width, &self.legend(), y + X_LABELS, |area| {
            let (room, axes) = ((left, free, X_LABELS), (self.axis(), rows));
            let mut plot = plot(area, room, axes, ("seconds", Grid::Upright))?;
            for (at, group) in placed.iter().enumerate() {
                self.draw_lanes(&mut plot, group)?;
                if self.form == Form::FrontPage {
                    self.draw_heading(&mut plot, area, group, inner - free)?;
                } else {
                    if at > 0 {
                        let rule = group.top - sizes.group_gap / 2;
                        area.draw(&PathElement::new([(0, rule), (inner, rule)], GRID))?;
                    }
                    draw_name(area, group, names - 18)?;
                }
                self.draw_verdict(area, group, (inner - side, side))?;
            }
            Ok(())
        })
    }
}

impl Timeline {
    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.groups.iter().flat_map(|group| &group.lanes)
    }

    /// The phases that occur, in a fixed order.
    fn legend(&self) -> Vec<Entry> {
        let occurs = |phase: &Phase| {
            let mut segments = self.lanes().flat_map(|lane| &lane.segments);
            segments.any(|segment| segment.phase == *phase)
        };
        let phases = Phase::ALL
            .into_iter()
            .map(|(phase, ..)| phase)
            .filter(occurs);
        let mut entries: Vec<Entry> = phases.map(|p| Entry::fill(p.name(), p.color())).collect();
        if self.groups.iter().any(|group| !group.overlaps().is_empty()) {
            let name = "two or more decode at once";
            entries.push(Entry::new(name, OVERLAP_COLOR.filled(), 4, 0));
        }
        entries
    }

    fn axis(&self) -> Axis {
        let times = self.lanes().flat_map(|lane| {
            let spans = lane.segments.iter().filter_map(Segment::span);
            let marks = lane.marks.iter().map(|mark| mark.at_s);
            spans.flat_map(|(start, end)| [start, end]).chain(marks)
        });
        let walls = self.groups.iter().filter_map(|group| group.wall_s);
        let all = range(times.chain(walls).chain([0.0]));
        Axis::linear(all.unwrap_or(0.0..1.0), 9)
    }

    fn draw_lanes(&self, plot: &mut Plot<'_>, placed: &PlacedGroup<'_>) -> DrawResult {
        let PlacedGroup { group, lanes, .. } = placed;
        let sizes = self.form.sizes();
        let (top, bottom) = (f64::from(lanes.0), f64::from(lanes.1));
        let lane_top = |index: i32| f64::from(lanes.0 + index * (sizes.lane + sizes.lane_gap));
        let (tall, times) = (f64::from(sizes.lane), plot.x_range());
        for index in 0..group.lanes.len() as i32 {
            let (from, to) = (lane_top(index), lane_top(index) + tall);
            let track = [(times.start, from), (times.end, to)];
            plot.draw_series([Rectangle::new(track, TRACK.filled())])?;
        }
        for (start, end) in group.overlaps() {
            let shade = OVERLAP_COLOR.mix(0.22).filled();
            let strip = [(start, bottom + 4.0), (end, bottom + 12.0)];
            plot.draw_series([
                Rectangle::new([(start, top - 3.0), (end, bottom + 4.0)], shade),
                Rectangle::new(strip, OVERLAP_COLOR.filled()),
            ])?;
        }
        if group.lanes.is_empty() {
            let at = EmptyElement::at((times.start, f64::midpoint(top, bottom)));
            let text = Text::new("no agents", (8, 2), Font::SMALL.style(HPos::Left));
            plot.draw_series([at + text])?;
        }
        for (lane, index) in group.lanes.iter().zip(0..) {
            self.draw_lane(plot, lane, lane_top(index))?;
        }
        Ok(())
    }

    fn draw_lane(&self, plot: &mut Plot<'_>, lane: &Lane, top: f64) -> DrawResult {
        let tall = self.form.sizes().lane;
        let (bottom, middle) = (top + f64::from(tall), top + f64::from(tall / 2));
        for segment in &lane.segments {
            let Some((start, end)) = segment.span() else {
                continue;
            };
            let corners = [(start, top), (end, bottom)];
            let color = segment.phase.color();
            plot.draw_series([Rectangle::new(corners, color.filled())])?;
            let pixels = corners.map(|corner| plot.backend_coord(&corner).0);
            let seconds = format!("{} s", short(end - start));
            let fits = Font::SMALL.width(&seconds) + 16 <= pixels[1] - pixels[0];
            if self.form == Form::FrontPage && fits {
                let style = Font::SMALL.color(text_color_on(color)).style(HPos::Center);
                let at = EmptyElement::at((f64::midpoint(start, end), middle));
                plot.draw_series([at + Text::new(seconds, (0, 2), style)])?;
            }
        }
        for mark in &lane.marks {
            let Some(at) = drawable(mark.at_s) else {
                continue;
            };
            let font = Font::SMALL.color(FAILURE).bold();
            let ends = plot.plotting_area().get_x_axis_pixel_range();
            let x = plot.backend_coord(&(at, top)).0;
            let line = Rectangle::new([(-2, -2 - tall / 2), (2, tall / 2 + 2)], FAILURE.filled());
            // Beside the mark where there is room; at its left, on a white ground, when the edge is near.
            let room = ends.end - x - 10;
            let (text, start) = if font.width(&mark.text) <= room {
                (mark.text.clone(), 8)
            } else {
                let text = font.elide(&mark.text, x - ends.start - 10);
                let start = -8 - font.width(&text);
                let ground = [(start - 4, -tall / 2), (-6, tall / 2)];
                let ground = Rectangle::new(ground, WHITE.filled());
                plot.draw_series([EmptyElement::at((at, middle)) + ground])?;
                (text, start)
            };
            let text = Text::new(text, (start, 2), font.style(HPos::Left));
            plot.draw_series([EmptyElement::at((at, middle)) + line + text])?;
        }
        Ok(())
    }

    /// The group's name above its lanes, and its wall time as a line. `right` is where the plot ends.
    fn draw_heading(
        &self,
        plot: &mut Plot<'_>,
        area: &Area<'_>,
        PlacedGroup { group, top, lanes }: &PlacedGroup<'_>,
        right: i32,
    ) -> DrawResult {
        let at = top + 14;
        let gap = self.form.sizes().group_gap / 2;
        let ground = [(0, top - gap), (right + 2, lanes.0 - 6)];
        area.draw(&Rectangle::new(ground, WHITE.filled()))?;
        let label = OVERLAP_FONT.elide(&group.label, right);
        area.draw_text(&label, &OVERLAP_FONT.style(HPos::Left), (0, at))?;
        let beside = OVERLAP_FONT.width(&label) + 18;
        let detail = Font::SMALL.elide(&group.detail, right - beside);
        area.draw_text(&detail, &Font::SMALL.style(HPos::Left), (beside, at))?;
        if let Some(wall) = group.wall_s.and_then(drawable) {
            let ends = [
                (wall, f64::from(lanes.0 - 12)),
                (wall, f64::from(lanes.1 + 12)),
            ];
            plot.draw_series([PathElement::new(ends, INK.stroke_width(4))])?;
            let (text, font) = (format!("{} s", short(wall)), Font::LABEL.bold());
            let width = font.width(&text);
            let from = plot.backend_coord(&ends[0]).0 - MARGIN - width / 2;
            let from = from.min(right - width);
            // The text must not run into the heading.
            if from > beside + Font::SMALL.width(&detail) + 12 {
                area.draw_text(&text, &font.style(HPos::Left), (from, top + 16))?;
            }
        }
        Ok(())
    }

    /// The overlap, and the verdict beneath it or, in a thin group, beside it.
    fn draw_verdict(
        &self,
        area: &Area<'_>,
        placed: &PlacedGroup<'_>,
        (side, width): (i32, i32),
    ) -> DrawResult {
        let PlacedGroup { group, lanes, .. } = placed;
        let small = Font::SMALL;
        let verdict = small.wrap(&group.verdict, width, 3);
        let overlap = group.overlap_text();
        let is_tight = lanes.1 - lanes.0 < 50 && self.form == Form::Full;
        let above = i32::from(overlap.is_some());
        let mut y = i32::midpoint(lanes.0, lanes.1);
        if !is_tight {
            y -= (verdict.len() as i32 + above - 1) * small.leading() / 2;
        }
        let mut x = side;
        if let Some(text) = overlap {
            let font = match group.overlap {
                Overlap::Unknown => OVERLAP_FONT.color(QUIET),
                _ => OVERLAP_FONT,
            };
            area.draw_text(&text, &font.style(HPos::Left), (side, y))?;
            if is_tight {
                x += font.width(&text) + 12;
                let text = small.elide(&group.verdict, side + width - x);
                return area.draw_text(&text, &small.style(HPos::Left), (x, y));
            }
            y += small.leading() + 1;
        }
        for line in &verdict {
            area.draw_text(line, &small.style(HPos::Left), (x, y))?;
            y += small.leading();
        }
        Ok(())
    }
}

/// The group's name left of its lanes, its detail beneath where there is room.
fn draw_name(
    area: &Area<'_>,
    PlacedGroup { group, lanes, .. }: &PlacedGroup<'_>,
    room: i32,
) -> DrawResult {
    let (font, small) = (Font::LABEL.bold(), Font::SMALL);
    let middle = i32::midpoint(lanes.0, lanes.1);
    let has_both = !group.detail.is_empty() && lanes.1 - lanes.0 >= 50;
    let at = (0, middle - if has_both { 14 } else { 0 });
    area.draw_text(&font.elide(&group.label, room), &font.style(HPos::Left), at)?;
    if has_both {
        let detail = small.elide(&group.detail, room);
        area.draw_text(&detail, &small.style(HPos::Left), (0, middle + 15))?;
    }
    Ok(())
}
