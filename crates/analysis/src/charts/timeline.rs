//! Who did what when: a lane per agent, coloured by phase.

use super::canvas::{Align, Canvas, Font, WHITE, paint};
use super::chart::{Chart, ChartError};
use super::page::{Entry, Heading, Page, Swatch};
use super::phase::{Phase, Segment, overlaps};
use super::scale::{Scale, percent, px, range, short, ticks};
use super::theme::{Color, Theme};
use super::value::drawable;

/// The timeline of some runs, on one time axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// Words around it.
    pub heading: Heading,
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

/// Columns of the picture.
struct Columns {
    left: i32,
    /// Where the names of lanes end.
    names: i32,
    /// Where verdicts begin, and how wide they are.
    side: (i32, i32),
}

/// Everything that a group is drawn with.
struct Plot<'a, 'c> {
    canvas: &'a Canvas<'c>,
    theme: &'a Theme,
    form: Form,
    sizes: Sizes,
    columns: Columns,
    scale: Scale,
}

impl Timeline {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Option<Chart>, ChartError> {
        if self.groups.iter().all(|group| group.lanes.is_empty()) {
            return Ok(None);
        }
        let page = Page::new(theme, &self.heading, self.legend());
        let sizes = self.form.sizes();
        let heights = self.groups.iter().map(|g| sizes.group(g) + sizes.group_gap);
        let groups: i32 = heights.sum();
        let top_axis = if groups > 900 { TOP_AXIS } else { 0 };
        let body = top_axis + groups + BOTTOM_AXIS;
        let page_height = page.height(body);
        let title = &self.heading.title;
        paint(title, theme.width_px(), page_height, |canvas| {
            page.draw(canvas, body)?;
            self.draw_plot(canvas, theme, page.top(), top_axis, groups)
        })
        .map(Some)
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.groups.iter().flat_map(|group| &group.lanes)
    }

    /// The phases that occur, in a fixed order.
    fn legend(&self) -> Vec<Entry> {
        let occurs = |phase: &Phase| {
            let mut segments = self.lanes().flat_map(|lane| &lane.segments);
            segments.any(|segment| segment.phase == *phase)
        };
        let mut entries: Vec<Entry> = Phase::ALL
            .into_iter()
            .filter(occurs)
            .map(|phase| Entry::new(Swatch::Fill(phase.color()), phase.name()))
            .collect();
        if self.groups.iter().any(|group| !group.overlaps().is_empty()) {
            let strip = Swatch::Strip(OVERLAP_COLOR);
            entries.push(Entry::new(strip, "two or more decode at once"));
        }
        entries
    }

    /// The columns, and where the plot lies between them.
    fn columns(&self, theme: &Theme) -> (Columns, (i32, i32)) {
        let (left, right) = (theme.margin_px(), theme.width_px() - theme.margin_px());
        let label = Font::new(theme.label_em, theme.ink);
        let small = Font::new(theme.small_em, theme.quiet);
        let big = Font::new(theme.subtitle_em, theme.ink).bold();
        let groups = || self.groups.iter();
        let lanes = label.widest(self.lanes().map(|lane| &*lane.label)).min(220);
        let labels = label.bold().widest(groups().map(|group| &*group.label));
        let details = small.widest(groups().map(|group| &*group.detail));
        let names = match self.form {
            Form::Full => left + labels.max(details).min(360) + 18 + lanes,
            Form::FrontPage => left + lanes,
        };
        let written: Vec<String> = groups().filter_map(TimelineGroup::written).collect();
        let verdicts = small.widest(groups().map(|group| &*group.verdict));
        let side_width = big
            .widest(written.iter().map(String::as_str))
            .max(verdicts)
            .min(300);
        let side = right - side_width;
        let plot_right = side - if side_width > 0 { 28 } else { 0 };
        let columns = Columns {
            left,
            names,
            side: (side, side_width),
        };
        (columns, (names + 14, plot_right))
    }

    fn draw_plot(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        top: i32,
        top_axis: i32,
        groups: i32,
    ) -> Result<(), ChartError> {
        let (columns, (from, to)) = self.columns(theme);
        let times = self.lanes().flat_map(|lane| {
            let spans = lane.segments.iter().filter_map(Segment::span);
            let marks = lane.marks.iter().map(|mark| mark.at_s);
            spans.flat_map(|(start, end)| [start, end]).chain(marks)
        });
        let walls = self.groups.iter().filter_map(|group| group.wall_s);
        let (low, high) = range(times.chain(walls)).unwrap_or((0.0, 1.0));
        let (marks, (low, high)) = ticks(low.min(0.0), high, 8, false);
        let plot = Plot {
            canvas,
            theme,
            form: self.form,
            sizes: self.form.sizes(),
            columns,
            scale: Scale {
                low,
                high,
                from,
                to,
            },
        };
        let small = Font::new(theme.small_em, theme.quiet);
        let (plot_top, plot_bottom) = (top + top_axis, top + top_axis + groups);
        for (value, label) in marks.values.iter().zip(&marks.labels) {
            let x = plot.scale.at(*value);
            if self.form == Form::Full {
                canvas.rect((x, plot_top, 2, groups), theme.grid)?;
            }
            canvas.text_inside(label, (x, plot_bottom + 20), small)?;
            if top_axis > 0 {
                canvas.text_inside(label, (x, top + 18), small)?;
            }
        }
        let middle = i32::midpoint(from, to);
        canvas.text("seconds", (middle, plot_bottom + 48), Align::Middle, small)?;

        let mut y = plot_top + plot.sizes.group_gap / 2;
        for (index, group) in self.groups.iter().enumerate() {
            let height = plot.sizes.group(group);
            if self.form == Form::FrontPage {
                // Headings stand free: the grid runs through the lanes only.
                let heading = plot.sizes.heading;
                for value in &marks.values {
                    let grid = (
                        plot.scale.at(*value),
                        y + heading - 4,
                        2,
                        height - heading + 12,
                    );
                    canvas.rect(grid, theme.grid)?;
                }
            } else if index > 0 {
                let width = theme.width_px() - 2 * theme.margin_px();
                let rule = y - plot.sizes.group_gap / 2;
                canvas.rect((plot.columns.left, rule, width, 1), theme.grid)?;
            }
            plot.draw_group(group, y)?;
            y += height + plot.sizes.group_gap;
        }
        Ok(())
    }
}

impl Plot<'_, '_> {
    fn label_font(&self) -> Font {
        Font::new(self.theme.label_em, self.theme.ink)
    }

    fn small(&self) -> Font {
        Font::new(self.theme.small_em, self.theme.quiet)
    }

    fn draw_group(&self, group: &TimelineGroup, y: i32) -> Result<(), ChartError> {
        let (canvas, sizes, columns, scale) =
            (self.canvas, &self.sizes, &self.columns, &self.scale);
        let (top, height) = (y + sizes.heading, sizes.lanes(group));
        let below = sizes.below(group);
        let lane_top = |index: usize| top + px(index) * (sizes.lane + sizes.lane_gap);
        for index in 0..group.lanes.len() {
            let track = (
                scale.from,
                lane_top(index),
                scale.to - scale.from,
                sizes.lane,
            );
            canvas.rect(track, Color(0xF5, 0xF6, 0xF7))?;
        }
        for (start, end) in group.overlaps() {
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let shaded = (from, top - 3, width, height + below + 3);
            canvas.rect(shaded, OVERLAP_COLOR.tint(22))?;
            canvas.rect((from, top + height + 4, width, sizes.strip), OVERLAP_COLOR)?;
        }
        for (index, lane) in group.lanes.iter().enumerate() {
            let at = (columns.names, lane_top(index) + sizes.lane / 2);
            let label = self.label_font().elide(&lane.label, 220);
            canvas.text(&label, at, Align::Right, self.label_font())?;
            self.draw_lane(lane, lane_top(index))?;
        }
        let middle = top + height / 2;
        if group.lanes.is_empty() {
            let at = (scale.from + 8, middle);
            canvas.text("no agents", at, Align::Left, self.small())?;
        }
        match self.form {
            Form::Full => self.draw_name(group, middle, height)?,
            Form::FrontPage => self.draw_heading(group, y, height + below)?,
        }
        self.draw_verdict(group, middle, height)
    }

    /// The group's name left of its lanes, its detail beneath where there is room.
    fn draw_name(&self, group: &TimelineGroup, middle: i32, height: i32) -> Result<(), ChartError> {
        let (font, small, left) = (self.label_font(), self.small(), self.columns.left);
        let whole = self.columns.names - left;
        let lanes = font.widest(group.lanes.iter().map(|lane| &*lane.label));
        let room = whole - lanes.min(whole) - 18;
        let label = font.bold().elide(&group.label, room);
        let both = !group.detail.is_empty() && height >= 2 * small.leading() - 8;
        let at = (left, middle - if both { 14 } else { 0 });
        self.canvas.text(&label, at, Align::Left, font.bold())?;
        if both {
            let detail = small.elide(&group.detail, room);
            self.canvas
                .text(&detail, (left, middle + 15), Align::Left, small)?;
        }
        Ok(())
    }

    /// The group's name above its lanes, and its wall time as a line.
    fn draw_heading(&self, group: &TimelineGroup, y: i32, height: i32) -> Result<(), ChartError> {
        let (left, right, at) = (self.columns.left, self.scale.to, y + 14);
        let font = Font::new(self.theme.subtitle_em, self.theme.ink).bold();
        let label = font.elide(&group.label, right - left);
        self.canvas.text(&label, (left, at), Align::Left, font)?;
        let beside = left + font.width(&label) + 18;
        let detail = self.small().elide(&group.detail, right - beside);
        self.canvas
            .text(&detail, (beside, at), Align::Left, self.small())?;
        if let Some(wall) = group.wall_s.and_then(drawable) {
            let x = self.scale.at(wall);
            let line = (x - 1, y + self.sizes.heading - 12, 3, height + 12);
            self.canvas.rect(line, self.theme.ink)?;
            let text = format!("{} s", short(wall));
            let font = self.label_font().bold();
            let from = (x - font.width(&text) / 2).min(right - font.width(&text));
            // Not into the heading.
            if from > beside + self.small().width(&detail) + 12 {
                self.canvas.text(&text, (from, y + 18), Align::Left, font)?;
            }
        }
        Ok(())
    }

    /// The overlap, and the verdict beneath it or, in a thin group, beside it.
    fn draw_verdict(
        &self,
        group: &TimelineGroup,
        middle: i32,
        height: i32,
    ) -> Result<(), ChartError> {
        let small = self.small();
        let (side, width) = self.columns.side;
        let verdict = small.wrap(&group.verdict, width, 3);
        let Some(text) = group.written() else {
            let at = (side, middle);
            return self.canvas.lines(&verdict, at, Align::Left, small);
        };
        let mut big = Font::new(self.theme.subtitle_em, self.theme.ink).bold();
        if group.overlap == Overlap::Unknown {
            big = big.color(self.theme.quiet);
        }
        let lines = px(verdict.len());
        let tight = height < 50 || verdict.is_empty();
        let at = middle - if tight { 0 } else { 15 * lines };
        self.canvas.text(&text, (side, at), Align::Left, big)?;
        if !tight {
            let below = at + 29 + (lines - 1) * small.leading() / 2;
            self.canvas
                .lines(&verdict, (side, below), Align::Left, small)
        } else if self.form == Form::Full {
            let beside = side + big.width(&text) + 12;
            let room = self.theme.width_px() - self.theme.margin_px() - beside;
            let verdict = small.elide(&group.verdict, room);
            self.canvas.text(&verdict, (beside, at), Align::Left, small)
        } else {
            Ok(())
        }
    }

    fn draw_lane(&self, lane: &Lane, top: i32) -> Result<(), ChartError> {
        let (canvas, scale, tall) = (self.canvas, &self.scale, self.sizes.lane);
        let middle = top + tall / 2;
        for segment in &lane.segments {
            let Some((start, end)) = segment.span() else {
                continue;
            };
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let color = segment.phase.color();
            canvas.rect((from, top, width, tall), color)?;
            if self.form == Form::FrontPage {
                let font = self.small().color(color.legible(self.theme.ink));
                let seconds = format!("{} s", short(end - start));
                if font.width(&seconds) + 16 <= width {
                    let at = (from + width / 2, middle);
                    canvas.text(&seconds, at, Align::Middle, font)?;
                }
            }
        }
        for mark in &lane.marks {
            let Some(at) = drawable(mark.at_s) else {
                continue;
            };
            let x = scale.at(at);
            canvas.rect((x - 2, top - 2, 4, tall + 4), FAILURE_COLOR)?;
            let font = self.small().color(FAILURE_COLOR).bold();
            // Beside the mark where nothing follows; at its left when the edge is near.
            if font.width(&mark.text) <= scale.to - x - 10 {
                canvas.text(&mark.text, (x + 8, middle), Align::Left, font)?;
            } else {
                let text = font.elide(&mark.text, x - scale.from - 10);
                let width = font.width(&text) + 10;
                canvas.rect((x - 8 - width, top, width + 4, tall), WHITE)?;
                canvas.text(&text, (x - 8, middle), Align::Right, font)?;
            }
        }
        Ok(())
    }
}
