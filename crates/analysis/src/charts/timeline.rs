//! Which agent did what when: a lane per agent, coloured by phase, under a heading for each group.

use plotters::element::{EmptyElement, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color as _, RGBColor};

use super::axis::{Axis, drawable, range, short};
use super::error::ChartError;
use super::page::{
    Chart, Draw, DrawResult, Entry, Grid, Heading, Plot, SECTION, block, paint, plot, section,
};
use super::phase::{Phase, Segment, overlaps};
use super::text::Font;
use super::theme::{Color, FAILURE, FREE, GREEN, INK, MARGIN, TICK, WHITE, X_LABELS};

/// The timeline of some runs, on one time axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Timeline {
    pub(crate) groups: Vec<TimelineGroup>,
}

/// Lanes that belong together: the agents of one run of one configuration in one arm.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TimelineGroup {
    /// Configuration, run or arm.
    pub(crate) label: String,
    /// Written after the label; may be empty.
    pub(crate) detail: String,
    pub(crate) lanes: Vec<Lane>,
    /// Wall time of the group, seconds; marked by a line.
    pub(crate) wall_s: Option<f64>,
    /// Overlap and verdict, at the right edge; may be empty.
    pub(crate) remark: String,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lane {
    pub(crate) label: String,
    /// In any order.
    pub(crate) segments: Vec<Segment>,
    /// Points in time to mark, a failure for example: seconds, and one or two words.
    pub(crate) marks: Vec<(f64, String)>,
}

const OVERLAP_COLOR: Color = GREEN;
/// The background of a lane.
const TRACK: Color = RGBColor(0xF5, 0xF6, 0xF7);
/// With more lanes than this, each is thin.
const FEW_LANES: usize = 6;
/// Distance between two lanes, px.
const GAP: i32 = 6;
/// Room below the lanes of a group, for the strip that shows where they overlap, px.
const STRIP: i32 = 16;

impl Draw for Timeline {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let tall = match self.lanes().count() {
            0 => return Ok(None),
            1..=FEW_LANES => 50,
            _ => 28,
        };
        let column = Font::LABEL.widest(self.lanes().map(|lane| &*lane.label));
        let column = column.min(220);
        let (mut y, mut tops, mut ticks) = (0, Vec::new(), Vec::new());
        for group in &self.groups {
            y += SECTION;
            tops.push(y);
            for lane in &group.lanes {
                let label = Font::LABEL.elide(&lane.label, column);
                ticks.push((f64::from(y + tall / 2), label));
                y += tall + GAP;
            }
            y += STRIP;
        }
        let rows = Axis::labelled(f64::from(y)..0.0, ticks);
        paint(heading, width, &self.legend(), y + X_LABELS, |area| {
            let room = (column + 2 * TICK, FREE, X_LABELS);
            let axes = (self.axis(), rows);
            let mut plot = plot(area, room, axes, ("seconds", Grid::Upright))?;
            for (group, top) in self.groups.iter().zip(tops) {
                let words = match group.lanes[..] {
                    [] => [&*group.label, &*group.detail, "no agents"],
                    _ => [&*group.label, &*group.detail, &*group.remark],
                };
                section(area, (width - 2 * MARGIN, top - SECTION), words)?;
                group.draw(&mut plot, top, tall)?;
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
        let segments = || self.lanes().flat_map(|lane| &lane.segments);
        let phases = Phase::ALL.into_iter().map(|(phase, ..)| phase);
        let shown = phases.filter(|phase| segments().any(|segment| segment.phase == *phase));
        let mut entries: Vec<Entry> = shown.map(|p| Entry::fill(p.name(), p.color())).collect();
        if self.groups.iter().any(|group| !group.overlaps().is_empty()) {
            let name = "two or more decode at once";
            entries.push(Entry::new(name, OVERLAP_COLOR.filled(), 4, 0));
        }
        entries
    }

    fn axis(&self) -> Axis {
        let times = self.lanes().flat_map(|lane| {
            let spans = lane.segments.iter().filter_map(Segment::span);
            let marks = lane.marks.iter().map(|(at_s, _)| *at_s);
            spans.flat_map(|(start, end)| [start, end]).chain(marks)
        });
        let walls = self.groups.iter().filter_map(|group| group.wall_s);
        let all = range(times.chain(walls).chain([0.0]));
        Axis::linear(all.unwrap_or(0.0..1.0), 9)
    }
}

impl TimelineGroup {
    fn overlaps(&self) -> Vec<(f64, f64)> {
        overlaps(self.lanes.iter().map(|lane| &*lane.segments))
    }

    /// Draws the lanes, each `tall` px, from `top` down, with the overlaps behind them and the wall time before them.
    fn draw(&self, plot: &mut Plot<'_>, top: i32, tall: i32) -> DrawResult {
        let times = plot.x_range();
        let tops = (0..).map(|index| f64::from(top + index * (tall + GAP)));
        let lanes = || self.lanes.iter().zip(tops.clone());
        let bottom = f64::from(top + self.lanes.len() as i32 * (tall + GAP) - GAP);
        for (_, top) in lanes() {
            let track = [(times.start, top), (times.end, top + f64::from(tall))];
            plot.draw_series([Rectangle::new(track, TRACK.filled())])?;
        }
        for (start, end) in self.overlaps() {
            let shade = [(start, f64::from(top - 3)), (end, bottom + 4.0)];
            let strip = [(start, bottom + 4.0), (end, bottom + 12.0)];
            plot.draw_series([
                Rectangle::new(shade, OVERLAP_COLOR.mix(0.22).filled()),
                Rectangle::new(strip, OVERLAP_COLOR.filled()),
            ])?;
        }
        for (lane, top) in lanes() {
            lane.draw(plot, top, tall)?;
        }
        if let Some(wall) = self.wall_s.and_then(drawable) {
            let ends = [(wall, f64::from(top - 6)), (wall, bottom + 6.0)];
            plot.draw_series([PathElement::new(ends, INK.stroke_width(4))])?;
        }
        Ok(())
    }
}

impl Lane {
    fn draw(&self, plot: &mut Plot<'_>, top: f64, tall: i32) -> DrawResult {
        let (bottom, middle) = (top + f64::from(tall), top + f64::from(tall / 2));
        for segment in &self.segments {
            if let Some((start, end)) = segment.span() {
                let seconds = format!("{} s", short(end - start));
                let corners = [(start, top), (end, bottom)];
                block(plot, corners, segment.phase.color(), &seconds)?;
            }
        }
        for (at_s, text) in &self.marks {
            let Some(at) = drawable(*at_s) else {
                continue;
            };
            let font = Font::SMALL.color(FAILURE).bold();
            let ends = plot.plotting_area().get_x_axis_pixel_range();
            let x = plot.backend_coord(&(at, top)).0;
            // Beside the mark where there is room; at its left when the edge is near.
            let (text, start) = if font.width(text) <= ends.end - x - 10 {
                (text.clone(), 8)
            } else {
                let text = font.elide(text, x - ends.start - 10);
                let start = -8 - font.width(&text);
                (text, start)
            };
            // On a white ground: the mark may stand on a segment.
            let ground = [(start - 3, -13), (start + font.width(&text) + 3, 13)];
            let at = EmptyElement::at((at, middle))
                + Rectangle::new(ground, WHITE.filled())
                + Rectangle::new([(-2, -2 - tall / 2), (2, tall / 2 + 2)], FAILURE.filled());
            plot.draw_series([at + Text::new(text, (start, 2), font.style(HPos::Left))])?;
        }
        Ok(())
    }
}
