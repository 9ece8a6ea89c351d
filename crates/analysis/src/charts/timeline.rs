//! Who did what when: a lane per agent, coloured by phase.

use super::canvas::{Align, Canvas, Font, paint};
use super::page::{Entry, Page, Swatch};
use super::phase::{Phase, overlaps};
use super::scale::{Scale, percent, range, short, ticks};
use super::value::drawable;
use super::{Chart, ChartError, Color, Heading, Theme};

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

/// A stretch of time spent in one phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// What was going on.
    pub phase: Phase,
    /// Start, seconds.
    pub start_s: f64,
    /// End, seconds. A segment whose ends are not finite or in the wrong order is not drawn.
    pub end_s: f64,
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

/// Sizes of one form.
struct Metrics {
    lane: i32,
    lane_gap: i32,
    group_gap: i32,
    heading: i32,
    strip: i32,
}

impl Form {
    fn metrics(self) -> Metrics {
        match self {
            Self::Full => Metrics {
                lane: 28,
                lane_gap: 5,
                group_gap: 26,
                heading: 0,
                strip: 6,
            },
            Self::FrontPage => Metrics {
                lane: 58,
                lane_gap: 10,
                group_gap: 34,
                heading: 44,
                strip: 8,
            },
        }
    }
}

impl Metrics {
    fn group_height(&self, group: &TimelineGroup) -> i32 {
        let lanes = i32::try_from(group.lanes.len().max(1)).unwrap_or(i32::MAX / 1024);
        self.heading + lanes * (self.lane + self.lane_gap) - self.lane_gap
            + if group.lanes.len() > 1 {
                self.strip + 4
            } else {
                0
            }
    }
}

/// Columns of the picture.
struct Columns {
    label: i32,
    lane_right: i32,
    plot: i32,
    plot_right: i32,
    side: i32,
    side_width: i32,
}

impl Timeline {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Chart, ChartError> {
        let page = Page::new(theme, &self.heading, self.legend());
        let metrics = self.form.metrics();
        let groups: i32 = self
            .groups
            .iter()
            .map(|group| metrics.group_height(group) + metrics.group_gap)
            .sum();
        let top_axis = if groups > 900 { TOP_AXIS } else { 0 };
        let body = if self.groups.is_empty() {
            160
        } else {
            top_axis + groups + BOTTOM_AXIS
        };
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                if self.groups.is_empty() {
                    let middle = (theme.width_px() / 2, page.top() + body / 2);
                    let font = Font::new(theme.label_em, theme.quiet);
                    return canvas.text("no runs to show", middle, Align::Middle, font);
                }
                self.draw_plot(canvas, theme, &metrics, page.top(), top_axis, groups)
            },
        )
    }

    /// The phases that occur, in a fixed order.
    fn legend(&self) -> Vec<Entry> {
        let segments = || {
            self.groups
                .iter()
                .flat_map(|g| &g.lanes)
                .flat_map(|l| &l.segments)
        };
        let mut entries: Vec<Entry> = Phase::ALL
            .into_iter()
            .filter(|phase| segments().any(|segment| segment.phase == *phase))
            .map(|phase| Entry::new(Swatch::Fill(phase.color()), phase.name()))
            .collect();
        if self.groups.iter().any(|group| !overlaps(group).is_empty()) {
            entries.push(Entry::new(
                Swatch::Strip(OVERLAP_COLOR),
                "two or more decode at once",
            ));
        }
        entries
    }

    fn columns(&self, theme: &Theme) -> Columns {
        let (left, right) = (theme.margin_px(), theme.width_px() - theme.margin_px());
        let label_font = Font::new(theme.label_em, theme.ink);
        let small = Font::new(theme.small_em, theme.quiet);
        let lanes = label_font
            .widest(
                self.groups
                    .iter()
                    .flat_map(|g| &g.lanes)
                    .map(|lane| lane.label.as_str()),
            )
            .min(220);
        let labels = label_font
            .bold()
            .widest(self.groups.iter().map(|group| group.label.as_str()))
            .max(small.widest(self.groups.iter().map(|group| group.detail.as_str())))
            .min(360);
        let lane_right = match self.form {
            Form::Full => left + labels + 18 + lanes,
            Form::FrontPage => left + lanes,
        };
        let big = Font::new(theme.subtitle_em, theme.ink).bold();
        let written: Vec<String> = self
            .groups
            .iter()
            .filter_map(|g| written(g.overlap))
            .collect();
        let side_width = big
            .widest(written.iter().map(String::as_str))
            .max(small.widest(self.groups.iter().map(|group| group.verdict.as_str())))
            .min(300);
        let side = right - side_width;
        Columns {
            label: left,
            lane_right,
            plot: lane_right + 14,
            plot_right: side - if side_width > 0 { 28 } else { 0 },
            side,
            side_width,
        }
    }

    fn draw_plot(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        metrics: &Metrics,
        top: i32,
        top_axis: i32,
        groups: i32,
    ) -> Result<(), ChartError> {
        let columns = self.columns(theme);
        let lanes = || self.groups.iter().flat_map(|group| &group.lanes);
        let times = lanes().flat_map(|lane| {
            let segments = lane.segments.iter().filter_map(Segment::span);
            segments
                .flat_map(|(start, end)| [start, end])
                .chain(lane.marks.iter().map(|mark| mark.at_s))
        });
        let walls = self.groups.iter().filter_map(|group| group.wall_s);
        let (low, high) = range(times.chain(walls)).unwrap_or((0.0, 1.0));
        let (marks, (low, high)) = ticks(low.min(0.0), high, 8, false);
        let scale = Scale {
            low,
            high,
            from: columns.plot,
            to: columns.plot_right,
        };

        let small = Font::new(theme.small_em, theme.quiet);
        let (plot_top, plot_bottom) = (top + top_axis, top + top_axis + groups);
        for (value, label) in marks.values.iter().zip(&marks.labels) {
            let x = scale.at(*value);
            if self.form == Form::Full {
                canvas.rect((x, plot_top, 2, groups), theme.grid)?;
            }
            canvas.text_inside(label, (x, plot_bottom + 20), small)?;
            if top_axis > 0 {
                canvas.text_inside(label, (x, top + 18), small)?;
            }
        }
        let middle = i32::midpoint(columns.plot, columns.plot_right);
        canvas.text("seconds", (middle, plot_bottom + 48), Align::Middle, small)?;

        let mut y = plot_top + metrics.group_gap / 2;
        for (index, group) in self.groups.iter().enumerate() {
            if self.form == Form::FrontPage {
                // Headings stand free: the grid runs through the lanes only.
                let (from, height) = (
                    y + metrics.heading - 4,
                    metrics.group_height(group) - metrics.heading,
                );
                for value in &marks.values {
                    canvas.rect((scale.at(*value), from, 2, height + 12), theme.grid)?;
                }
            } else if index > 0 {
                let rule = y - metrics.group_gap / 2;
                let width = theme.width_px() - 2 * theme.margin_px();
                canvas.rect((columns.label, rule, width, 1), theme.grid)?;
            }
            self.draw_group(canvas, theme, metrics, &columns, &scale, group, y)?;
            y += metrics.group_height(group) + metrics.group_gap;
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is the one layout of the picture"
    )]
    fn draw_group(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        metrics: &Metrics,
        columns: &Columns,
        scale: &Scale,
        group: &TimelineGroup,
        y: i32,
    ) -> Result<(), ChartError> {
        let label_font = Font::new(theme.label_em, theme.ink);
        let small = Font::new(theme.small_em, theme.quiet);
        let strip = if group.lanes.len() > 1 {
            metrics.strip + 4
        } else {
            0
        };
        let lanes_top = y + metrics.heading;
        let lanes_height = metrics.group_height(group) - metrics.heading - strip;
        let middle = lanes_top + lanes_height / 2;

        let mut heading_end = 0;
        match self.form {
            Form::Full => {
                let lanes = label_font
                    .widest(group.lanes.iter().map(|lane| lane.label.as_str()))
                    .min(columns.lane_right - columns.label);
                let room = columns.lane_right - columns.label - lanes - 18;
                let label = label_font.bold().elide(&group.label, room);
                if group.detail.is_empty() || lanes_height < 2 * small.leading() - 8 {
                    canvas.text(
                        &label,
                        (columns.label, middle),
                        Align::Left,
                        label_font.bold(),
                    )?;
                } else {
                    let detail = small.elide(&group.detail, room);
                    let (above, below) =
                        ((columns.label, middle - 14), (columns.label, middle + 15));
                    canvas.text(&label, above, Align::Left, label_font.bold())?;
                    canvas.text(&detail, below, Align::Left, small)?;
                }
            }
            Form::FrontPage => {
                let font = Font::new(theme.subtitle_em, theme.ink).bold();
                let room = columns.plot_right - columns.label;
                let label = font.elide(&group.label, room);
                let at = y + 14;
                canvas.text(&label, (columns.label, at), Align::Left, font)?;
                let beside = columns.label + font.width(&label) + 18;
                let detail = small.elide(&group.detail, columns.plot_right - beside);
                canvas.text(&detail, (beside, at), Align::Left, small)?;
                heading_end = beside + small.width(&detail) - columns.label;
            }
        }

        for index in 0..group.lanes.len() {
            let index = i32::try_from(index).unwrap_or(i32::MAX / 1024);
            let top = lanes_top + index * (metrics.lane + metrics.lane_gap);
            let track = (
                columns.plot,
                top,
                columns.plot_right - columns.plot,
                metrics.lane,
            );
            canvas.rect(track, Color(0xF5, 0xF6, 0xF7))?;
        }
        for (start, end) in overlaps(group) {
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let shaded = (from, lanes_top - 3, width, lanes_height + strip + 3);
            canvas.rect(shaded, OVERLAP_COLOR.tint(22))?;
            let bar = (from, lanes_top + lanes_height + 4, width, metrics.strip);
            canvas.rect(bar, OVERLAP_COLOR)?;
        }
        for (index, lane) in group.lanes.iter().enumerate() {
            let index = i32::try_from(index).unwrap_or(i32::MAX / 1024);
            let top = lanes_top + index * (metrics.lane + metrics.lane_gap);
            let at = (columns.lane_right, top + metrics.lane / 2);
            let label = label_font.elide(&lane.label, 220);
            canvas.text(&label, at, Align::Right, label_font)?;
            self.draw_lane(canvas, theme, metrics, scale, lane, top)?;
        }
        if let (Form::FrontPage, Some(wall)) = (self.form, group.wall_s.and_then(drawable)) {
            let x = scale.at(wall);
            canvas.rect(
                (x - 1, lanes_top - 12, 3, lanes_height + strip + 12),
                theme.ink,
            )?;
            let text = format!("{} s", short(wall));
            let font = label_font.bold();
            let from = (x - font.width(&text) / 2).min(columns.plot_right - font.width(&text));
            // Not into the heading.
            if from > columns.label + heading_end + 12 {
                canvas.text(&text, (from, y + 18), Align::Left, font)?;
            }
        }
        if group.lanes.is_empty() {
            canvas.text("no agents", (columns.plot + 8, middle), Align::Left, small)?;
        }

        let big = Font::new(theme.subtitle_em, theme.ink).bold();
        let verdict = small.wrap(&group.verdict, columns.side_width, 3);
        match written(group.overlap) {
            Some(text) => {
                let tight = lanes_height < 50 || verdict.is_empty();
                let at = if tight {
                    middle
                } else {
                    middle - 15 * lines_of(&verdict)
                };
                let font = match group.overlap {
                    Overlap::Unknown => big.color(theme.quiet),
                    _ => big,
                };
                canvas.text(&text, (columns.side, at), Align::Left, font)?;
                if !tight {
                    let below = at + 29 + (lines_of(&verdict) - 1) * small.leading() / 2;
                    canvas.lines(&verdict, (columns.side, below), Align::Left, small)
                } else if verdict.is_empty() || self.form == Form::FrontPage {
                    Ok(())
                } else {
                    let beside = columns.side + font.width(&text) + 12;
                    let room = theme.width_px() - theme.margin_px() - beside;
                    let verdict = small.elide(&group.verdict, room);
                    canvas.text(&verdict, (beside, at), Align::Left, small)
                }
            }
            None => canvas.lines(&verdict, (columns.side, middle), Align::Left, small),
        }
    }

    fn draw_lane(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        metrics: &Metrics,
        scale: &Scale,
        lane: &Lane,
        top: i32,
    ) -> Result<(), ChartError> {
        for segment in &lane.segments {
            let Some((start, end)) = segment.span() else {
                continue;
            };
            let (from, to) = (scale.at(start), scale.at(end));
            let width = (to - from).max(1);
            let color = segment.phase.color();
            canvas.rect((from, top, width, metrics.lane), color)?;
            if self.form == Form::FrontPage {
                let ink = if color.is_dark() {
                    Color(0xFF, 0xFF, 0xFF)
                } else {
                    theme.ink
                };
                let font = Font::new(theme.small_em, ink);
                let seconds = format!("{} s", short(end - start));
                if font.width(&seconds) + 16 <= width {
                    let middle = (from + width / 2, top + metrics.lane / 2);
                    canvas.text(&seconds, middle, Align::Middle, font)?;
                }
            }
        }
        for mark in &lane.marks {
            let Some(at) = drawable(mark.at_s) else {
                continue;
            };
            let x = scale.at(at);
            canvas.rect((x - 2, top - 2, 4, metrics.lane + 4), FAILURE_COLOR)?;
            let font = Font::new(theme.small_em, FAILURE_COLOR).bold();
            let room = scale.to - x - 10;
            let middle = top + metrics.lane / 2;
            // Beside the mark where nothing follows; at its left when the edge is near.
            if font.width(&mark.text) <= room {
                canvas.text(&mark.text, (x + 8, middle), Align::Left, font)?;
            } else {
                let text = font.elide(&mark.text, x - scale.from - 10);
                let width = font.width(&text) + 10;
                canvas.rect(
                    (x - 8 - width, top, width + 4, metrics.lane),
                    Color(255, 255, 255),
                )?;
                canvas.text(&text, (x - 8, middle), Align::Right, font)?;
            }
        }
        Ok(())
    }
}

fn lines_of(lines: &[String]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(1)
}

/// The overlap in words.
fn written(overlap: Overlap) -> Option<String> {
    match overlap {
        Overlap::NotShown => None,
        Overlap::Measured(share) if share.is_finite() => {
            Some(format!("{} overlap", percent(share)))
        }
        Overlap::Measured(_) | Overlap::Unknown => Some("overlap unknown".to_owned()),
    }
}
