//! Who did what when: a lane per agent, coloured by phase.

use super::canvas::{Align, Canvas};
use super::chart::{Chart, ChartError, Draw, Heading};
use super::page::{Entry, Page, Swatch};
use super::phase::{Phase, Segment, overlaps};
use super::scale::{Scale, Tick, percent, px, range, short, ticks};
use super::text::Font;
use super::theme::{Color, GRID, INK, MARGIN, QUIET, WHITE};
use super::value::drawable;

/// The timeline of some runs, on one time axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// Configurations, runs or arms, from the top.
    pub groups: Vec<TimelineGroup>,
    /// How much room each lane gets.
    pub form: Form,
}

/// How much room a lane gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Thin lanes, labels on the left: up to a hundred lanes or so.
    #[default]
    Full,
    /// Thick lanes under a heading for each group: one to three groups.
    FrontPage,
}

/// Lanes that belong together: the agents of one run of one configuration in one arm.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimelineGroup {
    /// Configuration, run or arm.
    pub label: String,
    /// A second, quiet line; may be empty.
    pub detail: String,
    /// The agents.
    pub lanes: Vec<Lane>,
    /// Wall time of the group, seconds; the front-page form marks it with a line.
    pub wall_s: Option<f64>,
    /// The measured overlap.
    pub overlap: Overlap,
    /// Verdict, interval or n, beneath the overlap; may be empty.
    pub verdict: String,
}

/// The measured overlap of a group, written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Overlap {
    /// Nothing is written: it has no meaning here (one agent, or agents run in turn).
    #[default]
    NotShown,
    /// Time with two or more agents decoding over time with any, 0 to 1.
    Measured(f64),
    /// It should be known and is not.
    Unknown,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lane {
    /// Its name.
    pub label: String,
    /// What it did, in any order.
    pub segments: Vec<Segment>,
    /// Points in time to mark, a failure for example.
    pub marks: Vec<LaneMark>,
}

/// A marked point in time.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneMark {
    /// When, seconds.
    pub at_s: f64,
    /// What, in a word or two.
    pub text: String,
}

const OVERLAP_COLOR: Color = Color::GREEN;
const FAILURE_COLOR: Color = Color(0xB3, 0x26, 0x1E);
const BOTTOM_AXIS: i32 = 66;
const TOP_AXIS: i32 = 40;

/// Sizes of one form, px.
struct Sizes {
    lane: i32,
    lane_gap: i32,
    group_gap: i32,
    heading: i32,
    strip: i32,
}

impl Form {
    const fn sizes(self) -> Sizes {
        match self {
            Self::Full => Sizes {
                lane: 28,
                lane_gap: 5,
                group_gap: 26,
                heading: 0,
                strip: 6,
            },
            Self::FrontPage => Sizes {
                lane: 58,
                lane_gap: 10,
                group_gap: 34,
                heading: 44,
                strip: 8,
            },
        }
    }
}

impl Sizes {
    /// The lanes alone.
    fn lanes(&self, group: &TimelineGroup) -> i32 {
        px(group.lanes.len().max(1)) * (self.lane + self.lane_gap) - self.lane_gap
    }

    /// The strip that shows where lanes overlap, with its distance.
    fn below(&self, group: &TimelineGroup) -> i32 {
        if group.lanes.len() > 1 {
            self.strip + 4
        } else {
            0
        }
    }

    fn group(&self, group: &TimelineGroup) -> i32 {
        self.heading + self.lanes(group) + self.below(group)
    }
}

impl TimelineGroup {
    fn overlaps(&self) -> Vec<(f64, f64)> {
        overlaps(self.lanes.iter().map(|lane| &*lane.segments))
    }

    /// The overlap in words.
    fn written(&self) -> Option<String> {
        match self.overlap {
            Overlap::NotShown => None,
            Overlap::Measured(share) if share.is_finite() => {
                Some(format!("{} overlap", percent(share)))
            }
            Overlap::Measured(_) | Overlap::Unknown => Some("overlap unknown".to_owned()),
        }
    }
}

/// Everything that a group is drawn with.
struct Plot<'a, 'c> {
    canvas: &'a Canvas<'c>,
    form: Form,
    sizes: Sizes,
    columns: Columns,
    scale: Scale,
}

/// Columns of the picture, right of the margin.
struct Columns {
    /// Where the names of lanes end.
    names: i32,
    /// Where verdicts begin, and how wide they are.
    side: (i32, i32),
    /// Where the picture ends.
    right: i32,
}

/// The overlap, beside its group.
const OVERLAP_FONT: Font = Font::SUBTITLE.color(INK).bold();

impl Draw for Timeline {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        if self.groups.iter().all(|group| group.lanes.is_empty()) {
            return Ok(None);
        }
        let page = Page::new(heading, width, self.legend());
        let sizes = self.form.sizes();
        let heights = self.groups.iter().map(|g| sizes.group(g) + sizes.group_gap);
        let groups: i32 = heights.sum();
        let top_axis = if groups > 900 { TOP_AXIS } else { 0 };
        page.paint(top_axis + groups + BOTTOM_AXIS, |canvas, top| {
            let (columns, ends) = self.columns(width - MARGIN);
            let (marks, range) = self.axis();
            let plot = Plot {
                canvas,
                form: self.form,
                sizes,
                columns,
                scale: Scale::new(range, ends),
            };
            plot.draw(&self.groups, &marks, (top + top_axis, groups));
            if top_axis > 0 {
                for (value, label) in &marks {
                    let at = (plot.scale.at(*value), top + 18);
                    canvas.text_inside(label, at, Font::SMALL);
                }
            }
        })
    }
}

impl Timeline {
    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.groups.iter().flat_map(|group| &group.lanes)
    }

    /// The phases that occur, in a fixed order.
    fn legend(&self) -> Vec<Entry> {
        let occurs = |(phase, ..): &(Phase, &str, Color)| {
            let mut segments = self.lanes().flat_map(|lane| &lane.segments);
            segments.any(|segment| segment.phase == *phase)
        };
        let entry = |(_, name, color): (_, &str, _)| (Swatch::Fill(color), name.to_owned());
        let phases = Phase::ALL.into_iter().filter(occurs);
        let mut entries: Vec<Entry> = phases.map(entry).collect();
        if self.groups.iter().any(|group| !group.overlaps().is_empty()) {
            let name = "two or more decode at once".to_owned();
            entries.push((Swatch::Strip(OVERLAP_COLOR), name));
        }
        entries
    }

    /// The columns, and where the plot lies between them.
    fn columns(&self, right: i32) -> (Columns, (i32, i32)) {
        let widest =
            |font: Font, of: fn(&TimelineGroup) -> &str| font.widest(self.groups.iter().map(of));
        let lanes = self.lanes().map(|lane| &*lane.label);
        let lanes = Font::LABEL.widest(lanes).min(220);
        let labels = widest(Font::LABEL.bold(), |group| &group.label);
        let details = widest(Font::SMALL, |group| &group.detail);
        let names = match self.form {
            Form::Full => MARGIN + labels.max(details).min(360) + 18 + lanes,
            Form::FrontPage => MARGIN + lanes,
        };
        let written = self.groups.iter().filter_map(TimelineGroup::written);
        let written = written.map(|text| OVERLAP_FONT.width(&text)).max();
        let verdicts = widest(Font::SMALL, |group| &group.verdict);
        let side_width = verdicts.max(written.unwrap_or(0)).min(300);
        let side = right - side_width;
        let plot_right = side - if side_width > 0 { 28 } else { 0 };
        let columns = Columns {
            names,
            side: (side, side_width),
            right,
        };
        (columns, (names + 14, plot_right))
    }

    /// The time axis.
    fn axis(&self) -> (Vec<Tick>, (f64, f64)) {
        let times = self.lanes().flat_map(|lane| {
            let spans = lane.segments.iter().filter_map(Segment::span);
            let marks = lane.marks.iter().map(|mark| mark.at_s);
            spans.flat_map(|(start, end)| [start, end]).chain(marks)
        });
        let walls = self.groups.iter().filter_map(|group| group.wall_s);
        let (low, high) = range(times.chain(walls)).unwrap_or((0.0, 1.0));
        ticks(low.min(0.0), high, 8, false)
    }
}

impl Plot<'_, '_> {
    fn draw(&self, groups: &[TimelineGroup], marks: &[Tick], (top, height): (i32, i32)) {
        let (canvas, scale, sizes) = (self.canvas, &self.scale, &self.sizes);
        let bottom = top + height;
        for (value, label) in marks {
            let x = scale.at(*value);
            if self.form == Form::Full {
                canvas.rect((x, top, 2, height), GRID);
            }
            canvas.text_inside(label, (x, bottom + 20), Font::SMALL);
        }
        let middle = (i32::midpoint(scale.from, scale.to), bottom + 48);
        canvas.text("seconds", middle, Align::Middle, Font::SMALL);

        let mut y = top + sizes.group_gap / 2;
        for (index, group) in groups.iter().enumerate() {
            let height = sizes.group(group);
            if self.form == Form::FrontPage {
                // Headings stand free: the grid runs through the lanes only.
                let (top, height) = (y + sizes.heading - 4, height - sizes.heading + 12);
                for (value, _) in marks {
                    canvas.rect((scale.at(*value), top, 2, height), GRID);
                }
            } else if index > 0 {
                let rule = y - sizes.group_gap / 2;
                canvas.rect((MARGIN, rule, self.columns.right - MARGIN, 1), GRID);
            }
            self.draw_group(group, y);
            y += height + sizes.group_gap;
        }
    }

    fn draw_group(&self, group: &TimelineGroup, y: i32) {
        let (canvas, sizes, scale) = (self.canvas, &self.sizes, &self.scale);
        let (top, height) = (y + sizes.heading, sizes.lanes(group));
        let below = sizes.below(group);
        let lane_top = |index: usize| top + px(index) * (sizes.lane + sizes.lane_gap);
        for index in 0..group.lanes.len() {
            let width = scale.to - scale.from;
            let track = (scale.from, lane_top(index), width, sizes.lane);
            canvas.rect(track, Color(0xF5, 0xF6, 0xF7));
        }
        for (start, end) in group.overlaps() {
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let shaded = (from, top - 3, width, height + below + 3);
            canvas.rect(shaded, OVERLAP_COLOR.tint(22));
            canvas.rect((from, top + height + 4, width, sizes.strip), OVERLAP_COLOR);
        }
        for (index, lane) in group.lanes.iter().enumerate() {
            let at = (self.columns.names, lane_top(index) + sizes.lane / 2);
            let label = Font::LABEL.elide(&lane.label, 220);
            canvas.text(&label, at, Align::Right, Font::LABEL);
            self.draw_lane(lane, lane_top(index));
        }
        let middle = top + height / 2;
        if group.lanes.is_empty() {
            let at = (scale.from + 8, middle);
            canvas.text("no agents", at, Align::Left, Font::SMALL);
        }
        match self.form {
            Form::Full => self.draw_name(group, middle, height),
            Form::FrontPage => self.draw_heading(group, y, height + below),
        }
        self.draw_verdict(group, middle, height);
    }

    /// The group's name left of its lanes, its detail beneath where there is room.
    fn draw_name(&self, group: &TimelineGroup, middle: i32, height: i32) {
        let (font, small) = (Font::LABEL.bold(), Font::SMALL);
        let whole = self.columns.names - MARGIN;
        let lanes = Font::LABEL.widest(group.lanes.iter().map(|lane| &*lane.label));
        let room = whole - lanes.min(whole) - 18;
        let label = font.elide(&group.label, room);
        let both = !group.detail.is_empty() && height >= 2 * small.leading() - 8;
        let at = (MARGIN, middle - if both { 14 } else { 0 });
        self.canvas.text(&label, at, Align::Left, font);
        if both {
            let detail = small.elide(&group.detail, room);
            let at = (MARGIN, middle + 15);
            self.canvas.text(&detail, at, Align::Left, small);
        }
    }

    /// The group's name above its lanes, and its wall time as a line.
    fn draw_heading(&self, group: &TimelineGroup, y: i32, height: i32) {
        let (right, at) = (self.scale.to, y + 14);
        let font = OVERLAP_FONT;
        let label = font.elide(&group.label, right - MARGIN);
        self.canvas.text(&label, (MARGIN, at), Align::Left, font);
        let beside = MARGIN + font.width(&label) + 18;
        let detail = Font::SMALL.elide(&group.detail, right - beside);
        let detail_at = (beside, at);
        self.canvas
            .text(&detail, detail_at, Align::Left, Font::SMALL);
        if let Some(wall) = group.wall_s.and_then(drawable) {
            let x = self.scale.at(wall);
            let line = (x - 1, y + self.sizes.heading - 12, 3, height + 12);
            self.canvas.rect(line, INK);
            let text = format!("{} s", short(wall));
            let font = Font::LABEL.bold();
            let width = font.width(&text);
            let from = (x - width / 2).min(right - width);
            // Not into the heading.
            if from > beside + Font::SMALL.width(&detail) + 12 {
                self.canvas.text(&text, (from, y + 18), Align::Left, font);
            }
        }
    }

    /// The overlap, and the verdict beneath it or, in a thin group, beside it.
    fn draw_verdict(&self, group: &TimelineGroup, middle: i32, height: i32) {
        let small = Font::SMALL;
        let (side, width) = self.columns.side;
        let verdict = small.wrap(&group.verdict, width, 3);
        let lines = px(verdict.len());
        let Some(text) = group.written() else {
            let first = middle - (lines - 1) * small.leading() / 2;
            return self.canvas.lines(&verdict, (side, first), small);
        };
        let font = match group.overlap {
            Overlap::Unknown => OVERLAP_FONT.color(QUIET),
            _ => OVERLAP_FONT,
        };
        let tight = height < 50 || verdict.is_empty();
        let at = middle - if tight { 0 } else { 15 * lines };
        self.canvas.text(&text, (side, at), Align::Left, font);
        if !tight {
            self.canvas.lines(&verdict, (side, at + 29), small);
        } else if self.form == Form::Full {
            let beside = side + font.width(&text) + 12;
            let verdict = small.elide(&group.verdict, self.columns.right - beside);
            self.canvas.text(&verdict, (beside, at), Align::Left, small);
        }
    }

    fn draw_lane(&self, lane: &Lane, top: i32) {
        let (canvas, scale, tall) = (self.canvas, &self.scale, self.sizes.lane);
        let middle = top + tall / 2;
        for segment in &lane.segments {
            let Some((start, end)) = segment.span() else {
                continue;
            };
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let color = segment.phase.color();
            canvas.rect((from, top, width, tall), color);
            let seconds = format!("{} s", short(end - start));
            let font = Font::SMALL.color(color.legible());
            if self.form == Form::FrontPage && font.width(&seconds) + 16 <= width {
                let at = (from + width / 2, middle);
                canvas.text(&seconds, at, Align::Middle, font);
            }
        }
        for mark in &lane.marks {
            let Some(at) = drawable(mark.at_s) else {
                continue;
            };
            let x = scale.at(at);
            canvas.rect((x - 2, top - 2, 4, tall + 4), FAILURE_COLOR);
            let font = Font::SMALL.color(FAILURE_COLOR).bold();
            // Beside the mark where nothing follows; at its left when the edge is near.
            if font.width(&mark.text) <= scale.to - x - 10 {
                canvas.text(&mark.text, (x + 8, middle), Align::Left, font);
            } else {
                let text = font.elide(&mark.text, x - scale.from - 10);
                let width = font.width(&text) + 10;
                canvas.rect((x - 8 - width, top, width + 4, tall), WHITE);
                canvas.text(&text, (x - 8, middle), Align::Right, font);
            }
        }
    }
}
